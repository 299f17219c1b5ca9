"""What keeps `schemathesis` within bounds on the embedded cloud; schemathesis.toml names this module."""

import json
import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import proxy
import schemathesis
from proxy.idempotency import HEADER, KEY_PATTERN
from proxy.openai.fields import SAMPLING
from proxy.parameters import RULES
from proxy.timing import TIMEOUT_HEADER
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.generation.meta import TestPhase

Json = dict[str, Any]

_MODEL = os.environ["PILOTLIGHT_MODEL"]
_RUN = os.environ["PILOTLIGHT_RUN"]
_DOCUMENT: Json = json.loads(Path(proxy.__file__).with_name("openapi.json").read_text(encoding="utf-8"))

# In place of any value that the rule allows: room for a task's prompt, and no more than a short answer.
_INSTEAD = {
    "max_length": (RULES["max_length"], 150),
    "temperature": (RULES["temperature"], 0.7),
    "num_beams": (RULES["num_beams"], 2),
    "num_return_sequences": (RULES["num_return_sequences"], 2),
    "max_tokens": (SAMPLING["max_tokens"], 8),
    "max_completion_tokens": (SAMPLING["max_tokens"], 8),
    "n": (SAMPLING["n"], 2),
    "best_of": (SAMPLING["n"], 2),
}


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Just before a case is sent."""
    if re.fullmatch(KEY_PATTERN, str(case.headers.get(HEADER, ""))):
        case.headers[HEADER] = uuid4().hex  # one that was sent before would be 422, and nothing else seen
    given = str(case.headers.get(TIMEOUT_HEADER))
    if given.isdecimal() and int(given) >= _least_timeout(case):
        case.headers[TIMEOUT_HEADER] = "29000"  # less may be less than the model takes here, which is a 504
    if _is_valid(case) and "id" in case.path_parameters:
        case.path_parameters["id"] = _RUN  # of any other there is only a 404 to see
    if _is_valid(case) and "model" in case.path_parameters:
        case.path_parameters["model"] = _MODEL
    if isinstance(case.body, dict):
        case.body = _within_bounds(case, case.body)


def _least_timeout(case: Case[Any]) -> int:
    """As the document has it."""
    taken = _DOCUMENT["paths"][case.path][case.method.lower()]["parameters"]
    shared = (_DOCUMENT["components"]["parameters"][one["$ref"].rpartition("/")[2]] for one in taken if "$ref" in one)
    return next(int(one["schema"]["minimum"]) for one in shared if one["name"] == TIMEOUT_HEADER)


def _within_bounds(case: Case[Any], body: Json) -> Json:
    if case.path == "/endpoint" and body.get("state") in ("on", "off"):
        return {"state": "on"}  # it is: turning it off would end every other case
    brief = _brief(body)
    if isinstance(brief.get("parameters"), dict):
        brief["parameters"] = _brief(brief["parameters"])
    if _is_valid(case) and case.path.startswith("/v1/"):
        brief["model"] = _MODEL  # any other is 404, and nothing else of the route would be seen
        if brief.keys().isdisjoint({"max_tokens", "max_completion_tokens"}):
            brief["max_tokens"] = _INSTEAD["max_tokens"][1]
    if _is_valid(case) and case.path.startswith("/tasks/") and _is_systematic(case):
        brief["prompt_only"] = True  # fuzzing calls the model: it has a few cases, and these are hundreds
    return brief


def _is_valid(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def _is_systematic(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.phase.name is TestPhase.COVERAGE


def _brief(body: Json) -> Json:
    return {name: _bounded(name, value) for name, value in body.items()}


def _bounded(name: str, value: Any) -> Any:
    rule, instead = _INSTEAD.get(name, (None, None))
    return instead if rule and rule.allows(value) else value
