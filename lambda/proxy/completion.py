"""What a caller of the OpenAI-compatible routes asks for, checked, and what a model made of it."""

from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter"]


class Message(NamedTuple):
    """One turn of a conversation. Only an assistant's may be empty: a model may have had nothing to say."""

    role: Role
    content: str


class Sampling(NamedTuple):
    """`temperature` is None for greedy decoding, `top_p` where it cuts nothing off.

    `max_tokens_is_default` where the caller named none: it then gives way to the window.
    """

    max_tokens: int
    temperature: float | None
    top_p: float | None
    n: int
    stop: tuple[str, ...]
    seed: int | None
    max_tokens_is_default: bool = False


class Completion(NamedTuple):
    """One prompt to complete `n` times: text, or messages for a container that applies a template of its own.

    `own_stops` end an answer too: they are the chat template's, not the caller's.
    """

    prompt: str | tuple[Message, ...]
    sampling: Sampling
    own_stops: tuple[str, ...] = ()

    @property
    def stops(self) -> tuple[str, ...]:
        """Every string that ends the text, the caller's first."""
        return self.sampling.stop + self.own_stops

    @property
    def text(self) -> str:
        """All that the model reads, for an estimate of its tokens."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(message.content for message in self.prompt)


class Choice(NamedTuple):
    """One generated text; `finish_reason` is None where the model does not say why it ended."""

    text: str
    finish_reason: FinishReason | None = None


class Outcome(NamedTuple):
    """One answer of a model. The counts are its own, None where it gives none.

    `is_bounded_by_estimate` says that `max_tokens` could only be turned into a bound with an estimate.
    """

    choices: tuple[Choice, ...]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    is_bounded_by_estimate: bool = False
