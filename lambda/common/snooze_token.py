"""What a mail's link carries so that whoever reads the mail may snooze once: signed, and good for a short time. Pure.

A token is two parts in URL-safe base64, joined by a dot: {"endpoint", "expires_at", "nonce"} as JSON, and its
HMAC-SHA256.
That it is used once is the ledger's to say, by its nonce.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass

MOST_CHARACTERS = 512


class BadTokenError(Exception):
    """It was not made with this key, or not by us at all."""


@dataclass(frozen=True)
class SnoozeToken:
    """`expires_at` is in epoch seconds; no two tokens have the same `nonce`."""

    endpoint: str
    expires_at: float
    nonce: str


def signed(token: SnoozeToken, key: bytes) -> str:
    body = json.dumps(asdict(token), sort_keys=True, separators=(",", ":")).encode()
    return f"{_text(body)}.{_text(_mac(body, key))}"


def verified(text: str, key: bytes) -> SnoozeToken:
    """Raises BadTokenError. Whether it has expired, and for which endpoint it is, is the caller's to look at."""
    body, mac = _parts(text)
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise BadTokenError("Its signature is not ours.")
    return SnoozeToken(**json.loads(body))  # it is signed, so we wrote it


def _parts(text: str) -> tuple[bytes, bytes]:
    body, dot, mac = text.partition(".")
    if not dot or len(text) > MOST_CHARACTERS:
        raise BadTokenError("It is not two parts joined by a dot.")
    try:
        return _bytes(body), _bytes(mac)
    except (binascii.Error, ValueError) as error:
        raise BadTokenError("It is not in URL-safe base64.") from error


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
