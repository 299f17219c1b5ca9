"""The schemas of request bodies, out of the rules that the proxy checks them by.

What a schema cannot say (that `num_beams` must not be below `num_return_sequences`), and what only the stage's model
decides, is in the descriptions.
"""

from collections.abc import Mapping

from proxy.approval_page import DECISIONS
from proxy.completion import Role
from proxy.generation import MAX_INPUTS
from proxy.openai.fields import (
    DEFAULT_CHAT_TOKENS,
    DEFAULT_COMPLETION_TOKENS,
    HONOURED_IN_CHAT,
    HONOURED_IN_COMPLETIONS,
    LABELS,
    MAX_STOPS,
    NEUTRAL_IN_CHAT,
    NEUTRAL_IN_COMPLETIONS,
    SAMPLING,
)
from proxy.openai.messages import EMPTY, MAX_MESSAGES, ROLES
from proxy.parameters import MAX_SEQUENCES, RULES
from proxy.turning import HIGHEST_BUDGET_USD, LONGEST_SNOOZE_HOURS, LONGEST_TURN_HOURS
from proxy.window import Side

from openapi.schemas import (
    BOOLEAN,
    STRING,
    TEXT,
    Json,
    any_of,
    array,
    nullable,
    one_of,
    record,
    ref,
    said,
    where,
    with_members,
)
from openapi.tasks import task_requests

_TEN: Mapping[str, str] = {
    "max_length": "Tokens of input and output together; without it, 64 more than the input is estimated to have.",
    "num_return_sequences": "Texts for each input; more than one needs `do_sample` or as many `num_beams`.",
    "num_beams": "Not less than `num_return_sequences`.",
    "no_repeat_ngram_size": "No n-gram of this size comes twice.",
    "temperature": "With `do_sample`.",
    "early_stopping": "With `num_beams`.",
    "do_sample": "Sample; else the likeliest token is taken.",
    "top_k": "With `do_sample`.",
    "top_p": "With `do_sample`.",
    "seed": "The same seed, the same text.",
}
_SEVERAL = where(
    {"num_return_sequences": {"minimum": 2}},
    any_of({"required": ["num_beams"]}, with_members(do_sample={"const": True})),
)


def request_schemas() -> dict[str, Json]:
    """By component name."""
    ten = {name: said(dict(rule.schema), _TEN[name]) for name, rule in RULES.items()}
    return {
        "Generation": _generation(ten),
        "GenerationParameters": record(ten, optional=ten) | _SEVERAL,
        **task_requests(),
        "Turn": _turn(),
        "Snooze": _snooze(),
        "SnoozeForm": record({"token": said(STRING, "As in the link.")}),
        "FineTune": _finetune(),
        "FineTuneApproval": record({"approve": BOOLEAN}),
        "ApprovalForm": record({"token": said(STRING, "As in the link."), "decision": one_of(DECISIONS)}),
        "ChatMessage": _message(),
        "ChatTextPart": _part(),
        "ChatCompletionRequest": _chat(),
        "CompletionRequest": _completion(),
    }


def _finetune() -> Json:
    """The keys of lambda/finetune/asked.py, whose messages say what each may be."""
    share = {"type": "number", "minimum": -1, "maximum": 1}
    values = any_of(STRING, BOOLEAN, {"type": "number"})
    keys = {
        "dataset": said(STRING, "An S3 prefix of the stage's bucket: `s3://BUCKET/datasets/NAME/`."),
        "attach": said(STRING, "The name of a training job that was started elsewhere, in the dataset's place."),
        "hyperparameters": said(
            {"type": "object", "additionalProperties": values},
            "By the names of JumpStart's Llama 2 training, and what else JumpStart's training of the stage's model "
            "takes; those of a program of your own by its names.",
        ),
        "max_cost_usd": said({"type": "number", "minimum": 0.01}, "What the whole run may cost."),
        "instance_types": array(STRING, least=1, most=5),
        "instance_count": {"type": "integer", "minimum": 1, "maximum": 16},
        "spot": BOOLEAN,
        "approve": said(BOOLEAN, "Wait for a person before it serves."),
        "min_improvement": said(share, "The share by which the loss on unseen rows must fall."),
    }
    return {**record(keys, optional=keys), "anyOf": [{"required": ["dataset"]}, {"required": ["attach"]}]}


