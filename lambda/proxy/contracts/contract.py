"""What a contract is, and what all of them share."""

from typing import Protocol

from proxy.completion import Completion, Outcome
from proxy.errors import BadModelAnswer
from proxy.generation import Generation
from proxy.strict_json import JsonObject
from proxy.tally import Counts

NEW_TOKENS = 64  # generated beyond the input where the caller sets no max_length
MOST_COUNTED = 2**53  # tokens that a float holds exactly; more is nobody's count
MARK_TOKENS = 6  # the most that a contract adds to a prompt: AlexaTM's "[CLM] ", at a token a byte


class Contract(Protocol):
    """One adapter a contract: request out, response in. `added_tokens` are those that it puts before each prompt."""

    added_tokens: int

    def requests(self, generation: Generation) -> list[JsonObject]:
        """The bodies to send, one invocation each, all expecting the same number of texts.

        Raises InvalidParameter, by name, for what the model behind this contract cannot honour.
        """
        ...

    def texts(self, answer: object) -> list[str]:
        """The generated texts in one parsed answer, in order. Raises BadModelAnswer for any other shape."""
        ...

    def completion_requests(self, completion: Completion) -> list[JsonObject]:
        """The bodies to send for one prompt, one invocation each, all expecting the same number of texts.

        Raises InvalidParameter, under OpenAI's names, for what the model behind this contract cannot honour.
        """
        ...

    def outcome(self, answer: object) -> Outcome:
        """One parsed answer to such a body. Raises BadModelAnswer for any other shape."""
        ...

    def counts(self, answer: object) -> Counts:
        """The tokens that a parsed answer of any shape says it took; nothing is raised."""
        ...


def counted(value: object) -> int | None:
    """`value` as a number of tokens; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_COUNTED else None


def checked_texts(value: object, shape: str) -> list[str]:
    """`value` as a list of strings; raises BadModelAnswer naming the shape that was due."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise BadModelAnswer(f"The model's answer is not {shape}.")
    return value
