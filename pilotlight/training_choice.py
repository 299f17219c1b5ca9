"""Which program trains a stage's model, and which keys of [stages.NAME.finetune] go together. Pure rules.

the model has a row in data/training.toml    what the row says, unless `program` says otherwise
`shape` is written, or program = "own"       the project's container
program = "script"                           the user's own image, with or without a script
"""

from collections.abc import Iterator
from typing import Final, Literal

from pilotlight.choice import Choice
from pilotlight.config_errors import Problem
from pilotlight.finetune_table import BUILD
from pilotlight.training_file import JumpStartModel, Metric, ModelShape, OwnModel, training
from pilotlight.training_specs import ScriptModel, TrainedModel

LOCAL_IMAGE: Final = "pilotlight.local/training"
"""Stands for a training container on the embedded cloud, which runs none."""

Kind = Literal["own", "jumpstart", "script"]

_OF_A_SCRIPT: Final = (
    "script_url",
    "entry_point",
    "base_model_url",
    "evaluation_image_uri",
    "metrics",
    "environment",
    "volume_size_gb",
    "network_isolation",
)


def kind(choice: Choice) -> Kind | None:
    """Of the stage's program; None where nobody has said how its model is trained."""
    table, row = choice.table.finetune, _row(choice)
    if table.program is not None:
        return table.program
    if row is not None:
        return row.program
    return "own" if table.shape is not None else None


def trained(choice: Choice) -> TrainedModel | None:
    """The model with its program; None where there is none, or a problem with it."""
    table, row = choice.table.finetune, _row(choice)
    program, size = kind(choice), _shape(choice)
    if program == "script":
        image = image_uri(choice)
        return None if image is None else _script(choice, image, size)
    if program == "own" and size is not None:
        if isinstance(row, OwnModel):
            return row.model_copy(update={"shape": size})
        types = table.instance_types or (row.instance_types if row else ())
        return OwnModel(instance_types=types, neither=True, shape=size)
    return row if program == "jumpstart" else None


def image_uri(choice: Choice) -> str | None:
    """`image_uri` as written; the embedded cloud needs none, and builds none."""
    return _resolved(choice, choice.table.finetune.image_uri)


def evaluation_image_uri(choice: Choice) -> str | None:
    """The project's container, which evaluates whatever trains."""
    table = choice.table.finetune
    return image_uri(choice) if kind(choice) != "script" else _resolved(choice, table.evaluation_image_uri)


def _resolved(choice: Choice, written: str | None) -> str | None:
    return LOCAL_IMAGE if choice.target == "local" and written in (None, BUILD) else written


def problems(choice: Choice) -> Iterator[Problem]:
    """Keys that miss each other, or exclude each other."""
    program, written = kind(choice), "finetune" in choice.table.model_fields_set
    if program is None:
        if written:
            yield _nobody_knows(choice)
        return
    yield from _misplaced(choice, program)
    if program == "own":
        yield from _own(choice)
    if written and program in ("own", "script"):
        yield from _missing(choice, program)
    if program == "script":
        yield from _half_a_script(choice)


def _row(choice: Choice) -> OwnModel | JumpStartModel | None:
    return training().models.get(choice.model.name)


def _shape(choice: Choice) -> ModelShape | None:
    """As written, or the row's."""
    written, row = choice.table.finetune.shape, _row(choice)
    return ModelShape(**written.model_dump()) if written else row.shape if row else None


def _script(choice: Choice, image: str, size: ModelShape | None) -> ScriptModel:
    table, row = choice.table.finetune, _row(choice)
    return ScriptModel(
        image_uri=image,
        script=(table.script_url, table.entry_point) if table.script_url and table.entry_point else None,
        base_model_url=table.base_model_url,
        environment=dict(table.environment),
        metrics=tuple(Metric(Name=metric.name, Regex=metric.regex) for metric in table.metrics),
        volume_size_gb=table.volume_size_gb,
        network_isolation=table.network_isolation,
        instance_types=row.instance_types if row else (),
        shape=size,
    )