def _generation(ten: Mapping[str, Json]) -> Json:
    own = {
        "text_inputs": said(
            any_of(TEXT, array(TEXT, least=1, most=MAX_INPUTS)), "One text, or several, which are answered in order."
        ),
        "clm": said(BOOLEAN, "Whether AlexaTM's mark `[CLM] ` is put before each input; other models have none."),
        "trim_at": said({"type": "string", "minLength": 1}, "Each text is cut at the first of these, and stripped."),
        "truncate": said(
            one_of(("none", *Side)), "Where an input longer than the model's window is cut; without it, it is refused."
        ),
        "split": said(
            BOOLEAN, "Send a text that is longer than the window in parts, and join the answers; excludes `truncate`."
        ),
    }
    alone = where(
        {"split": {"const": True}},
        {
            "properties": {
                "truncate": {"const": "none"},
                "text_inputs": {"type": "string"},
                "num_return_sequences": {"const": 1},
            }
        },
    )
    return record({**own, **ten}, optional=[*ten, *own.keys() - {"text_inputs"}]) | {"allOf": [alone, _SEVERAL]}


def _turn() -> Json:
    hours = said(_above_zero(LONGEST_TURN_HOURS), "When the hard stop falls, from now, also if it is on.")
    budget = said(_above_zero(HIGHEST_BUDGET_USD), "A ceiling for this month, in place of the configured one.")
    on = record({"state": {"const": "on"}, "hours": hours, "budget_usd": budget}, optional=["hours", "budget_usd"])
    return {"oneOf": [on, record({"state": {"const": "off"}})]}


def _snooze() -> Json:
    hours = {"type": "number", "minimum": 0, "maximum": LONGEST_SNOOZE_HOURS}
    minutes = hours | {"maximum": 60 * LONGEST_SNOOZE_HOURS}
    return {"oneOf": [record({"hours": hours}), record({"minutes": minutes})]}


def _above_zero(most: float) -> Json:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": most}


def _message() -> Json:
    parts = array(ref("ChatTextPart"))
    whole = {"role": one_of(ROLES), "content": any_of(STRING, parts)}
    seen = any_of(TEXT, {"type": "array", "contains": {"properties": {"text": TEXT}}})
    return record(whole) | {
        "additionalProperties": one_of(EMPTY),
        "description": "Only an assistant's may be empty. `developer` is taken for `system`.",
        "if": {"properties": {"role": {"const": _MAY_BE_EMPTY}}},
        "else": {"properties": {"content": seen}},
    }


_MAY_BE_EMPTY: Role = "assistant"


def _part() -> Json:
    return record({"type": {"const": "text"}, "text": STRING}) | {"additionalProperties": one_of(EMPTY)}


def _chat() -> Json:
    own = {
        "model": said(STRING, "One of the names of `GET /v1/models`."),
        "messages": array(ref("ChatMessage"), least=1, most=MAX_MESSAGES),
        "max_completion_tokens": said(nullable(dict(SAMPLING["max_tokens"].schema)), "The newer name of `max_tokens`."),
    }
    return _openai(
        own, HONOURED_IN_CHAT, NEUTRAL_IN_CHAT, required=("model", "messages"), default_tokens=DEFAULT_CHAT_TOKENS
    )


def _completion() -> Json:
    own = {
        "model": said(STRING, "One of the names of `GET /v1/models`."),
        "prompt": any_of(TEXT, array(TEXT, least=1, most=MAX_SEQUENCES)),
        "best_of": said(nullable(dict(SAMPLING["n"].schema)), "Nothing but `n`: no model here ranks its own texts."),
    }
    return _openai(
        own,
        HONOURED_IN_COMPLETIONS,
        NEUTRAL_IN_COMPLETIONS,
        required=("model", "prompt"),
        default_tokens=DEFAULT_COMPLETION_TOKENS,
    )


def _openai(
    own: Mapping[str, Json],
    honoured: tuple[str, ...],
    neutral: Mapping[str, tuple[object, ...]],
    *,
    required: tuple[str, ...],
    default_tokens: int,
) -> Json:
    """Each parameter that OpenAI's clients send: null is as good as left out."""
    stop = {"type": "string", "minLength": 1}
    sampling = {name: nullable(dict(rule.schema)) for name, rule in SAMPLING.items()}
    most = said(
        sampling["max_tokens"], f"Without it {default_tokens}, or fewer where the window leaves no room for them."
    )
    known = {
        **own,
        **sampling,
        "max_tokens": most,
        "stop": any_of(stop, array(stop, most=MAX_STOPS), {"type": "null"}),
        **{name: nullable(STRING) for name in LABELS},
    }
    harmless = {
        name: said(one_of((*values, None)), "Cannot be honoured: only what asks for nothing is taken.")
        for name, values in neutral.items()
    }
    properties = {name: known[name] for name in honoured} | harmless
    return record(properties, optional=properties.keys() - set(required))
