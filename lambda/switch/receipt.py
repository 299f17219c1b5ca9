"""What a change did, cost, and what comes next: as an entry of the ledger, and as a message to a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common import next_trigger
from common.facts import iso, own_price, type_in_use
from common.next_trigger import Seen, Trigger

from switch import bill, gate
from switch.decision import Case, Outcome

Receipt = dict[str, Any]

MOST_SUBJECT = 99  # SNS takes fewer than 100 characters, in ASCII
_HEADLINES = {
    Outcome.ON: "the endpoint is on ({reason})",
    Outcome.OFF: "the endpoint is off ({reason})",
    Outcome.FAILED: "turning the endpoint {target} FAILED ({reason})",
    Outcome.REFUSED: "turning the endpoint on was refused ({reason})",
    Outcome.WAITING: "turning the endpoint {target} waits for its stack ({reason})",
}


def receipt(case: Case, outcome: Outcome, message: str) -> Receipt:
    """The entry receipt/TIME#target. `hours_on` and `usd` are of every endpoint that this execution saw, from its
    creation until it was seen to be gone (`gone_at`, of the last), or until now; None where none was seen, or no price
    is known. Neither `usd` nor `usd_per_hour` has the second fleet of an update (see bill).
    """
    facts, memory = case.facts, case.memory
    last = memory.bill[-1] if memory.bill else {}
    instance_type, price = last.get("instance_type"), last.get("usd_per_hour")
    if facts.endpoint is not None and facts.variant is not None:
        instance_type = type_in_use(facts.endpoint, facts.variant) or instance_type
        own = own_price(facts.endpoint, facts.variant, case.settings.usd_per_hour)
        price = price if own is None else own  # as the bill keeps one that was known
    return {
        "at": case.now,
        "target": case.request.target,
        "reason": case.request.reason,
        "by": case.request.by,
        "outcome": str(outcome),
        "hours_on": bill.hours(memory.bill),
        "usd": bill.usd(memory.bill),
        "gone_at": last.get("until") if last.get("gone") else None,
        "lives": bill.lives(memory.bill),
        "usd_per_hour": price,
        "instance_type": instance_type,
        "message": message,
        "next": trigger._asdict() if (trigger := _next_trigger(case, price)) else None,
    }


def key(receipt: Mapping[str, Any]) -> str:
    return f"{_iso(receipt['at'])}#{receipt['target']}"


def _next_trigger(case: Case, usd_per_hour: float | None) -> Trigger | None:
    """None where nobody knows (the stack could not be read), and where something that should be gone is there: the
    switch is started for it at every tick.
    """
    facts, limits = case.facts, case.settings.limits
    if facts.stack is None:
        return None
    if facts.endpoint is None:
        return None if facts.stack_says_on else next_trigger.turns_on(_seen(case, None), limits, case.now)
    if not facts.stack_says_on:
        return None
    return next_trigger.turns_off(_seen(case, usd_per_hour), limits, case.now)


def _seen(case: Case, usd_per_hour: float | None) -> Seen:
    facts, meter = case.facts, case.facts.meter
    created = facts.endpoint.created.timestamp() if facts.endpoint else None
    called = max((meter.last_call if meter else None) or 0.0, facts.last_call or 0.0)
    return Seen(
        created=created,
        used_at=next_trigger.used_at(created, meter.in_service_since if meter else None, called, case.now),
        snoozed_until=facts.snoozed_until or 0.0,
        ends=facts.stack.ends.timestamp() if facts.stack and facts.stack.ends else None,
        spent_usd=facts.meter.usd_this_month if facts.meter else None,
        ceiling_usd=gate.ceiling(case),
        usd_per_hour=usd_per_hour,
    )


def subject(receipt: Mapping[str, Any], stage: str) -> str:
    headline = _HEADLINES[Outcome(receipt["outcome"])].format(**receipt)
    words = " ".join(f"Pilotlight {stage}: {headline}".split())
    return "".join(letter if " " <= letter <= "~" else "?" for letter in words)[:MOST_SUBJECT]


def body(receipt: Mapping[str, Any], stage: str) -> str:
    """Plain sentences: what happened, why, what it cost, what to do."""
    lines = [
        receipt["message"],
        f"Asked for by {' '.join(receipt['by'].split())}, reason: {' '.join(receipt['reason'].split())}, "
        f"at {_iso(receipt['at'])}.",
        _cost(receipt),
        _next(receipt),
        f"See `pilot status --stage {stage}` and `pilot cost --stage {stage}`.",
    ]
    return "\n\n".join(line for line in lines if line)


def _cost(receipt: Mapping[str, Any]) -> str:
    hours, usd, price = receipt["hours_on"], receipt["usd"], receipt["usd_per_hour"]
    if hours is None:
        unspent = receipt["outcome"] in (Outcome.REFUSED, Outcome.WAITING)
        return "" if unspent else "No endpoint was seen, so this cost nothing."
    kind = f" on {receipt['instance_type']}" if receipt["instance_type"] else ""
    if usd is None:
        return (
            f"It existed for {hours:.2f} hours{kind}; what that cost is not known, as the type has no known price, and "
            "is not counted in the month's budget."
        )
    return f"It existed for {hours:.2f} hours{kind}, which cost USD {usd:.2f} at USD {price:.2f} an hour."


def _next(receipt: Mapping[str, Any]) -> str:
    if receipt["next"] is None:
        return "`pilot on` turns it on." if receipt["outcome"] == Outcome.OFF else ""
    return next_trigger.sentence(Trigger(**receipt["next"]))


def _iso(moment: float) -> str:
    return iso(datetime.fromtimestamp(moment, UTC))
