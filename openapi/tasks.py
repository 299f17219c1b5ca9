"""The schemas of tasks, out of their shapes: what each takes, and what it answers."""

from proxy.tasks.file import shipped_tasks
from proxy.tasks.shape import Shape
from proxy.window import Side

from openapi.long_texts import CUT, NAMES, TOLD
from openapi.schemas import BOOLEAN, COUNT, STRING, TEXT, Json, array, nullable, one_of, record, ref, said, where

_ONE_OUTPUT: Json = {"properties": {"num_return_sequences": {"const": 1}}}
_SPLIT_ALONE = where(
    {"split": {"const": True}}, {"properties": {"truncate": {"const": "none"}, "parameters": _ONE_OUTPUT}}
)


def task_requests() -> dict[str, Json]:
    """By component name."""
    return {task_schema(shape.name): _task(shape) for shape in shipped_tasks().values()}


def task_answers() -> dict[str, Json]:
    """By component name."""
    return {
        "Tasks": record({"tasks": array(_task_listed()), **NAMES}),
        "TaskPrompt": _task_prompt(),
        **{f"{task_schema(shape.name)}Answer": _task_answer(shape) for shape in shipped_tasks().values()},
    }


def task_schema(name: str) -> str:
    """The component that holds the request of a task."""
    return "Task" + "".join(word.capitalize() for word in name.replace("-", "_").split("_"))


def _task(shape: Shape) -> Json:
    shot_texts = dict.fromkeys(shape.shot_fields, TEXT)
    if shape.labels:
        shot_texts[shape.output] = one_of(shape.labels)
    fields = {
        name: said(TEXT, f"Without it: {shape.once[name]}.") if name in shape.once else TEXT
        for name in shape.request_fields
    }
    own = {
        "shots": said(array(record(shot_texts)), "Examples that come before; any number, none too."),
        "parameters": ref("GenerationParameters"),
        "prompt_only": said(BOOLEAN, "Answer with the prompt; the model is not called."),
        **_choices(shape),
    }
    return record({**fields, **own}, optional=[*own, *shape.once]) | {"description": shape.about} | _SPLIT_ALONE


def _choices(shape: Shape) -> dict[str, Json]:
    """What becomes of a long text."""
    where_cut = (
        f"Where `{shape.long_field}` is cut if the prompt is longer than the model's window; without it, that is "
        "refused."
    )
    in_parts = (
        f"Send `{shape.long_field}` in parts if the prompt is longer than the window, each in the whole frame, and "
        "join the outputs; excludes `truncate`."
    )
    return {
        "truncate": said(one_of(("none", *Side)), where_cut),
        "split": said(BOOLEAN, in_parts)
        if shape.can_split
        else said({"const": False}, "Not taken: the output is for a whole text."),
    }


def _task_listed() -> Json:
    texts = array(STRING)
    return record(
        {
            "name": STRING,
            "about": STRING,
            "fields": texts,
            "defaults": {"type": "object", "additionalProperties": STRING},
            "shot_fields": texts,
            "output": STRING,
            "labels": nullable(texts),
            "delimiter": STRING,
            "long": said(STRING, "The field that `truncate` cuts and `split` sends in parts."),
            "splits": said(BOOLEAN, "Whether `split` is taken."),
            "shape": STRING,
        }
    )


def _task_answer(shape: Shape) -> Json:
    label = {"label": said(one_of((*shape.labels, None)), "null where the output begins with none.")}
    told = TOLD if shape.can_split else {"cut": CUT}
    carried_out = record(
        {
            "output": said(STRING, "The first of `outputs`; with `split` those of all parts, a line each."),
            "outputs": array(STRING, least=1),
            **(label if shape.labels else {}),
            "prompt_characters": said(COUNT, "Of the prompt as it was sent; with `split` of all prompts together."),
            **told,
            **NAMES,
        },
        optional=told,
    )
    return {"oneOf": [carried_out, ref("TaskPrompt")]}


def _task_prompt() -> Json:
    return record(
        {
            "prompt": said(STRING, "With `truncate` as it would be cut; with `split` that of the first part."),
            "prompts": said(array(STRING, least=1), "With `split`: those of all parts, in order."),
            "prompt_characters": COUNT,
            "cut": CUT,
            **NAMES,
        },
        optional=["prompts", "cut"],
    )
