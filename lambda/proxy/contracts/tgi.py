"""The contract `tgi` (Hugging Face Text Generation Inference), which Falcon and Llama 2 are served with.

`{"inputs": str, "parameters": {…}}` -> `[{"generated_text": str}, …]`; some containers answer a single text
as the bare object. TGI counts new tokens only, has no beam search and takes no batch, so a batch is one
invocation an input.
"""

from proxy.contracts.contract import NEW_TOKENS, checked_texts
from proxy.errors import InvalidParameter
from proxy.generation import Generation
from proxy.parameters import Parameters
from proxy.strict_json import JsonObject
from proxy.tokens import estimate_tokens

_PASSED_ON = ("do_sample", "temperature", "top_p", "top_k", "num_return_sequences", "seed")


class TGI:
    def requests(self, generation: Generation) -> list[JsonObject]:
        _refuse_what_tgi_lacks(generation)
        return [{"inputs": text, "parameters": _parameters(text, generation)} for text in generation.inputs]

    def texts(self, answer: object) -> list[str]:
        items = [answer] if isinstance(answer, dict) else answer
        shape = '[{"generated_text": str}, …]'
        if not isinstance(items, list):
            return checked_texts(None, shape)
        return checked_texts([item.get("generated_text") if isinstance(item, dict) else None for item in items], shape)


def _parameters(text: str, generation: Generation) -> JsonObject:
    given = generation.parameters
    parameters: JsonObject = {
        "max_new_tokens": _max_new_tokens(text, given),
        "return_full_text": False,
    }
    parameters |= {name: given[name] for name in _PASSED_ON if name in given}
    if generation.trim_at is not None:
        parameters["stop"] = [generation.trim_at]  # what follows is cut anyway: do not generate it
    return parameters


def _max_new_tokens(text: str, given: Parameters) -> int:
    if "max_length" not in given:
        return NEW_TOKENS
    input_tokens = estimate_tokens(text)
    if given["max_length"] <= input_tokens:
        raise InvalidParameter(
            f"max_length is {given['max_length']}, but counts the input too, which is estimated at "
            f"{input_tokens} tokens: set it to {input_tokens + 1} or more, or leave it out for "
            f"{NEW_TOKENS} new tokens.",
            param="max_length",
        )
    return int(given["max_length"]) - input_tokens


def _refuse_what_tgi_lacks(generation: Generation) -> None:
    given = generation.parameters
    lacks = {
        "clm": (generation.clm is True, "a [CLM] mode: leave it out"),
        "num_beams": (given.get("num_beams", 1) > 1, "beam search: leave it out, or set do_sample to true"),
        "early_stopping": (
            given.get("early_stopping") is True,
            "beam search, which it would stop: leave it out",
        ),
        "no_repeat_ngram_size": ("no_repeat_ngram_size" in given, "a ban on repeated n-grams: leave it out"),
        "seed": (given.get("seed", 0) < 0, "negative seeds: use an integer from 0 to 2**64 - 1"),
    }
    for name, (asked_for, what) in lacks.items():
        if asked_for:
            raise InvalidParameter(f"{name} cannot be honoured: this model's server lacks {what}.", param=name)
