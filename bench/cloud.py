"""CloudFormation and SageMaker as the life cycle meets them: one stack, one endpoint, minute by minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.facts import EndpointFacts, Fleet, StackFacts, VariantFacts

from bench.plan import BREAKS, CAPACITY, STUCK

EPOCH = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # minute 0: a Monday, as the schedules of the plans expect
INSTANCE_TYPE = "ml.g4dn.12xlarge"
VARIANT = VariantFacts(instance_type=INSTANCE_TYPE, initial_instance_count=1)
CONFIG = "config"
DELETING_MINUTES = 2
FAILING_MINUTES = 4
UPDATE_MINUTES = 8 + 10  # the second fleet comes up, and the first one stands by while it bakes
BACK_MINUTES = 4
GIVES_UP_MINUTES = 160  # CloudFormation, on an endpoint that is Creating
_CANCELLED = "its creation was cancelled"
_FAILURES = {
    CAPACITY: "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error",
    BREAKS: "The primary container did not pass the ping health check",
}
_OFF = {"EndpointState": "off", "TurnOffAt": "", "DeleteAt": ""}
_OVERRIDES = {"ModelDataUrl": "", "ModelDataCompression": "None", "InstanceType": "", "OverrideFor": ""}
_MOVING = ("Deleting", "RollingBack")
_UPDATES = ("Updating", "RollingBack")  # in which the first fleet, or the second, serves


class Refused(Exception):
    """The stack takes no update now."""


def seconds(minute: float) -> float:
    """Epoch seconds of a minute of the simulation."""
    return EPOCH + 60 * minute


def minute_of(utc: str) -> int | None:
    """The minute that `TurnOffAt` or `DeleteAt` falls in; None where it is empty."""
    return int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp() - EPOCH) // 60 if utc else None


@dataclass
class Endpoint:
    """`turns` is the minute in which its present status ends, by being InService, gone, or Failed for what `fails`
    says. `updated` is the one in which an update began that is not over.
    """

    created: int
    status: str
    turns: int
    fails: str = ""
    updated: int | None = None


@dataclass
class Cloud:
    """An update to another model bakes, as a promotion's or a deploy's does; `updates` are those that are over: (since
    when two fleets were there, until when). `refuses`, `keeps` and `creation` are faults: UpdateStack fails; a clean-up
    that ends well and leaves the endpoint behind, after `clean_up_minutes` of tries; what becomes of a creation
    (CAPACITY, BREAKS, STUCK). `failure` is why an update was rolled back.
    """

    wake_minutes: int
    clean_up_minutes: int = 0
    refuses: bool = False
    keeps: bool = False
    creation: str = ""
    failure: str | None = None
    status: str = "CREATE_COMPLETE"
    parameters: dict[str, str] = field(default_factory=lambda: {**_OFF, **_OVERRIDES})
    endpoint: Endpoint | None = None
    lives: list[tuple[int, int]] = field(default_factory=list)
    updates: list[tuple[int, int]] = field(default_factory=list)
    _before: dict[str, str] = field(default_factory=dict)
    _tries_until: int = 0
    _updated: int = 0

    @property
    def says_on(self) -> bool:
        return self.parameters["EndpointState"] == "on"

    @property
    def in_progress(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")

    @property
    def serves(self) -> bool:
        return self.endpoint is not None and self.endpoint.status in ("InService", *_UPDATES)

    @property
    def is_quiet(self) -> bool:
        """Nothing changes by itself."""
        return not self.in_progress and (self.endpoint is None or self.endpoint.status == "InService")

    def advance(self, now: int) -> None:
        """Everything that happens by itself until `now`."""
        endpoint = self.endpoint
        if endpoint is not None and now >= endpoint.turns:
            if endpoint.status == "Creating" and self.creation != STUCK:
                endpoint.status = "Failed" if endpoint.fails else "InService"
            elif endpoint.status in _UPDATES:
                endpoint.status = "InService"
                self._one_fleet(endpoint)
            elif endpoint.status == "Deleting":
                self.lives.append((endpoint.created, endpoint.turns))
                self._one_fleet(endpoint)
                self.endpoint = None
        match self.status:
            case "UPDATE_IN_PROGRESS":
                self._create_on(now)
            case "UPDATE_ROLLBACK_IN_PROGRESS" if self.endpoint is None or self.endpoint.status not in _MOVING:
                self.status, self.parameters = "UPDATE_ROLLBACK_COMPLETE", self._before
            case "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" if self._has_cleaned_up(now):
                self.status = "UPDATE_COMPLETE"

    def update(self, changes: Mapping[str, str], now: int) -> None:
        """UpdateStack. Raises Refused."""
        if self.in_progress or self.refuses:
            raise Refused
        after = {**self.parameters, **changes}
        if after == self.parameters:
            return
        self._before, self.parameters, self._updated = self.parameters, after, now
        if self.says_on:
            self.status, self.failure = "UPDATE_IN_PROGRESS", None
            self.endpoint = self.endpoint or self._created(now)
            if self.endpoint.status == "InService" and any(after[name] != self._before[name] for name in _OVERRIDES):
                self.endpoint.status, self.endpoint.turns, self.endpoint.updated = "Updating", now + UPDATE_MINUTES, now
        else:
            self.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            self._tries_until = now + self.clean_up_minutes
            if not self.keeps:
                self.delete(now)

    def cancel(self, now: int) -> None:
        """CancelUpdateStack: what it was creating goes."""
        if self.status == "UPDATE_IN_PROGRESS":
            self._roll_back(now, _CANCELLED)

    def delete(self, now: int) -> None:
        """DeleteEndpoint."""
        if self.endpoint is not None and self.endpoint.status != "Deleting":
            self.endpoint.status, self.endpoint.turns = "Deleting", now + DELETING_MINUTES

    def _has_cleaned_up(self, now: int) -> bool:
        """The endpoint is gone, or the tries are over that left it behind."""
        return self.endpoint is None or (self.endpoint.status != "Deleting" and now >= self._tries_until)

    def _created(self, now: int) -> Endpoint:
        fails = _FAILURES.get(self.creation, "")
        return Endpoint(now, "Creating", now + (FAILING_MINUTES if fails else self.wake_minutes), fails)

    def _create_on(self, now: int) -> None:
        endpoint = self.endpoint
        if endpoint is None or endpoint.status == "Deleting":
            self._roll_back(now, _CANCELLED)  # deleted under its creation
        elif endpoint.status == "InService":
            self.status = "UPDATE_COMPLETE"
        elif endpoint.status == "Updating":
            return
        elif endpoint.status == "Failed":
            self._roll_back(now, endpoint.fails)
        elif now >= endpoint.created + GIVES_UP_MINUTES:
            self._roll_back(now, "Exceeded attempts to wait")

    def _roll_back(self, now: int, why: str) -> None:
        """What it was creating goes, unless the clean-up leaves it behind."""
        self.status, self.failure = "UPDATE_ROLLBACK_IN_PROGRESS", why
        if self._before["EndpointState"] == "off" and not self.keeps:
            self.delete(now)
        elif self.endpoint is not None and self.endpoint.status == "Updating":
            self.endpoint.status, self.endpoint.turns = "RollingBack", now + BACK_MINUTES

    def _one_fleet(self, endpoint: Endpoint) -> None:
        if endpoint.updated is not None:
            self.updates.append((endpoint.updated, endpoint.turns))
            endpoint.updated = None

    def stack_facts(self) -> StackFacts:
        updated = datetime.fromtimestamp(seconds(self._updated), UTC)
        return StackFacts(self.status, dict(self.parameters), outputs={"Fingerprint": "fingerprint"}, updated=updated)

    def endpoint_facts(self) -> EndpointFacts | None:
        if self.endpoint is None:
            return None
        created = datetime.fromtimestamp(seconds(self.endpoint.created), UTC)
        second = Fleet(1, CONFIG, (INSTANCE_TYPE,)) if self.endpoint.status in _UPDATES else None
        return EndpointFacts(self.endpoint.status, created, CONFIG, 1, None, second=second)
