"""Options that several commands have."""

from typing import Annotated

import typer

StageOption = Annotated[str | None, typer.Option("--stage", help="A stage of pilotlight.toml.")]
AwsOption = Annotated[bool, typer.Option("--aws", help="Aim at AWS even while the embedded cloud runs.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="The Region on AWS, if not the stage's own.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
