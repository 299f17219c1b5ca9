"""What turns the endpoint off by itself, and what it may cost at worst: pure rules over one stage's choice."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import Final

from pilotlight.choice import Choice
from pilotlight.config_errors import ABSENT, Problem
from pilotlight.prices import usd_per_hour
from pilotlight.stage import LONGEST_HOURS, Promotion, Stage

HOURS_A_MONTH: Final = 730
_REACTION_HOURS: Final = Decimal("0.5")
"""From the moment a limit is passed to the end of billing: the meter's period, an alarm, ten minutes in which a pause
in the calls is waited for, a deletion."""
_FLEETS: Final[Mapping[Promotion, int]] = {"blue-green": 2, "replace": 1}
"""That may be billed meanwhile."""


def worst_month(usd_an_hour: Decimal, monthly_budget_usd: Decimal | None, promotion: Promotion) -> Decimal:
    """USD that the instances may cost in one month at most, whatever is called and woken."""
    always_on = usd_an_hour * HOURS_A_MONTH
    if monthly_budget_usd is None:
        return always_on
    return min(always_on, monthly_budget_usd + usd_an_hour * _FLEETS[promotion] * _REACTION_HOURS)


def problems(choice: Choice) -> Iterator[Problem]:
    """What the keys' own bounds do not see."""
    table = choice.table
    if table.idle_minutes is not None and table.warning_minutes >= table.idle_minutes:
        yield Problem(
            key=choice.key("warning_minutes"),
            value=table.warning_minutes,
            reason=f"the warning would come with or before the start of the {table.idle_minutes} idle minutes",
            allowed=f"less than idle_minutes, {table.idle_minutes}",
            fix=f"write, for example: warning_minutes = {max(5, table.idle_minutes // 6)}",
        )
    for number, schedule in enumerate(table.schedules):
        if schedule.on is None and schedule.off is None:
            yield Problem(
                key=choice.key(f"schedules[{number}]"),
                value=ABSENT,
                reason="this schedule neither turns on nor off",
                allowed="on, off, or both",
                fix='write, for example: off = "19:00"',
            )
        elif schedule.on == schedule.off:
            yield Problem(
                key=choice.key(f"schedules[{number}].off"),
                value=schedule.off,
                reason="it would be turned on and off at the same time",
                allowed="another time than on",
                fix='write, for example: off = "19:00"',
            )


def warnings(choice: Choice) -> Iterator[str]:
    """What each trigger that is switched off may cost, and what cuts a schedule short."""
    table = choice.table
    price = dearest(choice.instance_types, table.max_instances or table.instance_count)
    budget = None if table.monthly_budget_usd is None else Decimal(str(table.monthly_budget_usd))
    month = f"up to USD {worst_month(price, budget, table.promotion):,.0f} a month" if price else "an unknown price"
    always = f"USD {price * HOURS_A_MONTH:,.0f} a month" if price else "an unknown price"
    if table.idle_minutes is None:
        yield (
            f"{choice.key('idle_minutes')} = false: an endpoint that nobody calls stays on until its lifetime, its "
            f"budget or its schedule ends it, at {month}."
        )
    if table.lifetime_hours is None:
        yield (
            f"{choice.key('lifetime_hours')} = false: once lit it may run for {LONGEST_HOURS // 24} days, when the "
            f"hard stop deletes it, at {month}."
        )
    if table.monthly_budget_usd is None:
        yield f"{choice.key('monthly_budget_usd')} = false: nothing bounds a month but the price itself, {always}."
    yield from _cut_short(choice)


def _cut_short(choice: Choice) -> Iterator[str]:
    lifetime = choice.table.lifetime_hours
    for schedule in choice.table.schedules:
        if lifetime is None or schedule.on is None or schedule.off is None:
            continue
        minutes = (_minute(schedule.off) - _minute(schedule.on)) % (24 * 60)
        if minutes > lifetime * 60:
            yield (
                f"{choice.key('schedules')}: what is lit at {schedule.on} is ended by its lifetime of {lifetime} "
                f"hours, before {schedule.off}. Write lifetime_hours = {ceil(minutes / 60)} to have it until then."
            )


def _minute(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)


def worst_case(stage: Stage) -> str:
    """One sentence: the most that the instances may cost in a month with today's settings."""
    price = dearest(stage.instance_types, stage.most_instances)
    if price is None:
        return "What a month may cost at worst is not known, as a price is not."
    worst = worst_month(price, stage.auto_off.monthly_budget_usd, stage.promotion)
    bound = "its budget ends it" if worst < price * HOURS_A_MONTH else "always on"
    return f"At worst the endpoint costs USD {worst:,.2f} a month ({bound}), at USD {price:,.3f} an hour."


def dearest(instance_types: Sequence[str], instance_count: int) -> Decimal | None:
    """USD per hour of all instances, on the type of the list that costs most; None where one price is unknown."""
    prices = [usd_per_hour(name) for name in instance_types]
    known = [price for price in prices if price is not None]
    return max(known) * instance_count if known and len(known) == len(prices) else None
