"""Turn the endpoint on and off, through its stack: an UpdateStack with the previous template, and nothing else.

CloudFormation is the only truth, but SageMaker is the witness: a removed resource is deleted in the clean-up phase,
which reports success whatever happened, so "off" means that DescribeEndpoint finds nothing, and "on" that it says
InService on the stack's config.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError

from pilotlight.deployment import Deployment

State = Literal["on", "off"]

POLL_SECONDS = 1.0
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


class SwitchError(Exception):
    """The endpoint is not in the state asked for; the message says in which it is and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What a switch did. `changed` is False where the endpoint was in that state already: then nothing was sent."""

    state: State
    changed: bool
    seconds: float


def parameters(current: list[dict[str, str]], changes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every parameter of the stack: those of `changes` with their new value, the others with their previous one.

    One that is not sent falls back to its default, which would silently undo an override.
    """
    names = [parameter["ParameterKey"] for parameter in current]
    if unknown := changes.keys() - set(names):
        raise SwitchError(
            f"The stack has no parameter {sorted(unknown)[0]}; it has {', '.join(names)}. Deploy it again."
        )
    return [
        {"ParameterKey": name, "ParameterValue": changes[name]}
        if name in changes
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in names
    ]


def changes_for(state: State, *, now: datetime, lifetime_hours: float) -> dict[str, str]:
    """The parameters that say `state`. Nothing is lit without an end that is stated; `off` forgets it."""
    if state == "off":
        return {"EndpointState": "off", "TurnOffAt": ""}
    end = now.astimezone(UTC) + timedelta(hours=lifetime_hours)
    return {"EndpointState": "on", "TurnOffAt": end.strftime("%Y-%m-%dT%H:%M:%S")}


@dataclass(frozen=True)
class Switch:
    """Performs one change and waits for it. `report` hears a short phrase at every poll."""

    deployment: Deployment
    report: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def turn(self, state: State, *, now: datetime, lifetime_hours: float, extend: bool = False) -> Outcome:
        """Bring the endpoint to `state`; SwitchError where it did not get there.

        One that is on already keeps its end, unless `extend` asks for a new one.
        """
        begun = self.monotonic()
        stack = self._settled_stack()
        stated = _parameter(stack, "EndpointState")
        there = stated == state and self._witness() == state
        already = there and not extend
        if not already:
            if state == stated == "on" and not there:
                # Somebody deleted the endpoint beside the stack, which would see nothing to update.
                self._update(stack, changes_for("off", now=now, lifetime_hours=0))
                stack = self._settled_stack()
            self._update(stack, changes_for(state, now=now, lifetime_hours=lifetime_hours))
            self._verify(state, self._settled_stack())
        return Outcome(state, changed=not already, seconds=self.monotonic() - begun)

    def _settled_stack(self) -> dict[str, Any]:
        """The stack once no operation runs on it."""
        while (stack := self.deployment.describe_stack("Endpoint"))["StackStatus"].endswith("_IN_PROGRESS"):
            endpoint = self._endpoint()
            status = f"endpoint {endpoint['EndpointStatus']}" if endpoint else "no endpoint"
            self.report(f"stack {stack['StackStatus']}, {status}")
            self.sleep(POLL_SECONDS)
        return stack

    def _update(self, stack: dict[str, Any], changes: Mapping[str, str]) -> None:
        if stack["StackStatus"] not in _SETTLED:
            raise SwitchError(
                f"The stack {stack['StackName']} is in {stack['StackStatus']} and takes no update. "
                f"Look at its events in CloudFormation, repair it there, then try again."
            )
        try:
            self.deployment.client("cloudformation").update_stack(
                StackName=stack["StackName"],
                UsePreviousTemplate=True,
                Parameters=parameters(stack["Parameters"], changes),
            )
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise SwitchError(f"CloudFormation refused the update: {error}") from error

    def _verify(self, state: State, stack: dict[str, Any]) -> None:
        endpoint = self._endpoint()
        stated = _parameter(stack, "EndpointState")
        if stated == state and self._witness() == state:
            return
        if stated != state and stack["StackStatus"] == "UPDATE_COMPLETE":
            raise SwitchError(
                f"Another change overtook this one: the stack now says {stated}. `pilot status` tells more."
            )
        seen = endpoint["EndpointStatus"] if endpoint else "absent"
        reason = (endpoint or {}).get("FailureReason") or self._failure_event(stack["StackName"])
        advice = (
            "It costs nothing now: `pilot on` tries again."
            if endpoint is None
            else "IT STILL COSTS MONEY: try `pilot off` again, and look at it in the SageMaker console."
        )
        raise SwitchError(
            f"The endpoint was to be {state} but is {seen}; the stack is in {stack['StackStatus']}. "
            f"Reason: {reason}. {advice}"
        )

    def _witness(self) -> State | None:
        """What SageMaker says: on, off, or neither. After a rolled-back update it is InService, but on the old
        config.
        """
        endpoint = self._endpoint()
        if endpoint is None:
            return "off"
        # A config's physical id is its ARN, which is in lower case.
        config = str(endpoint["EndpointConfigName"]).lower()
        return "on" if endpoint["EndpointStatus"] == "InService" and self._config_arn().endswith(f"/{config}") else None

    def _config_arn(self) -> str:
        resources = self.deployment.client("cloudformation").describe_stack_resources(
            StackName=self.deployment.endpoint_stack
        )["StackResources"]
        kind = "AWS::SageMaker::EndpointConfig"
        return next((str(r["PhysicalResourceId"]) for r in resources if r["ResourceType"] == kind), "")

    def _endpoint(self) -> dict[str, Any] | None:
        try:
            name = self.deployment.endpoint_name
            found: dict[str, Any] = self.deployment.client("sagemaker").describe_endpoint(EndpointName=name)
        except ClientError as error:
            if "Could not find" not in str(error):
                raise
            return None
        return found

    def _failure_event(self, stack: str) -> str:
        events = self.deployment.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        reasons = (event.get("ResourceStatusReason") for event in events if event["ResourceStatus"].endswith("FAILED"))
        return next((reason for reason in reasons if reason), "none was given")


def _parameter(stack: dict[str, Any], name: str) -> str | None:
    return next((p["ParameterValue"] for p in stack.get("Parameters", []) if p["ParameterKey"] == name), None)
