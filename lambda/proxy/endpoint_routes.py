"""`/endpoint` and `/endpoint/snooze`, and what a caller is told when nothing is there to answer."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from common.facts import EndpointFacts, month_usd

from proxy import snooze_page
from proxy.endpoint import Facts, State, report, state_of, unavailable
from proxy.errors import EndpointOff, EndpointWaking, NothingToSnooze, Problem, ServiceUnavailable
from proxy.next_trigger import Remembered
from proxy.settings import Settings
from proxy.snooze_page import HOURS, Tokens
from proxy.strict_json import JsonObject
from proxy.timing import Deadline
from proxy.turning import check_snooze, check_turn, snoozed, wake_estimate

_SPENT = "the month's budget is spent. `pilot on --budget-usd` gives a higher one; else it may be lit next month (UTC)."
_SPENT_RETRY_AFTER_SECONDS = 3600


class ControlPlane(Protocol):
    """The seam to what AWS knows about the endpoint."""

    def facts(self, deadline: Deadline) -> Facts: ...
    def endpoint(self, deadline: Deadline) -> EndpointFacts | None: ...


class Switch(Tokens, Protocol):
    """The seam to the switch and to the stage's ledger."""

    def start(self, request: JsonObject, now: datetime) -> None: ...
    def wake(self, now: datetime) -> None: ...
    def snooze(self, until: datetime, by: str) -> None: ...
    def remembered(self, kind: str, key: str) -> Mapping[str, Any]: ...


class EndpointRoutes:
    """One a worker. Every method's `now` is the caller's time."""

    def __init__(self, settings: Settings, *, control_plane: ControlPlane, switch: Switch) -> None:
        self._settings = settings
        self._control_plane = control_plane
        self._switch = switch

    def report(self, now: datetime, deadline: Deadline) -> JsonObject:
        """`GET /endpoint`."""
        return {
            "endpoint_name": self._settings.endpoint_name,
            "model": self._settings.model,
            **report(
                self._control_plane.facts(deadline),
                self._remembered(now),
                now=now,
                limits=self._settings.limits,
                usd_per_hour=self._settings.usd_per_hour,
                always_on_usd_per_hour=self._settings.always_on_usd_per_hour,
            ),
            "wake_seconds": self._wake_seconds(),
        }

    def turn(self, fields: JsonObject, now: datetime) -> JsonObject:
        """`POST /endpoint`: the switch is started, and the caller need not wait for it."""
        request = check_turn(fields)
        self._switch.start(request, now)
        if request["target"] == "off":
            return {"asked": "off", "ready_in_seconds": None, "message": "It is being turned off: GET /endpoint tells."}
        if "budget_usd" not in request and self._is_spent(now):
            message = f"Nothing is lit: {_SPENT} Send budget_usd with it for a higher ceiling this month."
            return {"asked": "on", "ready_in_seconds": None, "message": message}
        seconds = self._wake_seconds()
        return {
            "asked": "on",
            "ready_in_seconds": seconds,
            "message": f"It is being turned on, which takes about {seconds} s: GET /endpoint tells.",
        }

    def snooze(self, fields: JsonObject, now: datetime, deadline: Deadline) -> JsonObject:
        """`POST /endpoint/snooze`."""
        until = check_snooze(fields, now=now, ends=self._control_plane.facts(deadline).ends)
        self._switch.snooze(until, by="POST /endpoint/snooze")
        return snoozed(until, now)

    def show_snooze_page(self, token: str, now: datetime) -> str:
        """`GET /snooze`: the page with the button, which changes nothing. Raises LinkRefused and its kin."""
        return snooze_page.shown(token, tokens=self._switch, endpoint_name=self._settings.endpoint_name, now=now)

    def press_snooze_button(self, token: str, now: datetime, deadline: Deadline) -> str:
        """`POST /snooze`: the page that says what came of it. Raises LinkRefused and its kin, and NothingToSnooze."""
        return snooze_page.pressed(
            token,
            lambda use: self._snooze_by_mail(now, deadline, use=use),
            tokens=self._switch,
            endpoint_name=self._settings.endpoint_name,
            now=now,
        )

    def _snooze_by_mail(self, now: datetime, deadline: Deadline, *, use: Callable[[], None]) -> str:
        """What the button behind a mail's link does, and says; `use` is called once nothing speaks against it.

        A snooze that already lasts longer stays. Raises NothingToSnooze where the endpoint is off.
        """
        facts = self._control_plane.facts(deadline)
        if facts.endpoint is None:
            raise NothingToSnooze("The endpoint is off already, so there is nothing to snooze: `pilot on` turns it on.")
        until = check_snooze({"hours": HOURS}, now=now, ends=facts.ends)
        use()
        present = self._remembered(now).snoozed_until
        if present < until.timestamp():
            self._switch.snooze(until, by="a mail's link")
        return str(snoozed(max(until, datetime.fromtimestamp(present, UTC)), now)["message"])

    def why_missing(self, now: datetime, deadline: Deadline) -> Problem:
        """Off, waking or failed. Where that cannot be found out, the runtime's word stands: not there."""
        problem = self._unavailable(self._described(deadline), now)
        if not (self._settings.wake_on_call and isinstance(problem, EndpointOff)):
            return problem
        try:
            self._switch.wake(now)
        except Problem:
            return problem
        if self._is_spent(now):  # the switch refuses, and tells a person so
            message = f"Endpoint {self._settings.endpoint_name} is off, and no call wakes it: {_SPENT}"
            return EndpointOff(message, retry_after_seconds=_SPENT_RETRY_AFTER_SECONDS)
        seconds = self._wake_seconds()
        return EndpointWaking(
            f"Endpoint {self._settings.endpoint_name} was off, and this call has woken it: try again in about "
            f"{seconds} s.",
            retry_after_seconds=seconds,
        )

    def why_unavailable(self, problem: ServiceUnavailable, now: datetime, deadline: Deadline) -> Problem:
        """A container that has crashed looks like a service that is down for a moment, but waiting does not mend it."""
        endpoint = self._described(deadline)
        return self._unavailable(endpoint, now) if state_of(endpoint, None) is State.FAILED else problem

    def _described(self, deadline: Deadline) -> EndpointFacts | None:
        """The endpoint as SageMaker describes it; None where there is none, or it would not tell."""
        try:
            return self._control_plane.endpoint(deadline)
        except Problem:
            return None

    def _unavailable(self, endpoint: EndpointFacts | None, now: datetime) -> Problem:
        return unavailable(endpoint, name=self._settings.endpoint_name, now=now, wake_seconds=self._wake_seconds())

    def _is_spent(self, now: datetime) -> bool:
        """Whether the month's money is, as the meter counts it: then nothing is lit."""
        kept = self._remembered(now)
        spent, ceiling = month_usd(kept.of_month(now)), kept.budget_usd(self._settings.limits)
        return spent is not None and ceiling is not None and spent >= ceiling

    def _wake_seconds(self) -> int:
        past = self._switch.remembered("wake", "estimate").get("seconds", [])
        return wake_estimate(past if isinstance(past, list) else [], otherwise=self._settings.wake_seconds)

    def _remembered(self, now: datetime) -> Remembered:
        kept = self._switch.remembered
        return Remembered(
            meter=dict(kept("meter", "memory")),
            snooze=dict(kept("snooze", "endpoint")),
            budget=dict(kept("budget", f"{now:%Y-%m}")),
            sweep=dict(kept("sweep", "latest")),
        )
