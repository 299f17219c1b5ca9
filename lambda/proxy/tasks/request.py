"""What a caller asks of a task, checked against its shape."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from common.shown import shown

from proxy.errors import InvalidParameter
from proxy.generation import check_choice, check_text
from proxy.parameters import RULES, Parameters, check_parameters
from proxy.strict_json import JsonObject
from proxy.tasks.shape import Shape
from proxy.window import Side


class TaskRequest(NamedTuple):
    """Texts by field; a field of `once` that was not given has its default. `truncate` and `split` say what becomes of
    the task's long field where the prompt is longer than the window.
    """

    fields: Mapping[str, str]
    shots: Sequence[Mapping[str, str]]
    parameters: Parameters
    prompt_only: bool
    truncate: Side | None
    split: bool


def check_task_request(shape: Shape, body: JsonObject) -> TaskRequest:
    """The request in a body. Raises InvalidParameter naming the field at fault, as in `shots[0].summary`."""
    allowed = (*shape.request_fields, "shots", "parameters", "prompt_only", "truncate", "split")
    _refuse_unknown(body, allowed, f"a field of the task {shape.name}", "")
    given = {**shape.once, **body}
    prompt_only = body.get("prompt_only", False)
    if not isinstance(prompt_only, bool):
        raise InvalidParameter(f"prompt_only is {shown(prompt_only)}, but must be true or false.", param="prompt_only")
    parameters = _parameters(body.get("parameters", {}))
    truncate, split = _choice(shape, body, parameters)
    return TaskRequest(
        fields=_texts(given, shape.request_fields, ""),
        shots=_shots(shape, body.get("shots", [])),
        parameters=parameters,
        prompt_only=prompt_only,
        truncate=truncate,
        split=split,
    )


def _choice(shape: Shape, body: JsonObject, parameters: Parameters) -> tuple[Side | None, bool]:
    given: JsonObject = {name: body[name] for name in ("truncate", "split") if name in body}
    truncate, split = check_choice({**parameters, **given})
    if split and not shape.can_split:
        raise InvalidParameter(
            f"split joins the outputs for the parts of a text, and the one output of {shape.name} is for a whole "
            f"{shape.long_field}: set truncate to {', '.join(Side)} instead.",
            param="split",
        )
    return truncate, split


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
