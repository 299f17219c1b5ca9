"""When nothing may be lit: the month's money is spent, or nobody would count what is; and when nobody does."""

from datetime import UTC, datetime

from switch.decision import Case

METER_SILENCE_SECONDS = 10 * 60  # two ticks


def refusal(case: Case) -> str | None:
    """Why an endpoint may not be lit now, with what to do; None where it may."""
    return _over_budget(case) or _unmetered(case)


def is_unwatched(case: Case) -> bool:
    """Whether an `on` ends with something there that no meter counts. The alarm on the meter's silence may not tell:
    it acts once, and with a meter that never ticked it did so when there was nothing to turn off yet.
    """
    there = case.facts.endpoint is not None or case.facts.stack_says_on
    return case.request.target == "on" and there and not _is_heard(case)


def ceiling(case: Case) -> float | None:
    """This month's: one that was given with an `on` comes before the configured one; None: there is none."""
    own = case.facts.budget_usd
    return case.settings.monthly_budget_usd if own is None else own


def month_of(moment: float) -> str:
    """The month in UTC, as AWS bills: `2026-11`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def _over_budget(case: Case) -> str | None:
    limit = ceiling(case)
    spent = case.facts.meter.usd_this_month if case.facts.meter else 0.0
    if limit is None or spent < limit:
        return None
    given = case.facts.budget_usd is not None
    every = "for every month after this one" if given else "for every month"
    return (
        f"USD {spent:.2f} of the month's USD {limit:.2f} are spent ({month_of(case.now)}, UTC), so nothing is lit. "
        f"{'That ceiling was given with an `on`, and comes before the configured one until the month ends. ' * given}"
        f"A higher ceiling for this month only: `pilot on --budget-usd {spent * 1.5 + 1:.0f}`; {every}: "
        "monthly_budget_usd in pilotlight.toml."
    )


def _is_heard(case: Case) -> bool:
    heard_at = case.facts.heard_at
    return heard_at is not None and case.since(heard_at) <= METER_SILENCE_SECONDS


def _unmetered(case: Case) -> str | None:
    """A new deployment has never been metered, and its first tick comes within five minutes: it may be lit once.

    What was lit so is turned off again if there is no tick within half an hour (see is_unwatched), and if there still
    is none when the next one asks, the meter is broken.
    """
    heard_at = case.facts.heard_at
    since = case.facts.awaiting_meter_since if heard_at is None else heard_at
    if since is None or case.since(since) <= METER_SILENCE_SECONDS:
        return None
    silence = f"{case.since(since) / 60:.0f} minutes"
    said = f"never ticked, and was waited for {silence} ago" if heard_at is None else f"was silent for {silence}"
    return (
        f"The meter {said}, or every tick failed at something; it should tick every 5 minutes. Without it nobody would "
        "see an idle endpoint or count its dollars, so nothing is lit. Look at the log of the meter's Lambda; after a "
        "tick that works, try again."
    )
