"""`pilot`: the embedded cloud, and what a person does with a deployed stage."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import boto3
import requests
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pilotlight import config_file
from pilotlight.config import ConfigError, Stage, load
from pilotlight.deployment import Deployment, NotDeployedError
from pilotlight.local.cloud import CONFIG, Cloud, CloudError, aws_environment, contradicting_variables
from pilotlight.local.processes import MachineError, bypass_proxy_for_loopback
from pilotlight.prices import cost
from pilotlight.switch import State, Switch, SwitchError

API_TIMEOUT_SECONDS = 35
"""A little more than the 29 s after which API Gateway gives up."""

app = typer.Typer(
    help="A language model on SageMaker, lit only while you want to pay for it.",
    no_args_is_help=True,
    add_completion=False,
)
local = typer.Typer(help="The embedded cloud: the same stacks on this machine.", no_args_is_help=True)
app.add_typer(local, name="local")

out = Console()
err = Console(stderr=True)

StageOption = Annotated[str | None, typer.Option("--stage", help="A stage of pilotlight.toml.")]
AwsOption = Annotated[bool, typer.Option("--aws", help="Aim at AWS even while the embedded cloud runs.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="The Region on AWS, if not the stage's own.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class Weights(StrEnum):
    """What plays the model on the embedded cloud."""

    SMOLLM2 = "smollm2"
    TINY = "tiny"


class Refused(Exception):
    """The command cannot do what was asked; the message says what to do."""


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


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The prompt.")],
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens of prompt and answer together.")] = None,
    trim_at: Annotated[str | None, typer.Option(help="Cut the answer where this string first appears.")] = None,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the model through the REST API."""
    body = {"text_inputs": text, "max_length": max_length, "trim_at": trim_at}
    given = {key: value for key, value in body.items() if value is not None}
    answer = call(deployment(stage, aws, region), "POST", "/generate", given)
    if as_json:
        print_json(answer)
    else:
        for generated in answer["generated_texts"]:
            out.print(escape(generated.strip()), highlight=False)


@app.command()
def status(
    stage: StageOption = None, aws: AwsOption = False, region: RegionOption = None, as_json: JsonOption = False
) -> None:
    """The endpoint: its state, what it costs, and what turns it off next."""
    target = deployment(stage, aws, region)
    answer = call(target, "GET", "/endpoint")
    if as_json:
        print_json(answer)
    else:
        rows = {key: describe(value) for key, value in answer.items() if key != "request_id"}
        out.print(table({"stage": f"{target.stage} on {target.place}", **rows, "api": target.api_url}))


