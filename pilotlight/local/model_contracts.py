"""The request and response shapes of the model containers that the local one stands in for.

A contract turns a request body into a `Generation` and the generated texts into a response body. Requests are
judged as strictly as the catalogued containers document them, so that a caller's mistake shows here and not
first on a paid endpoint.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from pilotlight.local.model_request import Contract, EndReason, Generation, Written
from pilotlight.local.model_rules import (
    BOOLEAN,
    POSITIVE_INTEGER,
    POSITIVE_NUMBER,
    SAMPLING_RULES,
    TEXT,
    Rule,
    UnusableRequestError,
    check,
    is_integer,
    is_text,
    shown,
)
from pilotlight.local.openai_contract import OPENAI

TGI_DEFAULT_NEW_TOKENS = 20  # text-generation-inference's own default

ALEXATM_CLM_PREFIX = "[CLM]"


_ALEXATM_RULES = {
    "text_inputs": Rule(
        "a non-empty string of valid Unicode, or a non-empty list of them",
        lambda value: (bool(value) and all(map(is_text, value))) if isinstance(value, list) else is_text(value),
    ),
    "max_length": POSITIVE_INTEGER,
    "num_beams": POSITIVE_INTEGER,
    "no_repeat_ngram_size": Rule("an integer above 1", lambda value: is_integer(value, 2)),
    "early_stopping": BOOLEAN,
    **SAMPLING_RULES,
}

_TGI_RULES = {
    "inputs": TEXT,
    "parameters": Rule("an object", lambda value: isinstance(value, dict)),
}

_TGI_PARAMETER_RULES = {
    "max_new_tokens": POSITIVE_INTEGER,
    "repetition_penalty": POSITIVE_NUMBER,
    "return_full_text": BOOLEAN,
    "details": BOOLEAN,
    "stop": Rule("a list of non-empty strings", lambda value: isinstance(value, list) and all(map(is_text, value))),
    **SAMPLING_RULES,
}


_ALEXATM_OPTIONS = _ALEXATM_RULES.keys() - {"text_inputs", "max_length", "seed"}
_TGI_OPTIONS = _TGI_PARAMETER_RULES.keys() - {"max_new_tokens", "seed", "stop", "return_full_text", "details"}
_TGI_END_REASONS: Mapping[EndReason, str] = {"end": "eos_token", "stop": "stop_sequence", "length": "length"}


def _parse_alexatm(body: Mapping[str, Any]) -> Generation:
    check(body, _ALEXATM_RULES, required="text_inputs")
    _check_sequences(body)
    inputs = body["text_inputs"]
    return Generation(
        prompts=tuple(map(_without_clm_prefix, [inputs] if isinstance(inputs, str) else inputs)),
        max_length=body.get("max_length"),
        seed=body.get("seed"),
        options=_options(body, _ALEXATM_OPTIONS),
    )


def _without_clm_prefix(text: str) -> str:
    """`[CLM] ` switches AlexaTM from denoising to continuing text. Models that only continue must not see it.

    Without it AlexaTM would denoise, which the model here cannot: it continues the text all the same.
    """
    prompt = text.removeprefix(ALEXATM_CLM_PREFIX).removeprefix(" ") if text.startswith(ALEXATM_CLM_PREFIX) else text
    if not prompt:
        raise UnusableRequestError(f"text_inputs holds {shown(text)}, which leaves nothing to continue.")
    return prompt


def _render_alexatm(_body: Mapping[str, Any], written: Sequence[Written]) -> Any:
    return {"generated_texts": [one.text for one in written]}


def _parse_tgi(body: Mapping[str, Any]) -> Generation:
    check(body, _TGI_RULES, required="inputs")
    parameters = body.get("parameters", {})
    check(parameters, _TGI_PARAMETER_RULES)
    _check_sequences(parameters)
    return Generation(
        prompts=(body["inputs"],),
        max_new_tokens=parameters.get("max_new_tokens", TGI_DEFAULT_NEW_TOKENS),
        seed=parameters.get("seed"),
        stop=tuple(parameters.get("stop", ())),
        options=_options(parameters, _TGI_OPTIONS),
    )


def _render_tgi(body: Mapping[str, Any], written: Sequence[Written]) -> Any:
    parameters = body.get("parameters", {})
    echoed = body["inputs"] if parameters.get("return_full_text") else ""
    items: list[dict[str, Any]] = [{"generated_text": echoed + one.text} for one in written]
    if parameters.get("details"):
        for item, one in zip(items, written, strict=True):
            item["details"] = {
                "finish_reason": _TGI_END_REASONS[one.ended_by],
                "generated_tokens": one.tokens,
                "prefill": [],  # as without decoder_input_details
                "tokens": [],  # the real ones are many, and nobody here reads them
            }
    return items


def _check_sequences(values: Mapping[str, Any]) -> None:
    """Greedy decoding has one answer only; several need sampling or as many beams."""
    sequences, beams = values.get("num_return_sequences", 1), values.get("num_beams", 1)
    if beams < sequences and not (beams == 1 and values.get("do_sample")):
        raise UnusableRequestError(
            f"num_return_sequences is {sequences} but num_beams is {beams}: ask for at least as many beams,"
            " or for do_sample without num_beams."
        )


def _options(parameters: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    options = {name: value for name, value in parameters.items() if name in names}
    # transformers refuses a whole number for these, and JSON does not tell 2 from 2.0
    floats = {name: float(options[name]) for name in ("temperature", "repetition_penalty") if name in options}
    return options | floats


CONTRACTS = {
    "alexatm": Contract(_parse_alexatm, _render_alexatm),
    "tgi": Contract(_parse_tgi, _render_tgi),
    "openai": OPENAI,
}
