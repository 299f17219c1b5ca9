"""The page behind the link in the mail that asks for an approval: what speaks for the model, and two buttons.

The link works once as the run waits once: whoever decides first, here, by the command or by the API, has decided.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from common.ledger import Data
from common.link_token import LinkToken
from common.shown import shown as quoted

from proxy.errors import InvalidParameter, LinkUsed, NotWaiting
from proxy.link_page import button, good, page

DECISIONS = ("approve", "reject")


class Runs(Protocol):
    """What is known of runs. Every method raises ControlPlaneFailed where that cannot be found out."""

    def token_key(self) -> bytes | None: ...

    def waiting(self, run: str) -> Data:
        """The record of a run that waits for a person's word. Raises NotWaiting for another one."""

    def tell(self, run: Data, *, approve: bool, by: str) -> None:
        """Raises NotWaiting where somebody else was faster."""


def shown(text: str, *, runs: Runs, now: datetime) -> str:
    """The page with the buttons. Raises LinkRefused and its kin where they would do nothing."""
    token = _good(text, runs, now)
    with _used_if_over():
        run = runs.waiting(token.subject)
    yes = button("Approve: put it behind the API", text, decision="approve")
    no = button("Reject: leave the endpoint as it is", text, decision="reject")
    return page(*run["approval"]["facts"], buttons=yes + no)


def pressed(text: str, decision: str, *, runs: Runs, now: datetime) -> str:
    """The page that says what came of it. Raises LinkRefused and its kin, and InvalidParameter."""
    token = _good(text, runs, now)
    if decision not in DECISIONS:
        raise InvalidParameter(f"decision is {quoted(decision)}, but must be {' or '.join(DECISIONS)}.")
    approve = decision == "approve"
    with _used_if_over():
        runs.tell(runs.waiting(token.subject), approve=approve, by="a mail's link")
    what = "approved: it is served next" if approve else "rejected: the endpoint serves what it served before"
    return page(f"Run {token.subject} is {what}. `pilot finetune status {token.subject}` tells how it goes on.")


def _good(text: str, runs: Runs, now: datetime) -> LinkToken:
    return good(
        text,
        runs.token_key(),
        "approve",
        now=now,
        instead="pilot approve",
        expired="`pilot finetune status` tells what became of the run.",
    )


@contextmanager
def _used_if_over() -> Iterator[None]:
    try:
        yield
    except NotWaiting as over:
        raise LinkUsed(f"This link was used already, or the word came another way. {over.message}") from over
