"""What a person who asked for a run can be told is wrong with it."""

from collections.abc import Iterable
from difflib import get_close_matches


class BadRequest(Exception):
    """The run is refused before anything is paid for.

    The message names what was wrong, with which value, what is allowed and what to do; `param` is the key at fault.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question to append to a refusal; empty where no choice is close."""
    matches = get_close_matches(word, choices, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
