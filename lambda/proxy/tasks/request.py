"""What a caller asks of a task, checked against its shape."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from common.shown import shown

from proxy.errors import InvalidParameter
from proxy.generation import check_text
from proxy.parameters import RULES, Parameters, check_parameters
from proxy.strict_json import JsonObject
from proxy.tasks.shape import Shape


class TaskRequest(NamedTuple):
    """Texts by field; a field of `once` that was not given has its default."""

    fields: Mapping[str, str]
    shots: Sequence[Mapping[str, str]]
    parameters: Parameters
    prompt_only: bool


def check_task_request(shape: Shape, body: JsonObject) -> TaskRequest:
    """The request in a body. Raises InvalidParameter naming the field at fault, as in `shots[0].summary`."""
    allowed = (*shape.request_fields, "shots", "parameters", "prompt_only")
    _refuse_unknown(body, allowed, f"a field of the task {shape.name}", "")
    given = {**shape.once, **body}
    prompt_only = body.get("prompt_only", False)
    if not isinstance(prompt_only, bool):
        raise InvalidParameter(f"prompt_only is {shown(prompt_only)}, but must be true or false.", param="prompt_only")
    return TaskRequest(
        fields=_texts(given, shape.request_fields, ""),
        shots=_shots(shape, body.get("shots", [])),
        parameters=_parameters(body.get("parameters", {})),
        prompt_only=prompt_only,
    )


def _shots(shape: Shape, given: object) -> list[Mapping[str, str]]:
    if not isinstance(given, list):
        raise InvalidParameter(f"shots is {shown(given)}, but must be an array of objects.", param="shots")
    return [_shot(shape, value, f"shots[{index}]") for index, value in enumerate(given)]


def _shot(shape: Shape, given: object, name: str) -> Mapping[str, str]:
    if not isinstance(given, dict):
        raise InvalidParameter(
            f"{name} is {shown(given)}, but must be an object with {' and '.join(shape.shot_fields)}.", param=name
        )
    _refuse_unknown(given, shape.shot_fields, f"a field of a shot of {shape.name}", f"{name}.")
    shot = _texts(given, shape.shot_fields, f"{name}.")
    if shape.labels and shot[shape.output] not in shape.labels:
        raise InvalidParameter(
            f"{name}.{shape.output} is {shown(shot[shape.output])}, but must be one of {', '.join(shape.labels)}.",
            param=f"{name}.{shape.output}",
        )
    return shot


def _texts(given: Mapping[str, object], names: Sequence[str], prefix: str) -> dict[str, str]:
    for name in names:
        if name not in given:
            raise InvalidParameter(f"{prefix}{name} is missing: give a string.", param=f"{prefix}{name}")
    return {name: check_text(given[name], f"{prefix}{name}") for name in names}


def _parameters(given: object) -> Parameters:
    if not isinstance(given, dict):
        raise InvalidParameter(f"parameters is {shown(given)}, but must be an object.", param="parameters")
    _refuse_unknown(given, tuple(RULES), "a parameter", "")
    return check_parameters(given)


def _refuse_unknown(given: Mapping[str, object], allowed: Sequence[str], what: str, prefix: str) -> None:
    for name in given:
        if name not in allowed:
            raise InvalidParameter(
                f"{shown(name)} is not {what}. Allowed: {', '.join(allowed)}.", param=f"{prefix}{name[:40]}"
            )
