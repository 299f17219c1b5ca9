"""Ask the switch for a change and wait for it: the same state machine that every other trigger starts."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from botocore.exceptions import ClientError

from pilotlight.deployment import Deployment

State = Literal["on", "off"]

POLL_SECONDS = 0.5


def wake_estimate(past: Sequence[float], *, otherwise: float) -> float:
    """Seconds that lighting takes: the median of past wakes (ledger wake/estimate), else the catalog's guess."""
    return max(1.0, median(past)) if past else otherwise


class SwitchError(Exception):
    """The endpoint is not in the state asked for; the message says in which it is and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What a switch did. `changed` is False where the endpoint was in that state already: then nothing was sent."""

    state: State
    changed: bool
    seconds: float
    message: str


@dataclass(frozen=True)
class Switch:
    """Starts one execution and follows it. `report` hears a short phrase at every poll."""

    deployment: Deployment
    report: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def turn(
        self, state: State, *, by: str = "pilot", hours: float | None = None, budget_usd: float | None = None
    ) -> Outcome:
        """Bring the endpoint to `state`; SwitchError where it did not get there.

        `hours` sets a new end, also for an endpoint that is on; `budget_usd` a new ceiling for this month.
        """
        begun = self.monotonic()
        request: dict[str, object] = {"target": state, "reason": "manual", "by": by}
        if hours is not None:
            request |= {"lifetime_hours": hours, "extend": True}
        if budget_usd is not None:
            request["budget_usd"] = budget_usd
        states = self.deployment.client("stepfunctions")
        started = states.start_execution(
            stateMachineArn=self.deployment.switch_arn,
            name=f"{state}-manual-{uuid.uuid4().hex[:12]}",
            input=json.dumps(request),
        )
        result = self._follow(states, started["executionArn"])
        while result["outcome"] == "joined":  # somebody else's execution does it already
            result = self._follow(states, self.deployment.ledger_entry("switch", "lease")["execution"])
        if result["outcome"] not in (state, f"already {state}"):
            raise SwitchError(result["message"])
        return Outcome(state, result["outcome"] == state, self.monotonic() - begun, result["message"])

    def _follow(self, states: Any, execution: str) -> dict[str, Any]:
        """What the last step of an execution said."""
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            self.report(self._phrase())
            self.sleep(POLL_SECONDS)
        if found["status"] == "SUCCEEDED":
            output: dict[str, Any] = json.loads(found["output"])
            return output
        if found.get("error") == "SwitchFailed":
            raise SwitchError(json.loads(found["cause"])["message"])
        raise SwitchError(
            f"The switch ended {found['status']} without a word. The log group of the function Switch in the stack "
            f"{self.deployment.stack_name('Control')} has the details; `pilot status` tells what is billed now."
        )

    def _phrase(self) -> str:
        status = self.deployment.describe_stack("Endpoint")["StackStatus"]
        endpoint = self.endpoint_status()
        return f"stack {status}, {f'endpoint {endpoint}' if endpoint else 'no endpoint'}"

    def endpoint_status(self) -> str | None:
        """SageMaker's word for it; None where there is no endpoint."""
        try:
            name = self.deployment.endpoint_name
            status: str = self.deployment.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"]
        except ClientError as error:
            if "Could not find" not in str(error):
                raise
            return None
        return status
