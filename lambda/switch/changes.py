"""Which parameters say what: the only way in which the endpoint's stack is changed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.artifact import is_archive
from common.facts import StackFacts
from common.next_trigger import AFTER_LIFETIME_SECONDS

from switch.settings import Settings

# The first hard stop starts the switch, then the second deletes.
DELETE_AFTER_SECONDS = 30 * 60
ENDS = ("TurnOffAt", "DeleteAt")
OVERRIDES = ("ModelDataUrl", "InstanceType")
COMPRESSION = "ModelDataCompression"
"""How the model at `ModelDataUrl` lies: it is never asked for, but follows from that URL whenever it is sent."""


class MissingParameterError(Exception):
    """The deployed stack is older than the switch."""


def parameters(stack: StackFacts, changes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every parameter of the stack: those of `changes` with their new value, the others with their previous one.

    One that is not sent falls back to its default, which would silently undo an override.
    """
    if unknown := sorted(changes.keys() - stack.parameters.keys()):
        raise MissingParameterError(
            f"The stack has no parameter {unknown[0]}; it has {', '.join(stack.parameters)}. Deploy it again."
        )
    return [
        {"ParameterKey": name, "ParameterValue": changes[name]}
        if name in changes
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in stack.parameters
    ]


def off(stack: StackFacts | None) -> dict[str, str]:
    """`off` forgets the ends. A stack that lacks one of them can be turned off all the same."""
    wanted = {"EndpointState": "off", "TurnOffAt": "", "DeleteAt": ""}
    return {name: value for name, value in wanted.items() if stack is None or name in stack.parameters}


def ends(now: float, lifetime_hours: float | None, settings: Settings) -> dict[str, str]:
    """Nothing is lit without its ends: the hard stop's two times, in UTC to the second."""
    turn_off_at = now + (lifetime_hours or settings.default_hours) * 3600 + AFTER_LIFETIME_SECONDS
    return {"TurnOffAt": _utc(turn_off_at), "DeleteAt": _utc(turn_off_at + DELETE_AFTER_SECONDS)}


def later(ends: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """`ends`, none of them before the one that was known."""
    return {name: max(end, known.get(name, "")) for name, end in ends.items()}


def ends_of(stack: StackFacts | None) -> dict[str, str]:
    """Those of a stack that says on."""
    says_on = stack is not None and stack.endpoint_state == "on"
    return {name: stack.parameters.get(name, "") for name in ENDS} if stack is not None and says_on else {}


def overrides_in_force(stack: StackFacts | None) -> dict[str, str]:
    """Both overrides, empty where the template's own value holds: they count only for the fingerprint that they
    were made for.
    """
    if stack is None:
        return dict.fromkeys(OVERRIDES, "")
    return {name: stack.override(name) for name in OVERRIDES}


def kept(stack: StackFacts | None) -> dict[str, str]:
    """The overrides in force, to return to, with the fingerprint that they are for."""
    return overrides_in_force(stack) | {"OverrideFor": fingerprint_of(stack)}


def alive(stack: StackFacts | None, kept: Mapping[str, str] | None) -> dict[str, str]:
    """Of overrides that were kept, the values to return to: none where another model or instance type was deployed
    meanwhile, as sent anew they would come to life over that.
    """
    made_for = (kept or {}).get("OverrideFor")
    holds = stack is None or made_for is None or made_for == fingerprint_of(stack)
    return {name: (kept or {}).get(name, "") if holds else "" for name in OVERRIDES}


def fingerprint_of(stack: StackFacts | None) -> str:
    return stack.outputs.get("Fingerprint", "") if stack else ""


def overriding(stack: StackFacts | None, wanted: Mapping[str, str]) -> dict[str, str]:
    """The parameters that put `wanted` over what is in force. An override that is dead stays dead.

    A stack that does not state its fingerprint keeps its parameters as they are. One of instance pools has no
    `InstanceType`, and needs none that says "as configured"; nor does an older one, which takes no archive, need
    `ModelDataCompression` for a prefix.
    """
    fingerprint = fingerprint_of(stack)
    if stack is None or not fingerprint:
        return {}
    values = overrides_in_force(stack) | dict(wanted)
    sent = {name: value for name, value in values.items() if value or name in stack.parameters}
    packed = is_archive(values["ModelDataUrl"])
    if packed or COMPRESSION in stack.parameters:
        sent[COMPRESSION] = "Gzip" if packed else "None"
    return sent | {"OverrideFor": fingerprint if any(values.values()) else ""}


def left(stack: StackFacts | None, kept: Mapping[str, str] | None) -> dict[str, str]:
    """What an off sends, so that it leaves in force what was kept: nothing where that is so, or cannot be said."""
    wanted = alive(stack, kept)
    if stack is None or kept is None or wanted == overrides_in_force(stack):
        return {}
    sent = overriding(stack, wanted)
    return sent if sent.keys() <= stack.parameters.keys() else {}


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")
