"""The contract `openai`, which vLLM and the large-model-inference (LMI) containers speak.

`{"prompt": str}` or `{"messages": [{"role", "content"}, …]}` and sampling parameters -> `{"choices": […], "usage"}`,
where a choice has `text` or `message.content`. The body names no model: an endpoint has one. A batch is one
invocation an input, several texts for one input are `n`.
"""

from collections.abc import Mapping

from proxy.completion import Choice, Completion, FinishReason, Outcome
from proxy.contracts.contract import checked_texts, counted
from proxy.contracts.sampling import new_tokens, refuse_what_it_lacks
from proxy.generation import Generation
from proxy.parameters import sequences
from proxy.strict_json import JsonObject
from proxy.tally import NOT_TOLD, Counts

_SHAPE = '{"choices": [{"text": str} or {"message": {"content": str}}, …]}'

# OpenAI's own words, and TGI's, which LMI uses in some versions.
_FINISH_REASONS: Mapping[object, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "content_filter",
}


class OpenAI:
    added_tokens = 0

    def requests(self, generation: Generation) -> list[JsonObject]:
        refuse_what_it_lacks(generation, lowest_seed=-(2**63), highest_seed=2**63 - 1)
        return [{"prompt": text} | _parameters(text, generation) for text in generation.inputs]

    def texts(self, answer: object) -> list[str]:
        return [choice.text for choice in self.outcome(answer).choices]

    def completion_requests(self, completion: Completion) -> list[JsonObject]:
        sampling = completion.sampling
        parameters: JsonObject = {
            "max_tokens": sampling.max_tokens,
            "temperature": 0 if sampling.temperature is None else sampling.temperature,
            "top_p": sampling.top_p,
            "n": sampling.n if sampling.n > 1 else None,
            "stop": list(completion.stops) or None,
            "seed": sampling.seed,
        }
        given: JsonObject = {name: value for name, value in parameters.items() if value is not None}
        if isinstance(completion.prompt, str):
            return [{"prompt": completion.prompt} | given]
        return [{"messages": [message._asdict() for message in completion.prompt]} | given]

    def outcome(self, answer: object) -> Outcome:
        fields = answer if isinstance(answer, dict) else {}
        items = fields.get("choices")
        choices = items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else [{}]
        texts = checked_texts([_text(choice) for choice in choices], _SHAPE)
        counts = self.counts(answer)
        return Outcome(
            choices=tuple(map(Choice, texts, (_finish_reason(choice.get("finish_reason")) for choice in choices))),
            prompt_tokens=counts.read,
            completion_tokens=counts.written,
        )

    def counts(self, answer: object) -> Counts:
        usage = answer.get("usage") if isinstance(answer, dict) else None
        if not isinstance(usage, dict):
            return NOT_TOLD
        return Counts(counted(usage.get("prompt_tokens")), counted(usage.get("completion_tokens")))


def _text(choice: Mapping[str, object]) -> object:
    """A text, or whatever stands in its place. A message without content is one in which nothing was said."""
    if "message" not in choice:
        return choice.get("text")
    message = choice["message"]
    if not isinstance(message, dict):
        return None
    return "" if message.get("content") is None else message["content"]


def _finish_reason(given: object) -> FinishReason | None:
    return _FINISH_REASONS.get(given) if isinstance(given, str) else None


def _parameters(text: str, generation: Generation) -> JsonObject:
    given = generation.parameters
    parameters: JsonObject = {"max_tokens": new_tokens(text, given)}
    # Without do_sample the reference is greedy whatever the temperature; here only a temperature of 0 is.
    parameters["temperature"] = given.get("temperature", 1) if given.get("do_sample") else 0
    parameters |= {name: given[name] for name in ("top_p", "top_k", "seed") if name in given}
    if sequences(given) > 1:
        parameters["n"] = sequences(given)
    if generation.trim_at is not None:
        parameters["stop"] = [generation.trim_at]  # what follows is cut anyway: do not generate it
    return parameters
