"""The page behind the link in a warning's mail. Looking at it changes nothing, as mail scanners follow links: its
button posts the link's token, which is good once.
"""

from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Protocol

from common.snooze_token import BadTokenError, SnoozeToken, verified

from proxy.errors import LinkExpired, LinkRefused, LinkUsed, Problem

HOURS = 2

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Pilotlight</title>
<style>body{{font:1.1rem/1.5 sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}}button{{font:inherit}}</style>
</head><body>{inside}</body></html>
"""


class Tokens(Protocol):
    """What the ledger knows of tokens. Every method raises ControlPlaneFailed where it cannot be reached."""

    def token_key(self) -> bytes | None: ...
    def token_is_used(self, token: SnoozeToken) -> bool: ...
    def use_token(self, token: SnoozeToken, now: datetime) -> bool: ...


def shown(text: str, *, tokens: Tokens, endpoint_name: str, now: datetime) -> str:
    """The page with the button. Raises LinkRefused and its kin where the button would do nothing."""
    token = _good(text, tokens=tokens, endpoint_name=endpoint_name, now=now)
    if tokens.token_is_used(token):
        raise _used()
    field = f'<input type="hidden" name="token" value="{escape(text)}">'
    button = f"<button>Keep it on for {HOURS} hours more</button>"
    return _page(f"Nobody calls the endpoint {endpoint_name}.", f'<form method="post">{field}{button}</form>')


def pressed(
    text: str, snooze: Callable[[Callable[[], None]], str], *, tokens: Tokens, endpoint_name: str, now: datetime
) -> str:
    """The page that says what came of it. `snooze` is given what to do just before it writes, and says until when."""
    token = _good(text, tokens=tokens, endpoint_name=endpoint_name, now=now)

    def use() -> None:
        if not tokens.use_token(token, now):
            raise _used()

    return _page(snooze(use))


def refused(problem: Problem) -> str:
    return _page(problem.message)


def _good(text: str, *, tokens: Tokens, endpoint_name: str, now: datetime) -> SnoozeToken:
    key = tokens.token_key()
    try:
        if key is None:
            raise BadTokenError("No token was ever made here.")
        token = verified(text, key)
    except BadTokenError as exc:
        raise LinkRefused(
            "This link is not from a mail of this stage, or was cut. Copy the whole link, or use `pilot snooze 2h`."
        ) from exc
    if token.endpoint != endpoint_name:
        raise LinkRefused(f"This link is for another endpoint, not for {endpoint_name}.")
    if now.timestamp() >= token.expires_at:
        raise LinkExpired("This link has expired. `pilot status` tells whether the endpoint is still on.")
    return token


def _used() -> LinkUsed:
    return LinkUsed("This link was used already, and works once. `pilot snooze 2h` snoozes again.")


def _page(sentence: str, more: str = "") -> str:
    return _FRAME.format(inside=f"<p>{escape(sentence)}</p>{more}")
