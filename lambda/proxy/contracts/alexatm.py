"""The contract `alexatm`: `{"text_inputs": str | [str, …], …parameters}` -> `{"generated_texts": [str, …]}`.

All ten parameters are the container's own. An input that begins with `[CLM] ` is continued (causal language
model mode); without the mark the model denoises it.
"""

import re

from common.tokens import estimate_tokens

from proxy.completion import Choice, Completion, Outcome
from proxy.contracts.contract import MARK_TOKENS, NEW_TOKENS, checked_texts
from proxy.errors import InvalidParameter
from proxy.generation import Generation
from proxy.strict_json import JsonObject
from proxy.tally import NOT_TOLD, Counts

CLM_MARK = "[CLM] "

_MARKS = re.compile(r"\A(?:\s*\[CLM\] ?)+")


class AlexaTM:
    """A batch is one invocation. The texts of a batch come flat, input by input."""

    added_tokens = MARK_TOKENS

    def requests(self, generation: Generation) -> list[JsonObject]:
        marked = [with_clm_mark(text) for text in generation.inputs]
        inputs = list(generation.inputs) if generation.clm is False else marked
        body: JsonObject = {
            "text_inputs": inputs if generation.is_batch else inputs[0],
            "max_length": max(map(estimate_tokens, inputs)) + NEW_TOKENS,
        }
        return [body | dict(generation.parameters)]

    def texts(self, answer: object) -> list[str]:
        shape = '{"generated_texts": [str, …]}'
        return checked_texts(answer.get("generated_texts") if isinstance(answer, dict) else None, shape)

    def completion_requests(self, completion: Completion) -> list[JsonObject]:
        """`max_length` counts the input, which is estimated: the model may write more than `max_tokens`, of which the
        caller gets as many words.
        """
        sampling = completion.sampling
        prompt = _marked_prompt(completion.text)
        body: JsonObject = {
            "text_inputs": prompt,
            "max_length": estimate_tokens(prompt) + sampling.max_tokens,
            "do_sample": sampling.temperature is not None,
        }
        optional = {
            "temperature": sampling.temperature,
            "top_p": None if sampling.temperature is None else sampling.top_p,
            "seed": sampling.seed,
            "num_return_sequences": sampling.n if sampling.n > 1 else None,
        }
        return [body | {name: value for name, value in optional.items() if value is not None}]

    def outcome(self, answer: object) -> Outcome:
        return Outcome(tuple(map(Choice, self.texts(answer))), is_bounded_by_estimate=True)

    def counts(self, answer: object) -> Counts:  # noqa: ARG002 (its container tells none)
        return NOT_TOLD


def _marked_prompt(text: str) -> str:
    try:
        return with_clm_mark(text)
    except InvalidParameter as exc:
        raise InvalidParameter("prompt is empty: it needs more than its [CLM] mark.", param="prompt") from exc


def with_clm_mark(text: str) -> str:
    """`text` behind exactly one `[CLM] `, however many it came with and whether or not with their space."""
    prompt = _MARKS.sub("", text)
    if not prompt.strip():
        raise InvalidParameter("text_inputs is empty: a prompt needs more than its [CLM] mark.", param="text_inputs")
    return CLM_MARK + prompt
