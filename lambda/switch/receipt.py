"""What a change did, cost, and what comes next: as an entry of the ledger, and as a message to a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.facts import endpoint_price, iso, type_in_use

from switch import bill
from switch.changes import AFTER_LIFETIME_SECONDS
from switch.decision import Case, Outcome

Receipt = dict[str, Any]

MOST_SUBJECT = 99  # SNS takes fewer than 100 characters, in ASCII
_HEADLINES = {
    Outcome.ON: "the endpoint is on ({reason})",
    Outcome.OFF: "the endpoint is off ({reason})",
    Outcome.FAILED: "turning the endpoint {target} FAILED ({reason})",
    Outcome.REFUSED: "turning the endpoint on was refused ({reason})",
}


def receipt(case: Case, outcome: Outcome, message: str) -> Receipt:
    """The entry receipt/TIME#target. `hours_on` and `usd` are of every endpoint that this execution saw, from its
    creation until it was seen to be gone (`gone_at`, of the last), or until now; None where none was seen, or no price
    is known.
    """
    facts, memory = case.facts, case.memory
    last = memory.bill[-1] if memory.bill else {}
    instance_type, price = last.get("instance_type"), last.get("usd_per_hour")
    if facts.endpoint is not None and facts.variant is not None:
        instance_type = type_in_use(facts.endpoint, facts.variant) or instance_type
        price = endpoint_price(facts.endpoint, facts.variant, case.settings.usd_per_hour)
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
        "next": next_trigger(case),
    }


def key(receipt: Mapping[str, Any]) -> str:
    return f"{_iso(receipt['at'])}#{receipt['target']}"


def next_trigger(case: Case) -> dict[str, Any] | None:
    """What turns it off next, and when (epoch seconds) if nobody calls; None while nothing is there to turn off."""
    facts, settings = case.facts, case.settings
    if facts.endpoint is None or facts.stack is None or not facts.stack.turn_off_at:
        return None
    hard_stop = datetime.fromisoformat(facts.stack.turn_off_at).replace(tzinfo=UTC).timestamp()
    coming = {"hard_stop": hard_stop}
    if settings.lifetime_hours is not None:
        coming["lifetime"] = hard_stop - AFTER_LIFETIME_SECONDS
    if settings.idle_minutes is not None:
        coming["idle"] = max(case.now + settings.idle_minutes * 60, facts.snoozed_until or 0.0)
    by = min(coming, key=lambda name: coming[name])
    return {"by": by, "at": coming[by]}


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
        return "" if receipt["outcome"] == Outcome.REFUSED else "No endpoint was seen, so this cost nothing."
    kind = f" on {receipt['instance_type']}" if receipt["instance_type"] else ""
    if usd is None:
        return f"It existed for {hours:.2f} hours{kind}; what that cost is not known, as the type has no known price."
    return f"It existed for {hours:.2f} hours{kind}, which cost USD {usd:.2f} at USD {price:.2f} an hour."


def _next(receipt: Mapping[str, Any]) -> str:
    if receipt["next"] is None:
        return "`pilot on` turns it on." if receipt["outcome"] == Outcome.OFF else ""
    by, at = receipt["next"]["by"], _iso(receipt["next"]["at"])
    condition = " if nobody calls it" if by == "idle" else ""
    return f"It is turned off next by {by.replace('_', ' ')}, at {at}{condition}; `pilot off` does before."


def _iso(moment: float) -> str:
    return iso(datetime.fromtimestamp(moment, UTC))
