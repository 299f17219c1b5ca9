"""What a mail's link carries so that whoever reads the mail may do one thing: signed, and good for a short time. Pure.

A token is two parts in URL-safe base64, joined by a dot: {"purpose", "subject", "expires_at", "nonce"} as JSON, and its
HMAC-SHA256.
That it is used once is for the page to see to.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final, Literal

Purpose = Literal["snooze", "approve"]
"""Also the page's path, without its slash."""

KEY: Final = "links"
"""The name that the stage's ledger has for the key (`Ledger.key_for`)."""
MOST_CHARACTERS = 512


class BadTokenError(Exception):
    """It was not made with this key, or not by us at all."""


@dataclass(frozen=True)
class LinkToken:
    """`subject` is the endpoint that is snoozed, or the run that is approved. `expires_at` is in epoch seconds; no two
    tokens have the same `nonce`.
    """

    purpose: Purpose
    subject: str
    expires_at: float
    nonce: str


def signed(token: LinkToken, key: bytes) -> str:
    body = json.dumps(asdict(token), sort_keys=True, separators=(",", ":")).encode()
    return f"{_text(body)}.{_text(_mac(body, key))}"


def verified(text: str, key: bytes, purpose: Purpose) -> LinkToken:
    """Raises BadTokenError. Whether it has expired, and what it is about, is the caller's to look at."""
    body, mac = _parts(text)
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise BadTokenError("Its signature is not ours.")
    token = LinkToken(**json.loads(body))  # it is signed, so we wrote it
    if token.purpose != purpose:
        raise BadTokenError(f"It is made to {token.purpose}, not to {purpose}.")
    return token


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
