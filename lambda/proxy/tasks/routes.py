"""`GET /tasks` and `POST /tasks/{task}`: what there is, and one task carried out."""

import re
from collections.abc import Mapping, Sequence

from common.shown import shown

from proxy.errors import RouteNotFound
from proxy.fit import Framing
from proxy.generate import Model
from proxy.generation import Generation
from proxy.long_inputs import any_length, planned
from proxy.request import MAX_BODY_BYTES
from proxy.strict_json import JsonObject
from proxy.tasks import PREFIX
from proxy.tasks.frame import Frame
from proxy.tasks.request import TaskRequest, check_task_request
from proxy.tasks.shape import Shape

MAX_OBJECTS = MAX_BODY_BYTES // len('{"input":"","output":""},')  # as many shots as a body holds

# AlexaTM's tokenizer drops newlines, and of the delimiters it knows this one means a new line.
_LINE_BREAKS = {"alexatm": "<br>"}


def listed(tasks: Mapping[str, Shape]) -> JsonObject:
    """The body of `GET /tasks`, but for the names that the request and the settings add."""
    return {"tasks": [_described(shape) for shape in tasks.values()]}


def carried_out(tasks: Mapping[str, Shape], path: str, body: JsonObject, *, contract: str, model: Model) -> JsonObject:
    """The body of `POST /tasks/{task}`, but for the names that the request and the settings add.

    Raises RouteNotFound for a task that does not exist, and InvalidParameter or WindowExceeded before anything is
    generated.
    """
    name = path.removeprefix(PREFIX)
    if name not in tasks:
        raise RouteNotFound(f"There is no task {shown(name)}. Tasks: {', '.join(tasks)}.")
    shape = tasks[name]
    request = check_task_request(shape, body)
    generation, framing = _generation(shape, request), _framing(shape, request, contract)
    done = (planned if request.prompt_only else any_length)(generation, model, framing)
    characters = sum(map(len, done.prompts))
    if request.prompt_only:
        parts = {"prompts": list(done.prompts)} if request.split else {}
        return {"prompt": done.prompts[0], **parts, "prompt_characters": characters, **done.told}
    label = {"label": label_in(done.texts[0], shape.labels)} if shape.labels else {}
    return {"output": done.texts[0], "outputs": done.texts, **label, "prompt_characters": characters, **done.told}


def label_in(output: str, labels: Sequence[str]) -> str | None:
    """The label that an output begins with, whatever its case and what is said after it; None where there is none, or
    where the model only lists them, as its prompt does.
    """
    for label in labels:
        others = "|".join(re.escape(other) for other in labels if other != label) or r"\b\B"  # nothing
        listed = rf"(?:\s*[,/|]\s*(?:or\s+)?|\s+or\s+)(?:{others})(?!\w)"
        if re.match(rf"\W*{re.escape(label)}(?!\w)(?!{listed})", output, re.IGNORECASE):
            return label
    return None


def _generation(shape: Shape, request: TaskRequest) -> Generation:
    return Generation(
        inputs=(request.fields[shape.long_field],),
        is_batch=False,
        parameters=request.parameters,
        trim_at=shape.delimiter,
        truncate=request.truncate,
        split=request.split,
    )


def _framing(shape: Shape, request: TaskRequest, contract: str) -> Framing:
    frame = Frame(shape, request, line_break=_LINE_BREAKS.get(contract), is_marked=contract == "alexatm")
    choices = "truncate to head, tail or middle" + (", or split to true" if shape.can_split else "")
    return Framing(
        param=shape.long_field,
        around=frame.around,
        whole=None,
        advice=f"Send shorter texts or fewer shots, or set {choices}, for {shape.long_field}.",
        tokens=lambda: frame.tokens,
        counted=frame.counted,
    )


def _described(shape: Shape) -> JsonObject:
    return {
        "name": shape.name,
        "about": shape.about,
        "fields": list(shape.request_fields),
        "defaults": dict(shape.once),
        "shot_fields": list(shape.shot_fields),
        "output": shape.output,
        "labels": list(shape.labels) or None,
        "delimiter": shape.delimiter,
        "long": shape.long_field,
        "splits": shape.can_split,
        "shape": shape.lead + shape.shot,
    }
