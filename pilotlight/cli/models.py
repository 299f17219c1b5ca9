"""`pilot models`: what a stage's `model` may name, and where that list comes from."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from pilotlight import catalog, jumpstart
from pilotlight.catalog import Model
from pilotlight.cli.lock_training import lock_training
from pilotlight.cli.options import JsonOption, YesOption
from pilotlight.cli.price_refresh import replace_file
from pilotlight.cli.terminal import confirm, out, print_json, progress
from pilotlight.prices import usd_per_hour
from pilotlight.training_file import training

model_commands = typer.Typer(help="The models that a stage can name.", no_args_is_help=True)
model_commands.command()(lock_training)


@model_commands.command("list")
def list_models(
    word: Annotated[str, typer.Argument(help="Only those with this in their names.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List what `model = "…"` may be in pilotlight.toml: names, and ids of the JumpStart catalog."""
    known = [*catalog.models().values(), *catalog.jumpstart_models().values()]
    found = [model for model in known if word.lower() in f"{model.name} {model.jumpstart_id}".lower()]
    if as_json:
        print_json({"models": [to_data(model) for model in found]})
        return
    if not found:
        out.print(
            f"No model has {word!r} in its name or its JumpStart id; there are {len(known)}. An id of huggingface.co, "
            "ORGANISATION/NAME, works without standing here.",
            highlight=False,
            soft_wrap=True,
        )
        return
    width = max(len(model.name) for model in found)
    for model in found:
        out.print(f"{model.name:{width}}  {_facts(model)}", highlight=False, soft_wrap=True)


def _facts(model: Model) -> str:
    if model.local_only:
        return "on the embedded cloud only"
    usd, default = _usd(model), model.default_instance_type
    place = "on an instance type that you name" if default is None else f"on {default}"
    price = "" if default is None else f", USD {usd} an hour" if usd is not None else ", no price known"
    return f"{place}{price}{', EULA' if model.eula_key else ''}"


def to_data(model: Model) -> dict[str, object]:
    usd = _usd(model)
    return {
        "model": model.name,
        "jumpstart_id": model.jumpstart_id,
        "jumpstart_version": model.jumpstart_version,
        "contract": model.contract,
        "instance_types": list(model.known_instance_types),
        "usd_per_hour": None if usd is None else float(usd),
        "accept_eula": model.eula_key is not None,
        "trained_by": _trained_by(model),
    }


def _usd(model: Model) -> Decimal | None:
    return usd_per_hour(model.default_instance_type) if model.default_instance_type else None


def _trained_by(model: Model) -> str | None:
    """The program of its fine-tuning; None where a stage has to say what is needed for one."""
    row = training().models.get(model.name)
    return None if row is None else row.program


@model_commands.command("lock")
def lock(
    version: Annotated[str, typer.Option(help=f"Of {jumpstart.PACKAGE} on PyPI.")] = jumpstart.VERSION,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read JumpStart's specs from a package on PyPI, show what changed, and write data/jumpstart.lock.json."""
    with progress() as report:
        report(f"downloading {jumpstart.PACKAGE} {version}")
        wheel = jumpstart.download(version)
        report("reading the specs")
        specs = jumpstart.specs(wheel)
    update(catalog.LOCK_FILE, specs, version=version, yes=yes, as_json=as_json)


def update(file: Path, specs: list[dict[str, object]], *, version: str, yes: bool, as_json: bool) -> None:
    """Write the rows that these specs make; what is answered with no leaves the file as it is."""
    rows, left = jumpstart.rows(
        specs,
        accounts=catalog.registry_accounts(),
        hosting=catalog.instances(),
        known=[model.jumpstart_id for model in catalog.models().values() if model.jumpstart_id],
    )
    before = catalog.locked(file) if file.exists() else {}
    added, gone = sorted(rows.keys() - before.keys()), sorted(before.keys() - rows.keys())
    changed = sorted(name for name in rows.keys() & before.keys() if rows[name] != before[name])
    if as_json:
        print_json({"models": len(rows), "added": added, "changed": changed, "gone": gone, "left_out": dict(left)})
    else:
        for what, names in (("new", added), ("changed", changed), ("gone", gone)):
            for name in names:
                out.print(f"{what}: {name}", highlight=False, soft_wrap=True)
        for name, reason in left:
            out.print(f"left out: {name}: {reason}", highlight=False, soft_wrap=True)
    confirm(
        f"Write {len(rows)} models ({len(added)} new, {len(changed)} changed, {len(gone)} gone) to {file.name}?", yes
    )
    replace_file(file, jumpstart.to_text(rows, version=version))
    if not as_json:
        out.print(f"{file.name} has {len(rows)} models of {jumpstart.PACKAGE} {version}.", highlight=False)
