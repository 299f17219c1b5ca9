"""The schemas of answers: what the proxy's routes return, member by member."""

from typing import get_args

from proxy.completion import FinishReason
from proxy.endpoint import State

from openapi.long_texts import NAMES, TOLD, told_of_long_texts
from openapi.schemas import BOOLEAN, COUNT, MOMENT, STRING, Json, array, nullable, one_of, record, ref, said
from openapi.tasks import task_answers

_AMOUNT: Json = {"type": "number", "minimum": 0}


def answer_schemas() -> dict[str, Json]:
    """By component name."""
    return {
        "Generated": _generated(),
        **told_of_long_texts(),
        **task_answers(),
        "EndpointReport": _report(),
        "Turned": record(
            {
                "asked": one_of(("on", "off")),
                "ready_in_seconds": said(nullable(COUNT), "The median of past wakes; null for `off`."),
                "message": STRING,
                "request_id": STRING,
            }
        ),
        "Snoozed": record({"snoozed_until": nullable(MOMENT), "message": STRING, "request_id": STRING}),
        "Page": said({"type": "string"}, "HTML, for a person."),
        "FineTuneStarted": record(
            {"id": STRING, "status": {"const": "running"}, "message": STRING, "request_id": STRING}
        ),
        "FineTuneRun": _run(),
        "FineTuneApproved": record({"id": STRING, "approved": BOOLEAN, "message": STRING, "request_id": STRING}),
        "ChatCompletion": _openai("chat.completion", {"message": ref("ChatAnswer")}),
        "ChatAnswer": record({"role": {"const": "assistant"}, "content": STRING, "refusal": {"type": "null"}}),
        "Completion": _openai("text_completion", {"text": STRING}),
        "Models": record({"object": {"const": "list"}, "data": array(ref("Model"), least=1)}),
        "Model": _model(),
        "Document": said({"type": "object", "required": ["openapi", "paths"]}, "This document."),
    }


def _generated() -> Json:
    texts = said(array(STRING), "`num_return_sequences` for each input, in order.")
    return record({"generated_texts": texts, **TOLD, **NAMES}, optional=TOLD)


def _report() -> Json:
    following = record(
        {
            "target": said(one_of(("on", "off", None)), "null where nothing turns it by itself."),
            "by": one_of(("idle", "lifetime", "budget", "schedule", "hard_stop", None)),
            "at": nullable(MOMENT),
            "message": STRING,
        }
    )
    return record(
        {
            "endpoint_name": STRING,
            "model": STRING,
            "state": one_of(State),
            "since": said(nullable(MOMENT), "When SageMaker created it, from when on it is billed."),
            "instance_type": said(nullable(STRING), "Of instance pools every type that has instances, with commas."),
            "instance_count": COUNT,
            "usd_per_hour": said(nullable(_AMOUNT), "null for an instance type of unknown price."),
            "cost_usd": said(nullable(_AMOUNT), "Since it was created."),
            "usd_this_month": nullable(_AMOUNT),
            "hours_this_month": nullable(_AMOUNT),
            "usd_saved_this_month": said(nullable(_AMOUNT), "Against leaving it on all the time."),
            "budget_usd": nullable(_AMOUNT),
            "snoozed_until": nullable(MOMENT),
            "next_trigger": following,
            "failure_reason": nullable(STRING),
            "attention": said(
                array(STRING), "What a person must see to: an unknown price, and what the daily sweep found."
            ),
            "wake_seconds": said(COUNT, "How long a wake takes: the median of past ones, or the catalog's guess."),
            "request_id": STRING,
        }
    )


def _openai(kind: str, text: dict[str, Json]) -> Json:
    choice = record(
        {
            "index": COUNT,
            **text,
            "logprobs": {"type": "null"},
            "finish_reason": one_of(get_args(FinishReason)),
        }
    )
    usage = record(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT))
    estimated = said(array(STRING), "Which of the values the model did not tell, so that they are estimates.")
    return record(
        {
            "id": STRING,
            "object": {"const": kind},
            "created": said(COUNT, "Seconds since 1970."),
            "model": STRING,
            "choices": array(choice, least=1),
            "usage": usage,
            "pilotlight": record({"estimated": estimated}),
        }
    )


def _run() -> Json:
    """lambda/finetune/run.py's Run, without what only it may know."""
    step = record({"name": STRING, "at": {"type": "number"}, "message": STRING})
    job = record(
        {
            "name": STRING,
            "kind": one_of(("train", "evaluate")),
            "instance_type": STRING,
            "instance_count": COUNT,
            "status": STRING,
            "seconds": said(nullable(_AMOUNT), "Billed; null until SageMaker says."),
            "usd": nullable(_AMOUNT),
            "failure": STRING,
            "attached": said(BOOLEAN, "Started elsewhere."),
        }
    )
    known: Json = {"type": "object"}
    points = array(array({"type": "number"}, least=2, most=2))
    return record(
        {
            "id": STRING,
            "by": STRING,
            "begun_at": said({"type": "number"}, "Seconds since 1970."),
            "ended_at": nullable({"type": "number"}),
            "status": one_of(("running", "done", "failed")),
            "step": STRING,
            "steps": array(step),
            "message": STRING,
            "asked": known,
            "dataset": known,
            "plan": known,
            "jobs": array(job),
            "attempt": COUNT,
            "next_type": STRING,
            "resume_at": nullable({"type": "number"}),
            "refused_at": nullable({"type": "number"}),
            "losses": said({"type": "object", "additionalProperties": points}, "By name, points of [epoch, value]."),
            "artifact": said(STRING, "The tuned model's S3 prefix, or its model.tar.gz; empty until there is one."),
            "report": said(STRING, "The evaluation's page in S3, beside the model."),
            "evaluation": said(known, "The comparison, and a few prompts; beside the report lies all of it."),
            "package_arn": STRING,
            "approval": said(known, "What whoever decides is told, and until when (seconds since 1970) it waits."),
            "promotion": known,
            "smoke": known,
            "links": said(
                {"type": "object", "additionalProperties": STRING},
                "Pages of AWS's console: the dataset, each job and its log, the model, the report. "
                "Empty on the embedded cloud, which no console shows.",
            ),
            "usd": _AMOUNT,
            "request_id": STRING,
        }
    )


def _model() -> Json:
    return record(
        {"id": STRING, "object": {"const": "model"}, "created": {"const": 0}, "owned_by": {"const": "pilotlight"}}
    )
