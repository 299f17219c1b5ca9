"""SIGTERM: SageMaker sends it to a job that is stopped or whose spot capacity goes, and kills 120 s later."""

import signal
from types import FrameType


class Stop:
    """Whether the process was asked to end. It ends at the next place where nothing is lost."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
