"""The contract `tgi` (Hugging Face Text Generation Inference), which Falcon and Llama 2 are served with.

`{"inputs": str, "parameters": {…}}` -> `[{"generated_text": str}, …]`; some containers answer a single text
as the bare object. LMI containers do, and say with status 200 that a request failed. TGI counts new tokens only, has
no beam search, takes no batch and gives one text: it ignores `num_return_sequences` (its issue 917) and by default
bounds `best_of` to 2. So each text is an invocation, and seeds count up, since the same one would give the same text.
"""

from collections.abc import Mapping
from typing import Any

from proxy.completion import Choice, Completion, FinishReason, Outcome
from proxy.contracts.contract import checked_texts, counted
from proxy.contracts.sampling import new_tokens, refuse_what_it_lacks
from proxy.errors import InvalidParameter, ModelFailed
from proxy.generation import Generation
from proxy.parameters import sequences
from proxy.strict_json import JsonObject
from proxy.tally import Counts

MAX_STOPS = 4  # TGI's own default; it refuses more

_FINISH_REASONS: Mapping[object, FinishReason] = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}
_FAILED = "error"  # LMI's finish_reason of an answer without a text

_SAMPLING = ("do_sample", "temperature", "top_p", "top_k")


class TGI:
    added_tokens = 0

    def requests(self, generation: Generation) -> list[JsonObject]:
        texts_each = sequences(generation.parameters)
        refuse_what_it_lacks(generation, lowest_seed=0, highest_seed=2**64 - texts_each)
        seeds = _seeds(generation.parameters.get("seed"), texts_each)
        return [
            {"inputs": text, "parameters": _parameters(text, generation) | own}
            for text in generation.inputs
            for own in seeds
        ]

    def texts(self, answer: object) -> list[str]:
        items = [answer] if isinstance(answer, dict) else answer
        shape = '[{"generated_text": str}, …]'
        if not isinstance(items, list):
            return checked_texts(None, shape)
        if any(about.get("finish_reason") == _FAILED for about in _all_details(items)):
            raise ModelFailed("The model failed on this request. It is not tried again on the same input.")
        return checked_texts([item.get("generated_text") if isinstance(item, dict) else None for item in items], shape)

    def completion_requests(self, completion: Completion) -> list[JsonObject]:
        seed = completion.sampling.seed
        if seed is not None and seed < 0:
            raise InvalidParameter(
                f"seed is {seed}, but this model's server takes none below 0: use an integer from 0 to 2**63 - 1.",
                param="seed",
            )
        parameters = _completion_parameters(completion)
        return [
            {"inputs": completion.text, "parameters": parameters | own} for own in _seeds(seed, completion.sampling.n)
        ]

    def outcome(self, answer: object) -> Outcome:
        texts = self.texts(answer)
        reasons = [_finish_reason(about.get("finish_reason")) for about in _all_details(answer)]
        return Outcome(choices=tuple(map(Choice, texts, reasons)), completion_tokens=self.counts(answer).written)

    def counts(self, answer: object) -> Counts:
        """Of the prompt's tokens it says nothing without `decoder_input_details`, which lists them all."""
        written = [counted(about.get("generated_tokens")) for about in _all_details(answer)]
        return Counts(written=None if None in written or not written else sum(filter(None, written)))


def _seeds(seed: float | None, texts: int) -> list[JsonObject]:
    """The parameter for each of several texts; empty where the server is to choose."""
    return [{} if seed is None else {"seed": int(seed) + index} for index in range(texts)]


def _all_details(answer: object) -> list[Mapping[str, Any]]:
    return [_details(item) for item in (answer if isinstance(answer, list) else [answer])]


def _details(item: object) -> Mapping[str, Any]:
    details = item.get("details") if isinstance(item, dict) else None
    return details if isinstance(details, dict) else {}


def _finish_reason(given: object) -> FinishReason | None:
    return _FINISH_REASONS.get(given) if isinstance(given, str) else None


def _completion_parameters(completion: Completion) -> JsonObject:
    sampling = completion.sampling
    parameters: JsonObject = {
        "max_new_tokens": sampling.max_tokens,
        "return_full_text": False,
        "details": True,  # how many tokens, and why the text ends
        "do_sample": sampling.temperature is not None,
    }
    if sampling.temperature is not None:
        parameters["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            parameters["top_p"] = sampling.top_p
    if completion.stops:
        parameters["stop"] = list(completion.stops[:MAX_STOPS])  # at one more the text is cut all the same
    return parameters


def _parameters(text: str, generation: Generation) -> JsonObject:
    given = generation.parameters
    parameters: JsonObject = {
        "max_new_tokens": new_tokens(text, given),
        "return_full_text": False,
    }
    if given.get("do_sample"):  # TGI samples wherever it is given one of the others; the reference is greedy then
        parameters |= {name: given[name] for name in _SAMPLING if name in given}
    if generation.trim_at is not None:
        parameters["stop"] = [generation.trim_at]  # what follows is cut anyway: do not generate it
    return parameters
