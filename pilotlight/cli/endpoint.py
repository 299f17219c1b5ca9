"""`pilot ask`, `status`, `on`, `off` and `snooze`."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.markup import escape

from pilotlight import snooze as snoozing
from pilotlight.auto_off import dearest
from pilotlight.cli.options import AwsOption, JsonOption, RegionOption, StageOption, YesOption
from pilotlight.cli.target import call, configured, deployment
from pilotlight.cli.terminal import Refused, confirm, describe, out, print_json, progress, table
from pilotlight.deployment import Deployment
from pilotlight.prices import cost
from pilotlight.stage import Stage
from pilotlight.switch import State, Switch, SwitchError, wake_estimate
from pilotlight.triggers import Triggers


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


def on(
    hours: Annotated[
        int | None,
        typer.Option(min=1, max=168, help="Off after so many hours, in the configured lifetime's place."),
    ] = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(
            "--budget-usd", "--budget", min=1, help="A new ceiling for this month, where the configured one is spent."
        ),
    ] = None,
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Light the endpoint; returns when it is in service."""
    target = deployment(stage, aws, region)
    chosen = configured(target)
    confirm(f"{what_it_costs(chosen, target, hours)} Light it?", yes)
    try:
        turn(target, "on", as_json, chosen=chosen, hours=hours, budget_usd=budget_usd)
    except SwitchError as error:
        if disabled := Triggers(target).disabled():  # the switch sees a silent meter only, not why it is
            raise SwitchError(f"{error} Disabled: {', '.join(disabled)}; `pilot deploy --off` enables that.") from error
        raise


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


def snooze(
    duration: Annotated[str, typer.Argument(help="2h, 90m or 1h30m from now, at most 24h; 0 ends a snooze.")],
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Leave the endpoint on although nobody calls it. Its lifetime and its budget still end it."""
    try:
        wanted = snoozing.duration(duration)
    except snoozing.BadDuration as error:
        raise Refused(str(error)) from None
    target = deployment(stage, aws, region)
    now, ends = target.now(), target.ends
    until = snoozing.until(now, wanted, ends)
    target.remember("snooze", "endpoint", {"until": until.timestamp(), "by": "pilot snooze"})
    snoozed_until = f"{until:%Y-%m-%dT%H:%M:%SZ}" if until > now else None
    if as_json:
        print_json({"snoozed_until": snoozed_until, "stage": target.stage, "place": target.place})
    elif snoozed_until is None:
        out.print("It is not snoozed: it is turned off when it idles for long enough.")
    else:
        cut = " The hard stop falls then: `pilot on --hours` moves it." if ends == until else ""
        early = "" if ends else " It is off now; one that is lit meanwhile is left on as well."
        out.print(f"It is not turned off for idling before {snoozed_until}.{cut}{early}", highlight=False)


def what_it_costs(chosen: Stage, target: Deployment, hours: int | None) -> str:
    """By the hour, and what it comes to if somebody forgets it; several types count as the dearest of them, whether
    SageMaker chooses or the switch falls back on one.
    """
    lifetime = hours or chosen.auto_off.longest_hours
    types = chosen.instance_types
    hourly = dearest(types, chosen.instance_count)
    if hourly is None:
        price = "an unknown price per hour"
    else:
        worst = cost(timedelta(hours=lifetime), usd_per_hour=hourly, instance_count=1)
        price = f"{'at most ' if len(types) > 1 else ''}USD {hourly} per hour (USD {worst} if you forget it)"
    untold = (
        "" if chosen.notify or chosen.target == "local" else " `notify` is empty, so nobody is told if it goes wrong."
    )
    return (
        f"{chosen.instance_count} × {' or '.join(types)} on {target.place}: {price}. "
        f"It is off after {lifetime} hours at the latest.{untold}"
    )


def turn(
    target: Deployment,
    state: State,
    as_json: bool,
    *,
    chosen: Stage | None = None,
    hours: float | None = None,
    budget_usd: float | None = None,
) -> None:
    """Ask the switch and follow it. `chosen` is the stage to light: its wakes are estimated."""
    past = target.ledger_entry("wake", "estimate").get("seconds", []) if chosen else []
    with progress(wake_estimate(past, otherwise=chosen.wake_seconds) if chosen else None) as report:
        outcome = Switch(target, report=report).turn(state, hours=hours, budget_usd=budget_usd)
    if as_json:
        print_json(asdict(outcome) | {"stage": target.stage, "place": target.place})
    else:
        said = f"in {outcome.seconds:.0f} s" if outcome.changed else "it was already; nothing was changed"
        out.print(f"[green]The endpoint of stage {target.stage} on {target.place} is {state}[/] ({said}).")
        if state == "on":
            out.print(escape(outcome.message), highlight=False)
            out.print("[bold]pilot status[/] tells what it costs and when the hard stop deletes it.")
