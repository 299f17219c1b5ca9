"""What a stage costs and has cost, from what the API reports, the ledger keeps and the configuration allows. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pilotlight.auto_off import dearest, worst_month
from pilotlight.stage import Stage

_REPORTED = (
    "state",
    "usd_per_hour",
    "cost_usd",
    "usd_this_month",
    "hours_this_month",
    "usd_saved_this_month",
    "budget_usd",
    "next_trigger",
    "attention",
)


def summary(report: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]], stage: Stage | None) -> dict[str, Any]:
    """`report` is the body of GET /endpoint, `receipts` the ledger's, the latest first. Amounts are USD.

    `worst_month_usd` is for the configured instances under the ceiling that holds this month; None where a price, or
    the configuration (`stage` is None), is not known.
    """
    return {
        **{name: report.get(name) for name in _REPORTED},
        "worst_month_usd": None if stage is None else _worst_month_usd(stage, report.get("budget_usd")),
        "receipts": list(receipts),
    }


def _worst_month_usd(stage: Stage, budget_usd: float | None) -> float | None:
    price = dearest(stage.instance_types, stage.most_instances)
    if price is None:
        return None
    budget = None if budget_usd is None else Decimal(str(budget_usd))
    return round(float(worst_month(price, budget, stage.promotion)), 2)
