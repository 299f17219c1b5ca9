"""Whether the model reads as much at once as it is to be given: its window, in tokens, where that is known.

The project's container refuses what is longer, in a job that is paid for (training/encode.py, training/answers.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from finetune.errors import BadRequest
from finetune.sizes import Shape

if TYPE_CHECKING:  # the configuration imports this module, and every command that
    from finetune.dataset import Report

ANSWER_TOKENS: Final = 96
"""As in the evaluation (training/answers.py): what was right there must not be cut off in the smoke test."""
LEAST_SHARE: Final = 4
"""The estimate of a text's tokens is at most so many times their number (measured: 2.5 times, of prose and code)."""


def check_length(shape: Shape | None, sent: Mapping[str, str]) -> None:
    """Raises BadRequest where rows are to be longer than the window."""
    window, length = _window(shape), int(sent.get("max_input_length", "-1"))
    if window is not None and length > window:
        raise BadRequest(
            f"max_input_length is {length}, and the model reads {window} tokens at most. Give {window} or less.",
            param="max_input_length",
        )


def check_prompts(shape: Shape | None, report: "Report") -> None:
    """Raises BadRequest where a prompt and its answer surely do not fit."""
    window = _window(shape)
    if window is not None and report.longest_prompt_tokens // LEAST_SHARE + ANSWER_TOKENS > window:
        raise BadRequest(f"{_too_long(report, window)} Shorten or remove it.", param="dataset")


def prompt_warnings(shape: Shape | None, report: "Report") -> tuple[str, ...]:
    """Where a prompt may not fit: without the model's tokenizer nobody knows."""
    window = _window(shape)
    if window is None or report.longest_prompt_tokens + ANSWER_TOKENS <= window:
        return ()
    return (f"{_too_long(report, window)} If it is too long, the evaluation fails after the training was paid for.",)


def _too_long(report: "Report", window: int) -> str:
    return (
        f"prompts.jsonl, line {report.longest_prompt_line}: the prompt has about {report.longest_prompt_tokens} tokens "
        f"(estimated, upwards), and the model reads {window} at most, of which {ANSWER_TOKENS} are for the answer."
    )


def _window(shape: Shape | None) -> int | None:
    return shape.window if shape else None
