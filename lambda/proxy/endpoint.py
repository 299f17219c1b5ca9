"""What state the endpoint is in, what it has cost and what it means for a caller: pure functions of facts.

SageMaker is believed over the stack: the stack's parameters say what is meant to be, and only while it is
being updated do they add to what is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from common.facts import (
    EndpointFacts,
    StackFacts,
    VariantFacts,
    endpoint_price,
    instance_count,
    iso,
    month_usd,
    own_price,
    type_in_use,
)

from proxy.errors import EndpointFailed, EndpointOff, EndpointUnavailable, EndpointWaking
from proxy.next_trigger import Remembered, seen, told
from proxy.settings import Limits

_PRIVATE = re.compile(r"\b(arn:|s3://)[^\s,;]*[^\s,;.]|\b\d{12}\b[^\s,;]*")
MIN_RETRY_AFTER_SECONDS = 10  # for an endpoint that takes longer than the estimate


class State(StrEnum):
    OFF = "off"
    WAKING = "waking"
    ON = "on"
    UPDATING = "updating"
    TURNING_OFF = "turning_off"
    FAILED = "failed"


_STATES: Mapping[str, State] = {
    "Creating": State.WAKING,
    "InService": State.ON,
    "Updating": State.UPDATING,
    "SystemUpdating": State.UPDATING,
    "RollingBack": State.UPDATING,
    "Deleting": State.TURNING_OFF,
    "Failed": State.FAILED,
    "OutOfService": State.FAILED,
    "UpdateRollbackFailed": State.FAILED,
}


@dataclass(frozen=True)
class Facts:
    """None stands for what does not exist."""

    endpoint: EndpointFacts | None
    variant: VariantFacts | None
    stack: StackFacts | None

    @property
    def ends(self) -> datetime | None:
        """When the hard stop falls; None where none is stated."""
        return self.stack.ends if self.stack else None


def state_of(endpoint: EndpointFacts | None, stack: StackFacts | None) -> State:
    """The state as one word."""
    heading_for = stack.endpoint_state if stack is not None and stack.is_turning else None
    if endpoint is None:
        return State.WAKING if heading_for == "on" else State.OFF
    if heading_for == "off":
        return State.TURNING_OFF
    return _STATES.get(endpoint.status, State.UPDATING)  # a status that AWS adds: there, and billed


def report(
    facts: Facts,
    remembered: Remembered,
    *,
    now: datetime,
    limits: Limits,
    usd_per_hour: Mapping[str, float],
    always_on_usd_per_hour: float | None,
) -> dict[str, object]:
    """The body of `GET /endpoint`, but for the names that the request and the settings add.

    `usd_per_hour` maps an instance type to USD per instance-hour; the answer's is of both fleets during an update.
    SageMaker bills from creation on, whatever the status. `cost_usd` takes the present number of instances for the
    whole of that time, without an update's second fleet, and is null, like the price an hour, for an instance type
    without a known price. The month is the meter's count, second fleets with it; what was saved in it is counted
    against the configured instances left on all the time.
    """
    endpoint, variant = facts.endpoint, facts.variant
    state = state_of(endpoint, facts.stack)
    hourly = endpoint_price(endpoint, variant, usd_per_hour)
    own = own_price(endpoint, variant, usd_per_hour)
    hours = max(0.0, (now - endpoint.created).total_seconds() / 3600) if endpoint else 0.0
    counted = remembered.of_month(now)
    created = endpoint.created if endpoint else None
    known = seen(created, facts.ends, remembered, limits, usd_per_hour=hourly, now=now)
    snoozed_until = datetime.fromtimestamp(remembered.snoozed_until, UTC)
    return {
        "state": state,
        "since": iso(endpoint.created) if endpoint else None,
        "instance_type": type_in_use(endpoint, variant),
        "instance_count": instance_count(endpoint, variant),
        "usd_per_hour": hourly,
        "cost_usd": None if own is None else round(own * hours, 4),
        "usd_this_month": _rounded(month_usd(counted)),
        "hours_this_month": _rounded(counted.get("hours_this_month")),
        "usd_saved_this_month": _rounded(saved_usd(counted, always_on_usd_per_hour)),
        "budget_usd": remembered.budget_usd(limits),
        "snoozed_until": iso(snoozed_until) if snoozed_until > now else None,
        "next_trigger": told(state, known, limits, now),
        "failure_reason": redacted(endpoint.failure_reason) if endpoint else None,
        "attention": [*_unpriced(endpoint, variant, own), *remembered.findings(now)],
    }


def _unpriced(endpoint: EndpointFacts | None, variant: VariantFacts | None, hourly: float | None) -> list[str]:
    """The month's dollars look as if it were free."""
    kind = type_in_use(endpoint, variant)
    if endpoint is None or kind is None or hourly is not None:
        return []
    return [f"No price is known for {kind}: usd_this_month leaves its dollars out, and the budget does not see them."]


def saved_usd(counted: Mapping[str, object], always_on_usd_per_hour: float | None) -> float | None:
    """What leaving it on for all the time that the meter counted this month would have cost beyond what was spent.

    `counted` is the meter's memory of this month, empty where it has none. None where something is not known; never
    less than nothing, as a dearer instance type may have been fallen back on.
    """
    known = [counted.get(name) for name in ("month_counted_since", "counted_until", "usd_this_month")]
    since, until, spent = (value if isinstance(value, int | float) else None for value in known)
    if always_on_usd_per_hour is None or since is None or until is None or spent is None:
        return None
    return max(0.0, max(0.0, until - since) / 3600 * always_on_usd_per_hour - spent)


def _rounded(value: object) -> float | None:
    return round(value, 2) if isinstance(value, int | float) else None


def unavailable(endpoint: EndpointFacts | None, *, name: str, now: datetime, wake_seconds: int) -> EndpointUnavailable:
    """Why an endpoint that the runtime reports missing takes no calls, and what its caller can do."""
    state = state_of(endpoint, None)
    if endpoint is None or state is State.TURNING_OFF:
        return EndpointOff(
            f'Endpoint {name} is off. Wake it with `pilot on`, or with POST /endpoint {{"state": "on"}}, '
            f"and try again in about {wake_seconds} s.",
            retry_after_seconds=wake_seconds,
        )
    if state is State.FAILED:
        return EndpointFailed(
            f"Endpoint {name} failed: {redacted(endpoint.failure_reason) or 'SageMaker gives no reason'}. "
            "Turn it off with `pilot off`, then on again with `pilot on`."
        )
    elapsed = (now - endpoint.created).total_seconds()
    left = max(MIN_RETRY_AFTER_SECONDS, round(wake_seconds - max(0.0, elapsed)))
    return EndpointWaking(f"Endpoint {name} is waking up: try again in about {left} s.", retry_after_seconds=left)


def redacted(reason: str | None) -> str | None:
    """SageMaker's words without what a caller has no business to know: ARNs, buckets, account ids."""
    return None if reason is None else _PRIVATE.sub("…", reason)
