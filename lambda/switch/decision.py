"""The words in which a decision is made: what a step looks at, and what it can decide."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from common.facts import endpoint_price, type_in_use

from switch.changes import fingerprint_of
from switch.facts import Facts
from switch.memory import Memory
from switch.request import Request
from switch.settings import Settings

FIRST_POLL_SECONDS = 2
LAST_POLL_SECONDS = 60


class Outcome(StrEnum):
    ON = "on"
    OFF = "off"
    ALREADY_ON = "already on"
    ALREADY_OFF = "already off"
    JOINED = "joined"
    SUPERSEDED = "superseded"
    NOT_IDLE = "not idle any more"
    NOT_DUE = "not due any more"
    REFUSED = "refused"
    FAILED = "failed"
    WAITING = "waiting"  # none that an execution ends with: what a person is told meanwhile


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Update:
    """UpdateStack with the previous template and these parameters; every other keeps its value."""

    changes: Mapping[str, str]


@dataclass(frozen=True)
class Cancel:
    """CancelUpdateStack."""


@dataclass(frozen=True)
class Continue:
    """ContinueUpdateRollback. An endpoint that somebody deleted cannot be rolled back to: `skip_endpoint` then."""

    skip_endpoint: bool


@dataclass(frozen=True)
class Delete:
    """DeleteEndpoint, the one permitted call beside the stack."""


@dataclass(frozen=True)
class Tell:
    """The message, to a person who would else hear of nothing for long. It goes on."""


@dataclass(frozen=True)
class Finish:
    outcome: Outcome


Action = Wait | Update | Cancel | Continue | Delete | Tell | Finish


@dataclass(frozen=True)
class Decision:
    """`message` says to a person why."""

    action: Action
    memory: Memory
    message: str


@dataclass(frozen=True)
class Reached:
    """The endpoint is off."""


@dataclass(frozen=True)
class GaveUp:
    """It is not, or its stack is not in order, and the switch can do no more."""

    message: str


@dataclass(frozen=True)
class Case:
    """Everything that a decision is made of. `now` is in epoch seconds."""

    request: Request
    facts: Facts
    memory: Memory
    now: float
    settings: Settings

    def remember(self, **values: object) -> "Case":
        return replace(self, memory=replace(self.memory, **values))  # type: ignore[arg-type]

    def since(self, moment: float | None) -> float:
        """Seconds since `moment`; none where it has not been."""
        return 0.0 if moment is None else max(0.0, self.now - moment)

    def waiting(self, what: str) -> tuple["Case", float]:
        """The case that waits for `what`, and for how many seconds it has done so without a break."""
        if self.memory.waiting_for == what:
            return self, self.since(self.memory.waiting_since)
        return self.remember(waiting_for=what, waiting_since=self.now), 0.0

    @property
    def redeployed(self) -> bool:
        """Whether another model or instance type was deployed since this was asked for."""
        known, stack = self.memory.asked_for, self.facts.stack
        return known is not None and stack is not None and fingerprint_of(stack) != known

    @property
    def beside(self) -> bool:
        """Whether another model comes up beside the one that serves: two fleets for a while, as one update."""
        configured = "one" if self.settings.promotion == "replace" else "two"
        return (self.request.fleets or configured) == "two"

    @property
    def poll_seconds(self) -> int:
        """Look again soon at first, then once a minute, so that an execution's history stays short."""
        return int(min(FIRST_POLL_SECONDS + self.since(self.memory.started_at) / 20, LAST_POLL_SECONDS))

    def wait(self, message: str, at_most_seconds: float = LAST_POLL_SECONDS) -> Decision:
        return Decision(Wait(max(1, int(min(self.poll_seconds, at_most_seconds)))), self.memory, message)

    def act(self, action: Action, message: str, **values: object) -> Decision:
        """Do something that a receipt must tell."""
        return Decision(action, self.remember(changed=True, **values).memory, message)

    def update(self, changes: Mapping[str, str], message: str, **values: object) -> Decision:
        """UpdateStack; what was sent is remembered until the stack shows it."""
        return self.act(Update(changes), message, sent=dict(changes), sent_at=self.now, refused="", **values)

    def finish(self, outcome: Outcome, message: str) -> Decision:
        return Decision(Finish(outcome), self.memory, message)

    @property
    def running(self) -> str:
        """What serves and what that costs, as a sentence; empty while nobody knows."""
        endpoint, variant = self.facts.endpoint, self.facts.variant
        kind, price = type_in_use(endpoint, variant), endpoint_price(endpoint, variant, self.settings.usd_per_hour)
        if kind is None:
            return ""
        return f"It runs on {kind}, at {'an unknown price' if price is None else f'USD {price:.2f} an hour'}."

    @property
    def billed(self) -> str:
        """What costs money now, as a sentence."""
        endpoint = self.facts.endpoint
        if endpoint is None:
            return "There is no endpoint, so nothing is billed."
        return f"IT STILL COSTS MONEY: the endpoint {self.settings.endpoint_name} is {endpoint.status}."
