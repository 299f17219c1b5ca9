"""A small model of CloudFormation and SageMaker, as far as the switch can tell: one stack, one endpoint, and a clock.

It fails as fate wants: a creation without capacity, a deletion that deletes nothing, a rollback that does not roll
back. What it does by its own rules (what takes an update, what a rollback needs) it does as AWS documents it.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from botocore.exceptions import ClientError

STACK, ENDPOINT = "Pilotlight-test-Endpoint", "pilotlight-test"
RESOURCE_TYPES = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")
FINGERPRINT = "0123456789abcdef"
FIRST_TYPE = "ml.g5.xlarge"
MINUTE = 60.0
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
PARAMETERS = {
    **dict.fromkeys(("EndpointState", "TurnOffAt", "DeleteAt", "ModelDataUrl", "InstanceType", "OverrideFor"), ""),
    "EndpointState": "off",
    "ModelDataCompression": "None",
}
START = 1_795_000_000.0


class Fate(Protocol):
    """Decides whether what may go wrong does, and how."""

    def __call__(self, what: str, good: str, /, *bad: str) -> str: ...


def kind(_what: str, good: str, /, *_bad: str) -> str:
    """The fate in which nothing goes wrong."""
    return good


class Fated:
    """Fate by a script: what happens to each kind of thing, in order; then all goes well."""

    def __init__(self, **script: list[str]) -> None:
        self.script = {name.replace("_", " "): happenings for name, happenings in script.items()}

    def __call__(self, what: str, good: str, /, *bad: str) -> str:
        coming = self.script.get(what.replace("-", " "), [])
        chosen = coming.pop(0) if coming else good
        assert chosen in (good, *bad)
        return chosen


def refuse(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class Endpoint:
    status: str
    created: float
    config: str
    instance_type: str


@dataclass
class World:
    """`ended` are the endpoints that were there: (created, gone, instance type). With `pools` a creation lands on
    `placed`, whatever type is first.
    """

    fate: Fate = kind
    now: float = START
    status: str | None = "CREATE_COMPLETE"
    updated: float | None = None  # when the last update began
    parameters: dict[str, str] = field(default_factory=lambda: dict(PARAMETERS))
    fingerprint: str = FINGERPRINT
    config: str = "Config-0"
    endpoint: Endpoint | None = None
    ended: list[tuple[float, float, str]] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    pools: tuple[str, ...] = ()
    placed: str = ""
    change_minutes: float = 8
    bake_minutes: float = 0
    going_back_minutes: float = 2
    clean_up_minutes: float = 9  # in which it tries in vain

    def __post_init__(self) -> None:
        self._timeline: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._configs = count(1)
        self._operation = 0
        self._changes = self._cancelled = False
        self._before = (dict(self.parameters), self.config)
        self.endpoint_resource = "CREATE_COMPLETE"

    # What anybody can see ------------------------------------------------------------------------------------------

    @property
    def says(self) -> str:
        return self.parameters["EndpointState"]

    @property
    def is_settled(self) -> bool:
        return self.status in SETTLED

    @property
    def is_off(self) -> bool:
        return self.endpoint is None and (self.status is None or (self.is_settled and self.says == "off"))

    @property
    def is_on(self) -> bool:
        endpoint = self.endpoint
        serves = endpoint is not None and endpoint.status == "InService" and endpoint.config == self.config
        return serves and self.is_settled and self.says == "on"

    def instance_type(self) -> str:
        if self.pools:
            return self.placed
        holds = self.parameters["OverrideFor"] == self.fingerprint
        return (self.parameters["InstanceType"] if holds else "") or FIRST_TYPE

    # Time ----------------------------------------------------------------------------------------------------------

    def advance(self, until: float) -> None:
        while self._timeline and self._timeline[0][0] <= until:
            due, _, happen = heapq.heappop(self._timeline)
            self.now = max(self.now, due)
            happen()
        self.now = max(self.now, until)

    def _later(self, minutes: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._timeline, (self.now + minutes * MINUTE, next(self._order), happen))

    def _then(self, minutes: float, happen: Callable[[], None]) -> None:
        """Later, unless the stack's operation was cancelled or overtaken by then."""
        operation = self._operation
        self._later(minutes, lambda: happen() if self._operation == operation else None)

    def break_stack(self, status: str | None) -> None:
        """None: it is deleted, and its endpoint was forgotten."""
        self._operation += 1
        self._changes = self._cancelled = False
        self.status = status

    def deploy_another(self, *, went_back: bool = False) -> None:
        """A deploy with another model in pilotlight.toml, from its start to its end, in no time. `went_back`: SageMaker
        serves the old config, and the stack holds the new one.
        """
        assert self.is_settled
        self.fingerprint, self.config = f"{self.fingerprint}-2", f"Config-{next(self._configs)}"
        if self.endpoint is not None and not went_back:
            self.endpoint.config = self.config

    # CloudFormation ------------------------------------------------------------------------------------------------

    def update_stack(self, parameters: Mapping[str, str]) -> None:
        self.calls.append("update")
        if self.status is None:
            raise refuse("ValidationError", f"Stack [{STACK}] does not exist", "UpdateStack")
        if not self.is_settled:
            raise refuse("ValidationError", f"Stack:{STACK} is in {self.status} state and can not be updated.", "U")
        if parameters["EndpointState"] == "on" and not (parameters["TurnOffAt"] and parameters["DeleteAt"]):
            raise refuse("ValidationError", "EndpointState on needs TurnOffAt", "UpdateStack")
        if self.fate("update", "accepted", "refused") == "refused":
            raise refuse("AccessDenied", "not authorized to perform: cloudformation:UpdateStack", "UpdateStack")
        if dict(parameters) == self.parameters:
            raise refuse("ValidationError", "No updates are to be performed.", "UpdateStack")
        self._begin("UPDATE_IN_PROGRESS")
        self.updated, self._before = self.now, (dict(self.parameters), self.config)
        was_on, before = self.says == "on", self._model()
        self.parameters = dict(parameters)
        if tuned := self._model()[0]:
            lies = "Gzip" if tuned.endswith(".tar.gz") else "None"
            assert lies == self.parameters.get("ModelDataCompression", "None"), "SageMaker cannot read this model"
        changed = before != self._model()
        if changed:
            self.config = f"Config-{next(self._configs)}"
        self._then(0.1, lambda: self._carry_out(was_on, changed))

    def _carry_out(self, was_on: bool, changed: bool) -> None:
        if self.says == "off":
            self._clean_up() if was_on else self._end("UPDATE_COMPLETE")
        elif not was_on:
            self._create()
        elif changed:
            self._change()
        else:
            self._end("UPDATE_COMPLETE")

    def cancel_update(self) -> None:
        self.calls.append("cancel")
        if self.status != "UPDATE_IN_PROGRESS":
            raise refuse("ValidationError", "CancelUpdateStack cannot be called from current stack status", "Cancel")
        if self._changes:
            self._cancelled = True  # SageMaker has no way to stop an update: it is undone when it is done
        else:
            self._roll_back("Resource creation cancelled")

    def continue_rollback(self, skip: list[str]) -> None:
        self.calls.append("continue")
        if self.status != "UPDATE_ROLLBACK_FAILED":
            raise refuse("ValidationError", "cannot be called from current stack status", "ContinueUpdateRollback")
        self._begin("UPDATE_ROLLBACK_IN_PROGRESS")
        self._then(1, lambda: self._rolled_back(skips=bool(skip)))

    def _model(self) -> tuple[str, str]:
        holds = self.parameters["OverrideFor"] == self.fingerprint
        return (self.parameters["ModelDataUrl"] if holds else "", self.instance_type())

    def _begin(self, status: str) -> None:
        self._operation += 1
        self._changes = self._cancelled = False
        self._end(status)

    def _end(self, status: str) -> None:
        self.status = status
        self._event("AWS::CloudFormation::Stack", status)

    def _event(self, resource: str, status: str, reason: str = "") -> None:
        event = {"ResourceType": resource, "ResourceStatus": status}
        self.events.insert(0, event | ({"ResourceStatusReason": reason} if reason else {}))

    def _fail(self, reason: str) -> None:
        self._event("AWS::SageMaker::Endpoint", "CREATE_FAILED", reason)
        self._roll_back("The following resource(s) failed: [Endpoint]")

    def _roll_back(self, reason: str) -> None:
        self._event("AWS::SageMaker::Schedule", "CREATE_FAILED", "Resource creation cancelled")
        self._begin("UPDATE_ROLLBACK_IN_PROGRESS")
        self.events[0]["ResourceStatusReason"] = reason
        self._then(2, self._rolled_back)

    def _rolled_back(self, *, skips: bool = False) -> None:
        if self._undoes():
            return
        parameters, config = self._before
        back_to_on = parameters["EndpointState"] == "on"
        lost = back_to_on and self.endpoint is None and config != self.config and not skips
        if lost or self.fate("rollback", "works", "fails") == "fails":
            self.endpoint_resource = "UPDATE_FAILED" if lost else "CREATE_COMPLETE"
            self._end("UPDATE_ROLLBACK_FAILED")
            return
        self.parameters, self.config = dict(parameters), config
        if back_to_on:
            if self.endpoint is not None and self.endpoint.status != "Deleting":
                self.endpoint.status, self.endpoint.config = "InService", config
            self._end("UPDATE_ROLLBACK_COMPLETE")
        else:
            self._end("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
            self._then(1, lambda: self._remove("UPDATE_ROLLBACK_COMPLETE"))

    def _undoes(self) -> bool:
        """Whether the endpoint has the new config already: its way back is an update as well, with its own bake."""
        endpoint, (parameters, config) = self.endpoint, self._before
        serves = endpoint is not None and endpoint.status == "InService" and parameters["EndpointState"] == "on"
        if endpoint is None or not serves or endpoint.config != self.config or config == self.config:
            return False
        endpoint.status = "Updating"
        self._then(self.change_minutes + self.bake_minutes, lambda: self._undone(endpoint, config))
        return True

    def _undone(self, endpoint: Endpoint, config: str) -> None:
        if endpoint.status != "Deleting":
            endpoint.status, endpoint.config = "InService", config
        self._rolled_back()

    def _clean_up(self) -> None:
        self._end("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._then(0.5, lambda: self._remove("UPDATE_COMPLETE"))

    def _remove(self, status: str) -> None:
        """What the clean-up does: it tries, and is done whatever came of it."""
        if self.endpoint is None:
            return self._end(status)
        how = self.fate("clean-up", "works", "survives", "hangs", "maintained")
        self._delete_as(how)
        self._then(3 if how == "works" else self.clean_up_minutes, lambda: self._end(status))

    # SageMaker -----------------------------------------------------------------------------------------------------

    def delete_endpoint(self) -> None:
        self.calls.append("delete")
        if self.endpoint is None:
            raise refuse("ValidationException", "Could not find endpoint", "DeleteEndpoint")
        how = self.fate("deletion", "works", "survives", "hangs", "refused")
        if how == "refused" or self.endpoint.status == "SystemUpdating":
            raise refuse("ValidationException", "Cannot delete an endpoint in this status", "DeleteEndpoint")
        self._delete_as(how)

    def delete_directly(self) -> None:
        """The hard stop, or a person: beside the stack, and it works."""
        if self.endpoint is not None and self.endpoint.status != "SystemUpdating":
            self._delete_as("works")

    def _delete_as(self, how: str) -> None:
        endpoint = self.endpoint
        if endpoint is None or endpoint.status == "Deleting" or how == "survives":
            return
        if how == "maintained":
            endpoint.status = "SystemUpdating"
            self._later(40, lambda: self._becomes(endpoint, "InService"))
        else:
            endpoint.status = "Deleting"
            self._later(2 if how == "works" else 3 * 60, lambda: self._gone(endpoint))

    def _becomes(self, endpoint: Endpoint, status: str) -> None:
        if endpoint.status != "Deleting":
            endpoint.status = status

    def _gone(self, endpoint: Endpoint) -> None:
        if self.endpoint is endpoint:
            self.ended.append((endpoint.created, self.now, endpoint.instance_type))
            self.endpoint = None

    def _create(self) -> None:
        if self.endpoint is not None:
            return self._fail("Cannot create already existing endpoint")
        how = self.fate("creation", "works", "no capacity", "no quota", "breaks", "hangs")
        if how == "no quota":
            return self._fail(f"The account-level service limit '{FIRST_TYPE} for endpoint usage' is 0 Instances")
        self.endpoint = Endpoint("Creating", self.now, self.config, self.instance_type())
        if how == "works":
            self._then(6, lambda: self._settle("InService", self.config))
        elif how == "hangs":
            self._then(160, lambda: self._fail("Exceeded attempts to wait"))
        else:
            self._then(4, lambda: self._break(how))
        return None

    def _break(self, how: str) -> None:
        if self.endpoint is not None and self.endpoint.status == "Creating":
            self.endpoint.status = "Failed"
        reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error"
        self._fail(reason if how == "no capacity" else "The primary container did not pass the ping health check")

    def _change(self) -> None:
        if self.endpoint is None:
            return self._fail("Could not find endpoint")
        how = self.fate("change", "works", "goes back", "breaks")
        self.endpoint.status, self._changes = "Updating", True
        old, minutes = self.endpoint.config, self.change_minutes
        if how == "breaks":
            self._then(minutes, lambda: self._fail("The primary container did not pass the ping health check"))
        elif how == "works":
            self._then(minutes + self.bake_minutes, lambda: self._settle("InService", self.config))
        else:
            self._then(minutes + self.bake_minutes, lambda: self._go_back(old))
        return None

    def _go_back(self, config: str) -> None:
        """SageMaker has seen enough of the new fleet."""
        if self.endpoint is not None:
            self._becomes(self.endpoint, "RollingBack")
        self._then(self.going_back_minutes, lambda: self._settle("InService", config))

    def _settle(self, status: str, config: str) -> None:
        """The endpoint gets there, and the stack sees it; somebody may have deleted it meanwhile."""
        if self.endpoint is None or self.endpoint.status == "Deleting":
            return self._fail("The endpoint was deleted")
        self.endpoint.status, self.endpoint.config = status, config
        if self._cancelled:
            return self._roll_back("Resource update cancelled")
        self._changes = False
        self._then(0.1, lambda: self._end("UPDATE_COMPLETE"))
        return None
