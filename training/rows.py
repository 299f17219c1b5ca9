"""The rows of a dataset: read from the channel's files, as text that is learned and text that is only read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    text: str
    learned: bool
    """Whether the loss counts this text: a completion, an assistant's turn, a document. Not a prompt."""


@dataclass(frozen=True)
class Row:
    """One example. Its segments are tokenised apart, because the model meets the prompt apart when it is asked."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Rows:
    """A dataset in one of its two parts, in the order of the files."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
