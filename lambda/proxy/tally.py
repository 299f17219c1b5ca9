"""Tokens of a request's invocations, for its metrics: the container's own counts, and estimates where it tells none."""

from typing import NamedTuple

BYTES_PER_TOKEN = 4  # of JSON in UTF-8, its frame included: good for a trend, not for a bill


class Counts(NamedTuple):
    """What one answer of a container says of the tokens that it read and wrote; None where it does not."""

    read: int | None = None
    written: int | None = None


NOT_TOLD = Counts()


class Tally:
    """Sums over the invocations so far; `estimated` names those that some answer did not tell."""

    def __init__(self) -> None:
        self.tokens_in = 0
        self.tokens_out = 0
        self.estimated: set[str] = set()

    def add(self, sent: bytes, received: bytes, told: Counts) -> tuple[int, int]:
        """What this invocation read and wrote, counted or estimated."""
        if told.read is None:
            self.estimated.add("in")
        if told.written is None:
            self.estimated.add("out")
        read = len(sent) // BYTES_PER_TOKEN if told.read is None else told.read
        written = len(received) // BYTES_PER_TOKEN if told.written is None else told.written
        self.tokens_in += read
        self.tokens_out += written
        return read, written
