"""What one step of the switch sees: plain values."""

from dataclasses import dataclass
from enum import Enum

from common.facts import EndpointFacts, StackFacts, VariantFacts


class Phase(Enum):
    """What can be done with the stack."""

    ABSENT = "absent"
    SETTLED = "settled"  # takes an update
    UPDATING = "updating"  # the one status in which an update can be cancelled
    BUSY = "busy"
    ROLLBACK_FAILED = "rollback failed"  # its rollback can be continued
    BROKEN = "broken"  # takes nothing that the switch may do


_PHASES = {
    "CREATE_COMPLETE": Phase.SETTLED,
    "UPDATE_COMPLETE": Phase.SETTLED,
    "UPDATE_ROLLBACK_COMPLETE": Phase.SETTLED,
    "IMPORT_COMPLETE": Phase.SETTLED,
    "IMPORT_ROLLBACK_COMPLETE": Phase.SETTLED,
    "UPDATE_IN_PROGRESS": Phase.UPDATING,
    "UPDATE_ROLLBACK_FAILED": Phase.ROLLBACK_FAILED,
    "REVIEW_IN_PROGRESS": Phase.BROKEN,  # a change set that nobody executed: nothing is in progress
    "DELETE_COMPLETE": Phase.ABSENT,
}

_FORWARD = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


@dataclass(frozen=True)
class Meter:
    """From the meter's own entry in the ledger. `heard_at` is its last tick in which nothing failed: one that cannot
    read the calls sees no idle endpoint. `usd_this_month` is of the present month.
    """

    heard_at: float | None
    usd_this_month: float
    in_service_since: float | None
    last_call: float | None


@dataclass(frozen=True)
class Facts:
    """Times are epoch seconds; None is what does not exist, or was not needed this time.

    `expected_config` is the name of the config that the stack holds, in lower case. `failure` is why the stack's
    last operation failed. `last_call` is the end of the last minute with a call. `awaiting_meter_since` is the first
    time that an endpoint was lit before the meter was ever heard.
    """

    stack: StackFacts | None
    endpoint: EndpointFacts | None
    variant: VariantFacts | None = None
    expected_config: str | None = None
    failure: str | None = None
    meter: Meter | None = None
    awaiting_meter_since: float | None = None
    budget_usd: float | None = None
    snoozed_until: float | None = None
    last_call: float | None = None

    @property
    def heard_at(self) -> float | None:
        """When the meter was heard last; None where it never was."""
        return self.meter.heard_at if self.meter else None

    @property
    def phase(self) -> Phase:
        if self.stack is None:
            return Phase.ABSENT
        known = _PHASES.get(self.stack.status)
        return known or (Phase.BUSY if self.stack.in_progress else Phase.BROKEN)

    @property
    def stack_says_on(self) -> bool:
        return self.stack is not None and self.stack.endpoint_state == "on"

    @property
    def turning_on(self) -> bool:
        """Whether CloudFormation works on a stack that says on; a rollback is on its way back."""
        return self.stack_says_on and self.stack is not None and self.stack.status in _FORWARD

    @property
    def in_service(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == "InService"

    @property
    def is_off(self) -> bool:
        """As the stack says and as SageMaker says, with nothing under way; no stack says off, too."""
        settled_off = self.phase is Phase.SETTLED and not self.stack_says_on
        return self.endpoint is None and (settled_off or self.phase is Phase.ABSENT)
