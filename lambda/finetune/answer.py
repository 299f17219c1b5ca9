"""What a step tells the state machine, and how it gives up."""

from dataclasses import dataclass
from typing import Any

from finetune.run import Run

NOTHING = "nothing"
"""What comes next of an execution that is no run of its own: nothing, and nothing is written down."""


@dataclass(frozen=True)
class Answer:
    """The run as it is now, and what comes next: on to the next state ("go"), the same one again ("wait"), or another
    one that the state machine knows by name.
    """

    run: Run
    next: str = "go"
    wait_seconds: int = 0

    def to_data(self) -> dict[str, Any]:
        return {
            "id": self.run.id,
            "next": self.next,
            "wait_seconds": self.wait_seconds,
            "message": self.run.message,
            "status": self.run.status,
            "approve": bool(self.run.asked.get("approve")),
        }


class RunFailed(Exception):
    """This run cannot go on; the message says why, and what to do."""
