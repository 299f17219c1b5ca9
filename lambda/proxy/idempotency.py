"""`Idempotency-Key`: a POST that is sent again gets the first one's answer, for ten minutes.

The first call claims the key for as long as its own caller may wait, and leaves its answer there. A second one that
comes meanwhile waits within its own budget. A failure leaves nothing: whatever went wrong, sending it again tries
again, and that includes a generation which timed out and may have been paid for. The parts of a split that broke off
are an answer: what is missing is asked for under another key. A first call that dies midway holds
its key until its time is over.

All times are of the event's clock: DynamoDB removes what has expired when it likes.
"""

import hashlib
import re
from enum import StrEnum
from typing import NamedTuple

from proxy.errors import InvalidRequest
from proxy.request import Request

HEADER = "Idempotency-Key"
KEPT_SECONDS = 600
RESERVE_SECONDS = 2.0  # off the deadline of the work, for keeping its answer; the table's client takes no longer

KEY_PATTERN = r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?"


class State(StrEnum):
    RUNNING = "running"
    ANSWERED = "answered"
    TOO_LARGE = "too_large"


class Verdict(StrEnum):
    """What a call makes of an entry that stands under its key."""

    FREE = "free"
    WAIT = "wait"
    REPLAY = "replay"
    NOT_KEPT = "not_kept"
    OTHER_REQUEST = "other_request"


class Key(NamedTuple):
    """Hashes in hexadecimal: `id` of the caller and the key, `request` of all that the answer depends on."""

    id: str
    request: str


class Entry(NamedTuple):
    """What stands under a key. `owner` is a name of the one call that claimed it; times are seconds since 1970."""

    request: str
    owner: str
    state: State
    lease_until: float
    expires_at: float
    answer: str | None = None


def key_of(request: Request) -> Key | None:
    """The key that a POST was sent with. Raises InvalidRequest where it is malformed or nobody's."""
    given = request.headers.get(HEADER.lower())
    if given is None or request.method != "POST":
        return None
    if not re.fullmatch(KEY_PATTERN, given):
        raise InvalidRequest(
            f"{HEADER} is {given[:40]!r}, but must be 1 to 255 printable ASCII characters, such as a UUID.",
            param=HEADER,
        )
    if request.caller is None:
        raise InvalidRequest(f"{HEADER} needs a caller who is known: send an API key as well.", param=HEADER)
    return Key(
        id=_sha256(request.caller, given),
        request=_sha256(request.method, request.path, request.body),
    )


def judge(entry: Entry, *, request: str, now: float) -> Verdict:
    """What a call that hashes to `request` makes of `entry` at `now`."""
    if entry.expires_at <= now or (entry.state is State.RUNNING and entry.lease_until <= now):
        return Verdict.FREE
    if entry.request != request:
        return Verdict.OTHER_REQUEST
    return {State.RUNNING: Verdict.WAIT, State.ANSWERED: Verdict.REPLAY, State.TOO_LARGE: Verdict.NOT_KEPT}[entry.state]


def _sha256(*parts: str) -> str:
    """Of the parts with their lengths, so that no two lists of parts are one text."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
