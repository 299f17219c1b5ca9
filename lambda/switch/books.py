"""What outlives an execution: receipts, messages to a person, how long wakes take, who holds the lease."""

import json
from collections.abc import Mapping
from typing import Any

from switch import lease, receipt
from switch.clients import Clients
from switch.decision import Case, Outcome
from switch.gate import month_of
from switch.request import Request
from switch.settings import Settings

# A refusal has no end of its own (every caller of a wake may cause one), so it is told once in this time.
REFUSAL_SECONDS = 60 * 60
BUDGET_KEPT_SECONDS = 400 * 24 * 3600
WAKES_KEPT = 10


def close(clients: Clients, case: Case, outcome: Outcome, message: str) -> None:
    """Tell and write down what came of it. A step that dies in here is repeated: a person may be told twice, and never
    not at all.
    """
    told = receipt.receipt(case, outcome, message)
    if outcome in (Outcome.ON, Outcome.OFF, Outcome.FAILED):
        tell(clients, case.settings, told)
        keep(clients, told)
    if outcome is Outcome.REFUSED and _is_due(clients, case.now):
        tell(clients, case.settings, told)
        clients.ledger.put("switch", "refusal", {"at": case.now, "message": message})
    if outcome is Outcome.ON:
        clients.ledger.put("switch", "verified", {"at": case.now})
    if outcome is Outcome.ON and case.memory.ours and not case.memory.replacing:
        _learn(clients, case.since(case.memory.attempt_at))


def keep(clients: Clients, told: Mapping[str, Any]) -> None:
    clients.ledger.put("receipt", receipt.key(told), told)


def tell(clients: Clients, settings: Settings, told: Mapping[str, Any]) -> None:
    clients.sns.publish(
        TopicArn=settings.notices_topic_arn,
        Subject=receipt.subject(told, settings.stage),
        Message=receipt.body(told, settings.stage),
    )


def release(clients: Clients, execution: str, now: float) -> None:
    """Mark the lease as finished, if it still is this execution's."""
    held, version = clients.ledger.entry("switch", "lease")
    if held is not None and held.get("execution") == execution:
        clients.ledger.put_if("switch", "lease", lease.finished(held, now), version=version)


def set_budget(clients: Clients, request: Request, now: float) -> None:
    """The ceiling that the request brings, for this month only."""
    if request.budget_usd is not None:
        entry = {"usd": request.budget_usd}
        clients.ledger.put("budget", month_of(now), entry, expires_at=now + BUDGET_KEPT_SECONDS)


def await_meter(clients: Clients, case: Case) -> None:
    """Something is being lit: from now on the meter, if it never ticked, is waited for."""
    if case.facts.heard_at is None and case.facts.awaiting_meter_since is None:
        clients.ledger.put("switch", "awaiting-meter", {"since": case.now})


def watch(clients: Clients, settings: Settings) -> None:
    """Start an off that waits until the meter is heard, or has been silent for half an hour (see due). Two of them are
    one: the second joins.
    """
    asked = {"target": "off", "reason": "heartbeat", "by": "the switch, as the meter was not heard"}
    clients.stepfunctions.start_execution(stateMachineArn=settings.switch_arn, input=json.dumps(asked))


def _is_due(clients: Clients, now: float) -> bool:
    last = clients.ledger.get("switch", "refusal")
    return last is None or now - float(last.get("at", 0.0)) >= REFUSAL_SECONDS


def _learn(clients: Clients, seconds: float) -> None:
    known = (clients.ledger.get("wake", "estimate") or {}).get("seconds", [])
    clients.ledger.put("wake", "estimate", {"seconds": [*known, round(seconds, 1)][-WAKES_KEPT:]})
