"""`pilot local`: the embedded cloud."""

import shlex
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from pilotlight.cli.options import JsonOption
from pilotlight.cli.terminal import out, print_json, progress, table
from pilotlight.local.cloud import Cloud, aws_environment, contradicting_variables

local = typer.Typer(help="The embedded cloud: the same stacks on this machine.", no_args_is_help=True)


class Weights(StrEnum):
    """What plays the model on the embedded cloud."""

    SMOLLM2 = "smollm2"
    TINY = "tiny"


@local.command("up")
def local_up(
    stage: Annotated[str, typer.Option("--stage", help="The stage to deploy.")] = "local",
    off: Annotated[bool, typer.Option("--off", help="Deploy, but do not light the endpoint.")] = False,
    weights: Annotated[
        Weights, typer.Option(help="The model behind every stage; tiny babbles, but loads fast.")
    ] = Weights.SMOLLM2,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="A port of 127.0.0.1; else a free one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start the embedded cloud, deploy every stack, light the endpoint; returns when it answers."""
    with progress() as report:
        state = Cloud().up(stage=stage, weights=weights.value, light=not off, port=port, report=report)
    if as_json:
        print_json(asdict(state))
    else:
        lit = "deployed, the endpoint is off" if off else "up"
        out.print(f"[green]Stage {state.stage} is {lit}[/] on the embedded cloud: {state.api_url}")
        out.print(
            'Ask it with [bold]pilot ask "…"[/]; aim boto3 and the AWS CLI at it with '
            '[bold]eval "$(pilot local env)"[/].'
        )


@local.command("down")
def local_down(as_json: JsonOption = False) -> None:
    """Stop the embedded cloud with all that it started, and forget it."""
    stopped = Cloud().down()
    if as_json:
        print_json({"stopped": stopped})
    else:
        out.print("The embedded cloud is down and forgotten." if stopped else "There was no embedded cloud.")


@local.command("status")
def local_status(as_json: JsonOption = False) -> None:
    """Whether the embedded cloud runs, and where. Exit code 1 if it does not."""
    state = Cloud().state()
    if as_json:
        print_json({"running": state is not None} | (asdict(state) if state else {}))
    elif state:
        out.print(table({key: str(value) for key, value in asdict(state).items()}))
    else:
        out.print("No embedded cloud runs here. Start one with [bold]pilot local up[/].")
    if state is None:
        raise typer.Exit(1)


@local.command("env")
def local_env(as_json: JsonOption = False) -> None:
    """Print export lines that aim the AWS CLI, boto3 and cdk at the embedded cloud: eval "$(pilot local env)"."""
    state = Cloud().require()
    variables = aws_environment(state.aws_endpoint_url, state.stage, state.region)
    if as_json:
        print_json(variables)
        return
    print(f"unset {' '.join(contradicting_variables())}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