@app.command()
def on(
    hours: Annotated[
        int | None,
        typer.Option(min=1, max=168, help="Off after so many hours, in the configured lifetime's place."),
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(min=1, help="A new ceiling for this month, where the configured one is spent.")
    ] = None,
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Light the endpoint; returns when it is in service."""
    target = deployment(stage, aws, region)
    configured = load(CONFIG, target.stage, target="local" if target.aws_endpoint_url else "aws", region=target.region)
    lifetime = hours or configured.auto_off.longest_hours
    confirm(
        f"{configured.instance_count} × {configured.instance_type} on {target.place}: "
        f"{price_of(configured, lifetime)}. It is off after {lifetime} hours at the latest. Light it?",
        yes,
    )
    turn(target, "on", as_json, hours=hours, budget_usd=budget_usd)


@app.command()
def off(
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn the endpoint off; returns when SageMaker says that it is gone."""
    target = deployment(stage, aws, region)
    confirm(f"Turn off the endpoint of stage {target.stage} on {target.place}?", yes)
    turn(target, "off", as_json)


def price_of(stage: Stage, hours: int) -> str:
    """By the hour, and what it comes to if somebody forgets it."""
    usd = stage.usd_per_hour.get(stage.instance_type)
    if usd is None:
        return "an unknown price per hour"
    worst = cost(timedelta(hours=hours), usd_per_hour=usd, instance_count=stage.instance_count)
    return f"USD {usd * stage.instance_count} per hour (USD {worst} if you forget it)"


def turn(
    target: Deployment, state: State, as_json: bool, *, hours: float | None = None, budget_usd: float | None = None
) -> None:
    with progress() as report:
        outcome = Switch(target, report=report).turn(state, hours=hours, budget_usd=budget_usd)
    if as_json:
        print_json(asdict(outcome) | {"stage": target.stage, "place": target.place})
    else:
        said = f"in {outcome.seconds:.0f} s" if outcome.changed else "it was already; nothing was changed"
        out.print(f"[green]The endpoint of stage {target.stage} on {target.place} is {state}[/] ({said}).")
        if state == "on":
            out.print("[bold]pilot status[/] tells what it costs and when the hard stop deletes it.")


def deployment(stage: str | None, aws: bool, region: str | None) -> Deployment:
    """Where a command aims: the embedded cloud while it runs, AWS otherwise."""
    cloud = Cloud()
    running = None if aws else cloud.state()
    if running is None:
        if not aws and cloud.folder.exists():  # who believes to be on the embedded cloud must not light AWS
            raise Refused(
                "The embedded cloud of this folder does not run: it was killed, or is still starting. Start it again "
                "with `pilot local up`, forget it with `pilot local down`, or add --aws to aim at AWS."
            )
        return on_aws(stage or os.environ.get("PILOTLIGHT_STAGE"), region)
    if stage not in (None, running.stage):
        raise Refused(
            f"The embedded cloud runs stage {running.stage!r}, not {stage!r}. For AWS add --aws; "
            f"for the embedded cloud run `pilot local down`, then `pilot local up --stage {stage}`."
        )
    return running.deployment


def on_aws(stage: str | None, region: str | None) -> Deployment:
    """A stage on AWS, in `region`, else in its own, else in the environment's.

    With both given, pilotlight.toml is not read: `pilot off` must work while it is broken.
    """
    if diverted := next((name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")), None):
        raise Refused(
            f"{diverted} is {os.environ[diverted]!r}, so this shell does not aim at AWS, although no embedded cloud "
            f"runs here or --aws was given. Run `unset {diverted}`, or open a new shell."
        )
    if stage is None or region is None:
        file = config_file.read(CONFIG)
        stage = stage or file.default_stage
        own = file.stages[stage].region if stage in file.stages else None
        region = region or own or boto3.Session().region_name
    if region is None:
        raise Refused(
            f"No Region is known for stage {stage!r}: add --region, write `region` into its table in pilotlight.toml, "
            "or set AWS_DEFAULT_REGION."
        )
    return Deployment(stage, region)


def call(target: Deployment, method: str, path: str, body: dict[str, Any] | None = None, *, admin: bool = False) -> Any:
    """One call of the REST API: the parsed answer, or Refused with the API's own error sentence.

    Routes that change something take an admin.
    """
    response = requests.request(
        method,
        target.api_url + path,
        json=body,
        auth=target.admin_auth if admin else target.auth,
        timeout=API_TIMEOUT_SECONDS,
    )
    if not response.ok:
        try:
            error = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            raise Refused(f"The API answered {response.status_code}: {response.text[:500]}") from None
        raise Refused(f"{response.status_code} {error['type']}: {error['message']}")
    return response.json()


def confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} Nobody is there to answer: add --yes.")
    typer.confirm(question, abort=True, err=True)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A bar on the terminal's stderr that says what is being done; its value is the function to tell."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24, pulse_style="yellow"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("…", total=None)
        yield lambda phrase: bar.update(task, description=phrase)


def table(rows: dict[str, str]) -> Table:
    made = Table(show_header=False, box=None, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for key, value in rows.items():
        made.add_row(key.replace("_", " "), escape(value))
    return made


def describe(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("message") or value)
    return "–" if value is None else str(value)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def prepare_process() -> None:
    """SIGTERM ends it as Ctrl-C does, so that clean-up runs; the embedded cloud is reached without a proxy."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    bypass_proxy_for_loopback()


def sentence_for(error: Exception) -> str | None:
    """What to tell a person about a failure that was to be expected; None for a bug."""
    match error:
        case ConfigError() | CloudError() | MachineError() | NotDeployedError() | SwitchError() | Refused():
            return str(error)
        case requests.ConnectionError() | requests.Timeout():
            return f"The API cannot be reached: {error}. Is it still there? `pilot local status` tells."
        case BotoCoreError() | ClientError():
            return f"AWS refused or could not be reached: {error}"
        case OSError():
            return f"This machine refused: {error}. Mend that, or name another folder in PILOTLIGHT_CLOUD_FOLDER."
    return None


def main() -> None:
    """The entry point: every expected failure is a sentence on stderr and exit code 1."""
    prepare_process()
    try:
        app()
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        err.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
