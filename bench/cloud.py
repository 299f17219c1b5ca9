"""CloudFormation and SageMaker as the life cycle meets them: one stack, one endpoint, minute by minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.facts import EndpointFacts, StackFacts, VariantFacts

EPOCH = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # minute 0: a Monday, as the schedules of the plans expect
INSTANCE_TYPE = "ml.g4dn.12xlarge"
VARIANT = VariantFacts(instance_type=INSTANCE_TYPE, initial_instance_count=1)
CONFIG = "config"
DELETING_MINUTES = 2
_OFF = {"EndpointState": "off", "TurnOffAt": "", "DeleteAt": ""}
_OVERRIDES = {"ModelDataUrl": "", "InstanceType": "", "OverrideFor": ""}


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
    """`turns` is the minute in which its present status ends, by being InService or gone."""

    created: int
    status: str
    turns: int


@dataclass
class Cloud:
    """`refuses` and `keeps` are faults: UpdateStack fails; a clean-up that ends well and leaves the endpoint behind."""

    wake_minutes: int
    refuses: bool = False
    keeps: bool = False
    status: str = "CREATE_COMPLETE"
    parameters: dict[str, str] = field(default_factory=lambda: {**_OFF, **_OVERRIDES})
    endpoint: Endpoint | None = None
    lives: list[tuple[int, int]] = field(default_factory=list)
    _before: dict[str, str] = field(default_factory=dict)

    @property
    def says_on(self) -> bool:
        return self.parameters["EndpointState"] == "on"

    @property
    def in_progress(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")

    @property
    def serves(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == "InService"

    @property
    def is_quiet(self) -> bool:
        """Nothing changes by itself."""
        return not self.in_progress and (self.endpoint is None or self.serves)

    def advance(self, now: int) -> None:
        """Everything that happens by itself until `now`."""
        endpoint = self.endpoint
        if endpoint is not None and now >= endpoint.turns:
            if endpoint.status == "Creating":
                endpoint.status = "InService"
            elif endpoint.status == "Deleting":
                self.lives.append((endpoint.created, endpoint.turns))
                self.endpoint = None
        match self.status:
            case "UPDATE_IN_PROGRESS" if self.endpoint is None or self.endpoint.status == "Deleting":
                self.status = "UPDATE_ROLLBACK_IN_PROGRESS"  # deleted under its creation
            case "UPDATE_IN_PROGRESS" if self.serves:
                self.status = "UPDATE_COMPLETE"
            case "UPDATE_ROLLBACK_IN_PROGRESS" if self.endpoint is None or self._before["EndpointState"] == "on":
                self.status, self.parameters = "UPDATE_ROLLBACK_COMPLETE", self._before
            case "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" if self.endpoint is None or self.endpoint.status != "Deleting":
                self.status = "UPDATE_COMPLETE"

    def update(self, changes: Mapping[str, str], now: int) -> None:
        """UpdateStack. Raises Refused."""
        if self.in_progress or self.refuses:
            raise Refused
        after = {**self.parameters, **changes}
        if after == self.parameters:
            return
        self._before, self.parameters = self.parameters, after
        if self.says_on:
            self.status = "UPDATE_IN_PROGRESS"
            self.endpoint = self.endpoint or Endpoint(now, "Creating", now + self.wake_minutes)
        else:
            self.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            if not self.keeps:
                self.delete(now)

    def cancel(self, now: int) -> None:
        """CancelUpdateStack: what it was creating goes."""
        if self.status == "UPDATE_IN_PROGRESS":
            self.status = "UPDATE_ROLLBACK_IN_PROGRESS"
            if self._before["EndpointState"] == "off":
                self.delete(now)

    def delete(self, now: int) -> None:
        """DeleteEndpoint."""
        if self.endpoint is not None and self.endpoint.status != "Deleting":
            self.endpoint.status, self.endpoint.turns = "Deleting", now + DELETING_MINUTES

    def stack_facts(self) -> StackFacts:
        return StackFacts(self.status, dict(self.parameters), outputs={"Fingerprint": "fingerprint"})

    def endpoint_facts(self) -> EndpointFacts | None:
        if self.endpoint is None:
            return None
        created = datetime.fromtimestamp(seconds(self.endpoint.created), UTC)
        return EndpointFacts(self.endpoint.status, created, CONFIG, 1, None)
