"""`POST /endpoint` and `POST /endpoint/snooze`: what a caller may ask of the switch, checked. Pure."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from statistics import median

from common.facts import iso
from common.shown import shown

from proxy.errors import InvalidParameter, InvalidRequest
from proxy.strict_json import JsonObject

LONGEST_TURN_HOURS = 168
LONGEST_SNOOZE_HOURS = 24
HIGHEST_BUDGET_USD = 1_000_000


def check_turn(fields: JsonObject) -> JsonObject:
    """The switch's input for `{"state", "hours", "budget_usd"}`. Raises InvalidParameter."""
    _refuse_unknown(fields, ("state", "hours", "budget_usd"))
    state = fields.get("state")
    if state not in ("on", "off"):
        raise InvalidParameter(f'state is {shown(state)}, but must be "on" or "off".', param="state")
    request: JsonObject = {"target": state, "reason": "manual", "by": "POST /endpoint"}
    if state == "off":
        for name in ("hours", "budget_usd"):
            if name in fields:
                raise InvalidParameter(f'{name} goes with "state": "on" only.', param=name)
        return request
    if "hours" in fields:
        hours = _number(fields["hours"], "hours", most=LONGEST_TURN_HOURS)
        request |= {"lifetime_hours": hours, "extend": True}
    if "budget_usd" in fields:
        request["budget_usd"] = _number(fields["budget_usd"], "budget_usd", most=HIGHEST_BUDGET_USD)
    return request


def check_snooze(fields: JsonObject, *, now: datetime, ends: datetime | None) -> datetime:
    """Until when an idle endpoint is left on: `{"hours"}` or `{"minutes"}` from now; zero ends a snooze.

    Never past `ends`, the hard stop's time: what ends then cannot be snoozed.
    """
    _refuse_unknown(fields, ("hours", "minutes"))
    if len(fields) != 1:
        raise InvalidRequest('Give either "hours" or "minutes".')
    ((name, value),) = fields.items()
    unit = timedelta(hours=1) if name == "hours" else timedelta(minutes=1)
    most = LONGEST_SNOOZE_HOURS * timedelta(hours=1) / unit
    wanted = now + _number(value, name, most=most, least=0) * unit
    return min(wanted, ends) if ends else wanted


def execution_name(request: Mapping[str, object], now: datetime) -> str:
    """One a minute for a wake: of callers who ask at once, one starts the switch. Who asks for something by hand may
    take it back within that minute, or ask for another end: there it is one a second for the same request.
    """
    at = now.astimezone(UTC)
    if request["reason"] == "wake":
        return f"{request['target']}-wake-{at:%Y%m%dT%H%M}"
    asked = sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    return f"{request['target']}-{request['reason']}-{at:%Y%m%dT%H%M%S}-{asked}"


def wake_estimate(seconds: Iterable[object], *, otherwise: int) -> int:
    """Seconds until an endpoint that is lit now takes calls: the median of past wakes, or the catalog's guess."""
    known = [float(s) for s in seconds if isinstance(s, int | float) and math.isfinite(s) and s >= 0]
    return max(1, math.ceil(median(known))) if known else otherwise


def snoozed(until: datetime, now: datetime) -> JsonObject:
    """The body that answers a snooze."""
    if until <= now:
        return {"snoozed_until": None, "message": "It is not snoozed: it is turned off when it idles for long enough."}
    return {
        "snoozed_until": iso(until),
        "message": f"It is not turned off for idling before {iso(until)}. Its lifetime and its budget still end it.",
    }


def _number(value: object, name: str, *, most: float, least: float | None = None) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value <= most
    if not good or not isinstance(value, int | float) or (value < least if least is not None else value <= 0):
        lowest = "more than 0" if least is None else f"{least:g} or more"
        raise InvalidParameter(f"{name} is {shown(value)}, but must be {lowest} and at most {most:g}.", param=name)
    return value


def _refuse_unknown(fields: JsonObject, allowed: tuple[str, ...]) -> None:
    for name in fields:
        if name not in allowed:
            raise InvalidParameter(f"{shown(name)} is not a field. Allowed: {', '.join(allowed)}.", param=name[:40])
