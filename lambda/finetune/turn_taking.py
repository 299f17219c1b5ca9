"""Turns in the ledger: the entry promotion/endpoint (finetune.turns), written over its last version only."""

from common import describe

from finetune.clients import Kit
from finetune.run import KIND, RUNNING
from finetune.turns import Turns

MENDING_SECONDS = 7200
"""So long after its execution ended a run may still be mended: that begins at once, and its steps are repeated for half
an hour.
"""

MOST_TRIES_TO_WRITE = 20
"""In one step, which Step Functions repeats."""


def take(run: str, kit: Kit) -> bool:
    """Whether it is this run's turn. It has a place among those who wait from now on, unless somebody was faster."""
    turns, version = _turns(kit)
    asked = turns.asked_by(run, lambda other: _is_at_it(kit, other))
    return _written(kit, turns, asked, version) and asked.run == run


def has(run: str, kit: Kit) -> bool:
    return _turns(kit)[0].run == run


def off_before(kit: Kit) -> str:
    """The switch's execution that turns the endpoint off after the last run; empty where there is none."""
    return _turns(kit)[0].off


def leave(run: str, kit: Kit, off: str) -> None:
    """Whoever waits next finds the turn free, and what turns the endpoint `off`. Runs that come meanwhile write too."""
    for _ in range(MOST_TRIES_TO_WRITE):
        turns, version = _turns(kit)
        if _written(kit, turns, turns.left_by(run, off), version):
            return
    raise RuntimeError(f"Run {run} could not leave its turn: the ledger's promotion/endpoint changes all the time.")


def _turns(kit: Kit) -> tuple[Turns, int]:
    held, version = kit.ledger.entry("promotion", "endpoint")
    return Turns.from_data(held), version


def _written(kit: Kit, before: Turns, after: Turns, version: int) -> bool:
    return after == before or kit.ledger.put_if("promotion", "endpoint", after.to_data(), version=version)


def _is_at_it(kit: Kit, holder: str) -> bool:
    """Whether that run has not ended, and its execution runs, or ended less than MENDING_SECONDS ago.

    A killed run's model may still be served, so its mending, whose execution becomes the run's, has the turn as well.
    """
    record = kit.ledger.get(KIND, holder)
    if record is None or record["status"] != RUNNING:
        return False
    execution = describe.execution(kit.stepfunctions, str(record["execution_arn"]))
    if execution is None:
        return False
    ended = execution.get("stopDate")
    return ended is None or kit.now < ended.timestamp() + MENDING_SECONDS
