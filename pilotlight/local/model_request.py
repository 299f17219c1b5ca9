"""What a model container is asked, whichever contract it comes through: a generation, and the rules for its values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pilotlight.local.model_rules import UnusableRequestError

ALEXATM_DEFAULT_NEW_TOKENS = 50


MAX_ROWS = 64
"""Sequences generated side by side. 512 of them took 5.6 GB and minutes (seen)."""


@dataclass(frozen=True)
class Generation:
    """What one request asks of the model, whichever contract it came through.

    At most one of `max_length` (tokens of the longest prompt plus the output) and `max_new_tokens` (output
    only) is set. With neither the model writes up to `ALEXATM_DEFAULT_NEW_TOKENS`, fewer if its window ends.
    """

    prompts: tuple[str, ...] = ()
    messages: tuple[Mapping[str, str], ...] = ()
    """A conversation in place of prompts: the model's own chat template makes it one."""
    max_length: int | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of transformers' `generate`, under the names that the contracts share with it."""


EndReason = Literal["end", "stop", "length"]
"""The model's own end mark, a stop sequence, or the number of tokens allowed."""


@dataclass(frozen=True)
class Written:
    """One generated text with its token counts; the prompt's are without padding, the text's with its end mark."""

    text: str
    prompt_tokens: int
    tokens: int
    ended_by: EndReason


class Contract(NamedTuple):
    """`parse` raises UnusableRequestError; `render` takes the request body and everything written."""

    parse: Callable[[Mapping[str, Any]], Generation]
    render: Callable[[Mapping[str, Any], Sequence[Written]], Any]


def new_tokens_allowed(request: Generation, input_tokens: int, window: int) -> int:
    """How many tokens the model may add to a prompt of `input_tokens` in a window of `window` tokens.

    Raises:
        UnusableRequestError: the prompt leaves no room, or more is asked for than the window holds.
    """
    if input_tokens >= window:
        raise UnusableRequestError(
            f"The input is {input_tokens} tokens long and the model's window is {window}: send a shorter text."
        )
    if request.max_length is not None:
        if request.max_length <= input_tokens:
            raise UnusableRequestError(
                f"max_length is {request.max_length}, which counts input and output, but the input alone is"
                f" {input_tokens} tokens long: raise max_length or send a shorter text."
            )
        new_tokens = request.max_length - input_tokens
    elif request.max_new_tokens is not None:
        new_tokens = request.max_new_tokens
    else:
        return min(ALEXATM_DEFAULT_NEW_TOKENS, window - input_tokens)
    if input_tokens + new_tokens > window:
        raise UnusableRequestError(
            f"The input of {input_tokens} tokens and an output of up to {new_tokens} exceed the model's"
            f" window of {window} tokens: ask for at most {window - input_tokens} new ones."
        )
    return new_tokens


def check_size(request: Generation) -> None:
    """Raises UnusableRequestError for a batch that a small machine would choke on."""
    width = max(request.options.get("num_beams", 1), request.options.get("num_return_sequences", 1))
    if len(request.prompts) * width > MAX_ROWS:
        raise UnusableRequestError(
            f"{len(request.prompts)} inputs with {width} beams or sequences each are too many at once: "
            f"{MAX_ROWS} in all are allowed."
        )
