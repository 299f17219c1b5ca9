"""`pilot cost`: what a stage costs and has cost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pilotlight.cli.options import AwsOption, JsonOption, RegionOption, StageOption
from pilotlight.cli.target import call, configured, deployment
from pilotlight.cli.terminal import describe, grid, out, print_json, table
from pilotlight.config import ConfigError
from pilotlight.costs import summary
from pilotlight.deployment import Deployment
from pilotlight.stage import Stage


def cost(
    receipts: Annotated[int, typer.Option(min=0, max=1000, help="How many of the last changes to list.")] = 10,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dollars: now per hour, since it is on, this month, saved by being off, at worst; and the last receipts."""
    target = deployment(stage, aws, region)
    kept = target.receipts(receipts) if receipts else []
    costs = summary(call(target, "GET", "/endpoint"), kept, _configured_if_it_can_be_read(target))
    if as_json:
        print_json({"stage": target.stage, "place": target.place, **costs})
        return
    rows = {
        "now": f"{_usd(costs['usd_per_hour'])} an hour ({costs['state']})",
        "since it is on": _usd(costs["cost_usd"]),
        "this month": f"{_usd(costs['usd_this_month'])} of at most {_usd(costs['budget_usd'], 'what time allows')}",
        "saved by being off": _usd(costs["usd_saved_this_month"]),
        "next trigger": describe(costs["next_trigger"]),
        "a month at worst": _usd(costs["worst_month_usd"]),
    }
    if costs["attention"]:
        rows["attention"] = describe(costs["attention"])
    out.print(table({"stage": f"{target.stage} on {target.place}", **rows}))
    if kept:
        columns = ("at", "what", "why", "by", "hours", "USD", "instances")
        out.print(grid(columns, map(_receipt, kept), title="\nLast changes"), highlight=False)


def _configured_if_it_can_be_read(target: Deployment) -> Stage | None:
    """What is spent must be told while pilotlight.toml is broken, too."""
    try:
        return configured(target)
    except ConfigError:
        return None


def _usd(amount: float | None, otherwise: str = "unknown") -> str:
    return otherwise if amount is None else f"USD {amount:,.2f}"


def _receipt(kept: Mapping[str, Any]) -> tuple[object, ...]:
    at = datetime.fromtimestamp(kept["at"], UTC)
    hours, usd = kept.get("hours_on"), kept.get("usd")
    return (
        f"{at:%Y-%m-%d %H:%M}",
        kept["outcome"],
        kept["reason"],
        kept["by"],
        None if hours is None else f"{hours:.2f}",
        None if usd is None else f"{usd:,.2f}",
        kept.get("instance_type"),
    )
