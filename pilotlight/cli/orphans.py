"""`pilot sweep`: what no stack owns."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pilotlight.cli.options import AwsOption, JsonOption, RegionOption, StageOption, YesOption
from pilotlight.cli.target import deployment
from pilotlight.cli.terminal import Refused, confirm, grid, out, print_json, progress
from pilotlight.orphans import Removal, Resource, find, price


def sweep(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is listed, after a question.")] = False,
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what carries a stage's tag but belongs to no stack, with its cost. Without --stage: of every stage."""
    target = deployment(stage, aws, region)
    with progress() as report:
        report("looking for what no stack owns")
        found = find(target, stage)
    removal = Removal(target.client("sagemaker"))
    if not as_json:
        show(found, target.place)
    if delete and found:
        confirm(f"Remove these {len(found)} ({price(found)}) on {target.place}?", yes)
        with progress() as report:
            removal.report = report
            removal.remove(found)
    if as_json:
        print_json(
            {
                "place": target.place,
                "orphans": [resource.to_data() for resource in found],
                "removed": removal.removed,
                "failures": removal.failures,
            }
        )
    elif delete and found:
        out.print(f"Removed: {', '.join(removal.removed) or 'nothing'}.", highlight=False)
    if removal.failures:
        still = "; ".join(f"{name}: {why}" for name, why in removal.failures.items())
        raise Refused(f"Still there, and billed if it is an endpoint or a training job: {still}.")


def show(found: list[Resource], place: str) -> None:
    if not found:
        out.print(f"Nothing on {place} carries a stage's tag without a stack that owns it.")
        return
    rows = [
        (
            str(resource.kind),
            resource.name,
            resource.stage,
            resource.status,
            f"{datetime.fromtimestamp(resource.created, UTC):%Y-%m-%d %H:%M}",
            None if resource.usd_per_hour is None else f"{resource.usd_per_hour:.2f}",
        )
        for resource in found
    ]
    out.print(grid(("kind", "name", "stage", "status", "since", "USD an hour"), rows), highlight=False)
    out.print(f"Together: {price(found)}.", highlight=False)
