"""What follows from the readings: the memory is kept, the switch started while an off is due, the metrics published."""

import json
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from meter.gather import Clients
from meter.jobs import StepFunctionsClient
from meter.readings import Readings

NAMESPACE = "Pilotlight"


def start_switch(client: StepFunctionsClient, switch_arn: str, reason: str, now: float) -> None:
    """Start an off. The minute is part of its name, so a repeated tick starts nothing twice."""
    minute = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M")
    try:
        client.start_execution(
            stateMachineArn=switch_arn,
            name=f"off-{reason}-{minute}",
            input=json.dumps({"target": "off", "reason": reason, "by": "meter"}),
        )
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionAlreadyExists":
            raise


def publish(clients: Clients, *, stage: str, readings: Readings, alive: bool, now: float) -> None:
    """One request with every reading that could be told. No heartbeat where something failed: that must be seen."""
    values = {
        "IdleMinutes": readings.idle_minutes,
        "MinutesOn": readings.minutes_on,
        "DollarsThisMonth": readings.dollars_this_month,
        "Mismatch": float(readings.mismatch or readings.overdue),
        "Heartbeat": 1.0 if alive else None,
    }
    clients.cloudwatch.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "Stage", "Value": stage}],
                "Timestamp": datetime.fromtimestamp(now, UTC),
                "Value": value,
            }
            for name, value in values.items()
            if value is not None
        ],
    )
