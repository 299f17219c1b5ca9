"""The page behind the link in a warning's mail: one button, which leaves the endpoint on for a while."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from common.link_token import LinkToken

from proxy.errors import LinkRefused, LinkUsed
from proxy.link_page import button, good, page

HOURS = 2


class Tokens(Protocol):
    """What the ledger knows of tokens. Every method raises ControlPlaneFailed where it cannot be reached."""

    def token_key(self) -> bytes | None: ...
    def token_is_used(self, token: LinkToken) -> bool: ...
    def use_token(self, token: LinkToken, now: datetime) -> bool: ...


def shown(text: str, *, tokens: Tokens, endpoint_name: str, now: datetime) -> str:
    """The page with the button. Raises LinkRefused and its kin where the button would do nothing."""
    token = _good(text, tokens=tokens, endpoint_name=endpoint_name, now=now)
    if tokens.token_is_used(token):
        raise _used()
    return page(
        f"Nobody calls the endpoint {endpoint_name}.", buttons=button(f"Keep it on for {HOURS} hours more", text)
    )


def pressed(
    text: str, snooze: Callable[[Callable[[], None]], str], *, tokens: Tokens, endpoint_name: str, now: datetime
) -> str:
    """The page that says what came of it. `snooze` is given what to do just before it writes, and says until when."""
    token = _good(text, tokens=tokens, endpoint_name=endpoint_name, now=now)

    def use() -> None:
        if not tokens.use_token(token, now):
            raise _used()

    return page(snooze(use))


def _good(text: str, *, tokens: Tokens, endpoint_name: str, now: datetime) -> LinkToken:
    token = good(
        text,
        tokens.token_key(),
        "snooze",
        now=now,
        instead="pilot snooze 2h",
        expired="`pilot status` tells whether the endpoint is still on.",
    )
    if token.subject != endpoint_name:
        raise LinkRefused(f"This link is for another endpoint, not for {endpoint_name}.")
    return token


def _used() -> LinkUsed:
    return LinkUsed("This link was used already, and works once. `pilot snooze 2h` snoozes again.")