def _nobody_knows(choice: Choice) -> Problem:
    return Problem(
        key=choice.key("finetune"),
        reason=f"nobody has said how {choice.model.name} is trained",
        allowed=f"this table beside one of the models {', '.join(training().models)}; a table "
        f'[{choice.key("finetune.shape")}], for a causal Hugging Face model; or program = "script", for an image of '
        "your own",
        fix="write one of these, or remove the table",
    )


def _own(choice: Choice) -> Iterator[Problem]:
    if choice.model.name in training().not_causal:
        yield Problem(
            key=choice.key("finetune.program" if choice.table.finetune.program else "finetune.shape"),
            reason=f"{choice.model.name} is no causal model, and the project's own container trains no other",
            allowed='program = "script", with an image that trains it',
            fix="write that, or remove the table",
        )
    elif _shape(choice) is None:
        yield Problem(
            key=choice.key("finetune.shape"),
            reason=f"this table is missing, and nothing else says how large {choice.model.name} is",
            allowed="parameters, and layers, hidden, vocabulary and window as config.json has them",
            fix="write shape = { parameters = …, layers = num_hidden_layers, hidden = hidden_size, "
            "vocabulary = vocab_size, window = max_position_embeddings }",
        )


def _misplaced(choice: Choice, program: Kind) -> Iterator[Problem]:
    written = choice.table.finetune.model_fields_set
    for name in _OF_A_SCRIPT:
        if program != "script" and name in written:
            yield Problem(
                key=choice.key(f"finetune.{name}"),
                value=getattr(choice.table.finetune, name),
                reason="this key is for a program of your own, and "
                + ("JumpStart's script" if program == "jumpstart" else "the project's own container")
                + f" trains {choice.model.name}",
                allowed='this key beside program = "script"',
                fix='remove it, or write program = "script"',
            )
    if program == "jumpstart" and "shape" in written:
        yield Problem(
            key=choice.key("finetune.shape"),
            reason=f"JumpStart trains its own {choice.model.name}, whose size is known",
            allowed='this table beside program = "own" or "script"',
            fix='remove it, or write program = "own" to train what the stage serves with the project\'s container',
        )


def _missing(choice: Choice, program: Literal["own", "script"]) -> Iterator[Problem]:
    table, row = choice.table.finetune, _row(choice)
    whose = "the project's own container" if program == "own" else "an image of your own"
    if image_uri(choice) is None:
        yield Problem(
            key=choice.key("finetune.image_uri"),
            reason=f"this key is missing, and {choice.model.name} is trained with {whose}",
            allowed="an image in Amazon ECR, in the Region of the stage"
            + (f'; or "{BUILD}", which has cdk build and push it' if program == "own" else ""),
            fix=f'write image_uri = "{BUILD}"'
            if program == "own"
            else f'write image_uri = "ACCOUNT.dkr.ecr.{choice.region}.amazonaws.com/REPOSITORY:TAG", the image\'s',
        )
    elif program == "script" and table.image_uri == BUILD:
        yield Problem(
            key=choice.key("finetune.image_uri"),
            value=BUILD,
            reason="that is the project's own container, which runs no other program",
            allowed=f'an image of yours in Amazon ECR; "{BUILD}" for evaluation_image_uri',
            fix=f'name your image, or write evaluation_image_uri = "{BUILD}", or program = "own"',
        )
    if table.instance_types is None and row is None:
        yield Problem(
            key=choice.key("finetune.instance_types"),
            reason=f"this key is missing, and nothing else says on what {choice.model.name} is trained",
            allowed="one to five instance types, first choice first",
            fix='write, for example: instance_types = ["ml.g5.12xlarge"]',
        )


def _half_a_script(choice: Choice) -> Iterator[Problem]:
    table = choice.table.finetune
    for name, value, other in (
        ("script_url", table.entry_point, table.script_url),
        ("entry_point", table.script_url, table.entry_point),
    ):
        if value is not None and other is None:
            yield Problem(
                key=choice.key(f"finetune.{name}"),
                reason="this key is missing, and a script has both an archive and a file in it to run",
                allowed="script_url and entry_point, or neither of them: then the image's entry point is the program",
                fix='write script_url = "s3://BUCKET/PREFIX/sourcedir.tar.gz" and entry_point = "train.py"',
            )
