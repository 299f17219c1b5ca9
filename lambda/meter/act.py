"""What follows from the readings: the memory is kept, the switch started while an off is due, the metrics published."""

from datetime import UTC, datetime

from common import metrics
from common.executions import Starter, start_once

from meter.gather import Clients
from meter.readings import Readings


def start_switch(client: Starter, switch_arn: str, reason: str, now: float) -> None:
    """Start an off. The minute is part of its name, so a repeated tick starts nothing twice."""
    minute = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M")
    start_once(client, switch_arn, f"off-{reason}-{minute}", {"target": "off", "reason": reason, "by": "meter"})


def publish(clients: Clients, *, stage: str, readings: Readings, alive: bool, now: float) -> None:
    """One request with every reading that could be told. No heartbeat where something failed: that must be seen."""
    values = {
        "IdleMinutes": readings.idle_minutes,
        "MinutesOn": readings.minutes_on,
        "DollarsThisMonth": readings.dollars_this_month,
        "Mismatch": float(readings.mismatch or readings.overdue),
        "Heartbeat": 1.0 if alive else None,
    }
    metrics.put(clients.cloudwatch, {"Stage": stage}, values, now)
