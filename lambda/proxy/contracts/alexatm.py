"""The contract `alexatm`: `{"text_inputs": str | [str, …], …parameters}` -> `{"generated_texts": [str, …]}`.

All ten parameters are the container's own. An input that begins with `[CLM] ` is continued (causal language
model mode); without the mark the model denoises it.
"""

import re

from proxy.contracts.contract import NEW_TOKENS, checked_texts
from proxy.errors import InvalidParameter
from proxy.generation import Generation
from proxy.strict_json import JsonObject
from proxy.tokens import estimate_tokens

CLM_MARK = "[CLM] "

_MARKS = re.compile(r"\A(?:\s*\[CLM\] ?)+")


class AlexaTM:
    """A batch is one invocation. The texts of a batch come flat, input by input."""

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


def with_clm_mark(text: str) -> str:
    """`text` behind exactly one `[CLM] `, however many it came with and whether or not with their space."""
    prompt = _MARKS.sub("", text)
    if not prompt.strip():
        raise InvalidParameter("text_inputs is empty: a prompt needs more than its [CLM] mark.", param="text_inputs")
    return CLM_MARK + prompt
