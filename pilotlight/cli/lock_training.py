"""`pilot models lock-training`: how JumpStart trains a model, out of its bucket on AWS."""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import boto3
import typer

from pilotlight import jumpstart_training, training_file
from pilotlight.catalog import Model, locked, model, registry_accounts
from pilotlight.cli.options import JsonOption, YesOption
from pilotlight.cli.price_refresh import replace_file
from pilotlight.cli.terminal import Refused, confirm, err, out, print_json, progress
from pilotlight.finetune_table import ShapeTable
from pilotlight.jumpstart import lock_text
from pilotlight.jumpstart_bucket import spec_in_file, training_spec
from pilotlight.jumpstart_program import OwnProgram, own_program, to_toml
from pilotlight.jumpstart_training import Training

_SOURCE: Final = "`pilot models lock-training`; a row without a source of its own is from JumpStart's open bucket"


def lock_training(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `pilot models list`, or a JumpStart id.")],
    version: Annotated[str | None, typer.Option(help="Its version; else the newest that can be trained.")] = None,
    spec: Annotated[Path | None, typer.Option(help="A file that has the spec, in place of the bucket.")] = None,
    source: Annotated[str | None, typer.Option(help="Where that file is from, for its row; else its name.")] = None,
    shape: Annotated[str | None, typer.Option(help="Its size, as `pilot finetune shape` prints it.")] = None,
    region: Annotated[str, typer.Option(help="Where the bucket is read.")] = "us-east-1",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a model's training from JumpStart's bucket, or a file, and write it to data/jumpstart_training.lock.json.

    One that Llama 2's hyperparameters do not fit is printed instead, as a program of your own.
    """
    size = None if shape is None else sized(shape)
    if spec is None and source is not None:
        raise Refused(f"--source {source!r} says where a file is from, and no file is named: add --spec FILE.")
    if spec is not None and version is not None:
        raise Refused(f"--version {version} chooses from the bucket, and --spec {spec} has one. Leave one out.")

    def read(model_id: str) -> dict[str, Any]:
        if spec is not None:
            return spec_in_file(spec, model_id)
        return training_spec(boto3.client("s3", region_name=region), region, model_id, version)

    origin = source or (spec.name if spec else None)
    update(read, training_file.LOCK_FILE, name, source=origin, shape=size, region=region, yes=yes, as_json=as_json)


def sized(shape: str) -> dict[str, int]:
    """Raises Refused."""
    try:
        table = tomllib.loads(f"shape = {shape.removeprefix('shape = ')}")["shape"]
        return ShapeTable.model_validate(table).model_dump(exclude_none=True)
    except ValueError as error:
        raise Refused(f"--shape is not what `pilot finetune shape FOLDER` prints: {error}") from error


def update(
    read: Callable[[str], dict[str, Any]],
    file: Path,
    name: str,
    *,
    source: str | None = None,
    shape: Mapping[str, int] | None = None,
    region: str,
    yes: bool,
    as_json: bool,
) -> None:
    """`read` gives the spec of a JumpStart id, found in `source`; None: in the bucket. Raises LockError or Refused, and
    has then written nothing.
    """
    known = model(name)
    with progress() as report:
        report(f"reading {source or 'the bucket of JumpStart'}")
        spec = read((known and known.jumpstart_id) or name)
    usual, accounts = training_file.training(), registry_accounts()
    training = jumpstart_training.parse(
        spec, accounts=accounts, known_types=training_file.training_instances(), usual=usual.jumpstart
    )
    reasons = list(jumpstart_training.differences(training, known, usual))
    if known is None or reasons:
        program = own_program(training, region=region, accounts=accounts)
        _print_program(training, reasons, program, as_json)
        return
    rows = locked(file)
    before = rows.get(known.name, {})
    row = jumpstart_training.row(training, accounts=accounts, usual=usual.jumpstart, source=source)
    rows[known.name] = row | _shape(known, shape or before.get("shape"))
    if as_json:
        print_json({"jumpstart_id": training.model_id, "model": known.name, "row": rows[known.name]})
    else:
        out.print(f"{known.name}: {json.dumps(rows[known.name])}", highlight=False, markup=False, soft_wrap=True)
    change = f", in place of {before['version']}" if before else ""
    confirm(f"Write {training.model_id} {training.version}{change} to {file.name}?", yes)
    replace_file(file, lock_text(dict(sorted(rows.items())), source=_SOURCE))


def _shape(known: Model, shape: Mapping[str, int] | None) -> dict[str, Any]:
    if shape is None and known.name not in training_file.training().models:
        raise Refused(
            f"No spec says how large {known.name} is, and memory is checked before a training is paid for. Add "
            "--shape '{ parameters = …, layers = …, hidden = …, vocabulary = …, window = … }', which `pilot finetune "
            "shape FOLDER` reads from a Transformers folder."
        )
    return {} if shape is None else {"shape": dict(shape)}


def _print_program(training: Training, reasons: list[str], program: OwnProgram, as_json: bool) -> None:
    if as_json:
        answer = {"reasons": reasons, "finetune": program.table, "run": program.run}
        print_json({"jumpstart_id": training.model_id, "model": None, **answer})
        return
    err.print(
        f"Nothing is written: JumpStart's training of {training.model_id} {training.version} is not Llama 2's, as "
        f"{'; '.join(reasons)}. As a program of your own it is this table."
        + (" accept_eula in it accepts the model's EULA: read that first." if training.asks_for_a_eula else ""),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    lines = ["[stages.NAME.finetune]", to_toml(program.table)]
    if program.run:
        lines += ["", "# too long for a stage: into the dataset's run.toml", to_toml(program.run)]
    out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
