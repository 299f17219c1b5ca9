"""What an execution was asked for, checked before anything is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from common.artifact import ARCHIVE

Target = Literal["on", "off"]
Fleets = Literal["one", "two"]

MAX_LIFETIME_HOURS = 30 * 24
# The reason of an `on` that goes back from a model that failed: fine-tuning asks for it.
ROLLBACK = "rollback"
_KEYS = ("target", "reason", "by", "lifetime_hours", "budget_usd", "extend", "overrides", "fleets")
_MODEL_DATA = re.compile(rf"(s3://.+/({re.escape(ARCHIVE)})?)?")


class BadRequest(Exception):
    """The execution's input is not one; the message says what is wrong with it, and what is allowed."""


@dataclass(frozen=True)
class Request:
    """`overrides` maps `ModelDataUrl` or `InstanceType` to its value; an empty one means as configured. `fleets` says
    whether another model comes beside the one that serves, or in its place; None: as the stage is configured.
    """

    target: Target
    reason: str
    by: str
    lifetime_hours: float | None = None
    budget_usd: float | None = None
    extend: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    fleets: Fleets | None = None

    @classmethod
    def parse(cls, given: object, *, instance_types: Sequence[str]) -> "Request":
        """Raises BadRequest. `instance_types` are those that may be asked for; of instance pools, none. What only an
        `on` takes is not looked at in an `off`, which nothing may stop.
        """
        if not isinstance(given, Mapping):
            raise BadRequest(f"The input is {given!r}; it must be an object with target, reason and by.")
        target = given.get("target")
        if target not in ("on", "off"):
            raise BadRequest(f'`target` is {target!r}; it must be "on" or "off".')
        if target == "off":
            return cls("off", str(given.get("reason") or "unsaid"), str(given.get("by") or "unsaid"))
        if unknown := sorted(str(key) for key in given if key not in _KEYS):
            raise BadRequest(f"The input has an unknown key `{unknown[0]}`; it may have {', '.join(_KEYS)}.")
        return cls(
            target="on",
            reason=_text(given, "reason"),
            by=_text(given, "by"),
            lifetime_hours=_number(given, "lifetime_hours", above=0, most=MAX_LIFETIME_HOURS),
            budget_usd=_number(given, "budget_usd", above=0, most=10_000_000),
            extend=_flag(given, "extend"),
            overrides=_overrides(given.get("overrides", {}), instance_types),
            fleets=_fleets(given.get("fleets")),
        )


def _text(given: Mapping[str, object], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"`{key}` is {value!r}; it must be a text that says who or what asks.")
    return value


def _flag(given: Mapping[str, object], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise BadRequest(f"`{key}` is {value!r}; it must be true or false.")
    return value


def _number(given: Mapping[str, object], key: str, *, above: float, most: float) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or not above < value <= most:  # type: ignore[operator]
        raise BadRequest(f"`{key}` is {value!r}; it must be a number above {above} and at most {most}.")
    return value  # type: ignore[return-value]


def _fleets(given: object) -> Fleets | None:
    if given not in ("one", "two", None):
        raise BadRequest(
            f'`fleets` is {given!r}; it must be "two" (the new model comes beside the old one) or "one" (in its place).'
        )
    return given


def _overrides(given: object, instance_types: Sequence[str]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise BadRequest(f"`overrides` is {given!r}; it must be an object of ModelDataUrl and InstanceType.")
    for name, value in given.items():
        if name == "ModelDataUrl":
            fits = isinstance(value, str) and _MODEL_DATA.fullmatch(value) is not None
            allowed = f"an S3 prefix that ends with `/`, or an S3 URL that ends with `/{ARCHIVE}`"
        elif name == "InstanceType":
            fits = value == "" or value in instance_types
            allowed = f"one of {', '.join(instance_types)}" if instance_types else "left to the instance pools"
        else:
            raise BadRequest(f"`overrides` has an unknown key {name!r}; it may have ModelDataUrl and InstanceType.")
        if not fits:
            raise BadRequest(f"`overrides.{name}` is {value!r}; it must be {allowed}, or empty for as configured.")
    return dict(given)
