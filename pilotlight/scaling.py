"""Instances that come and go with the calls: pure rules over one stage's choice."""

from collections.abc import Iterator

from pilotlight.choice import Choice
from pilotlight.config_errors import ABSENT, Problem
from pilotlight.stage import Scaling


def problems(choice: Choice) -> Iterator[Problem]:
    """What the keys' own bounds do not see."""
    table = choice.table
    low, high = _range(choice)
    if low > table.instance_count:
        yield Problem(
            key=choice.key("min_instances"),
            value=low,
            reason=f"the endpoint is lit with instance_count, {table.instance_count}, which is fewer",
            allowed=f"at most instance_count, {table.instance_count}",
            fix=f"write instance_count = {low}, or a smaller min_instances",
        )
    if high < table.instance_count:
        yield Problem(
            key=choice.key("max_instances"),
            value=high,
            reason=f"the endpoint is lit with instance_count, {table.instance_count}, which is more",
            allowed=f"at least instance_count, {table.instance_count}",
            fix=f"write instance_count = {high}, or a greater max_instances",
        )
    if low < high and table.target_invocations_per_instance is None:
        yield Problem(
            key=choice.key("target_invocations_per_instance"),
            value=ABSENT,
            reason=f"nothing says when to go from {low} to {high} instances",
            allowed="a number from 0.1 to 100000 (calls a minute)",
            fix="write, for example: target_invocations_per_instance = 30 (measure what one instance can do)",
        )
    if low >= high and table.target_invocations_per_instance is not None:
        yield Problem(
            key=choice.key("target_invocations_per_instance"),
            value=table.target_invocations_per_instance,
            reason=f"there is nothing to scale: min_instances and max_instances are both {low}",
            allowed="only with max_instances above min_instances",
            fix=f"write max_instances = {low + 1}, for example, or remove this key",
        )


def resolved(choice: Choice) -> Scaling | None:
    """Of a choice without problems; None where nothing scales."""
    (low, high), target = _range(choice), choice.table.target_invocations_per_instance
    if target is None:
        return None
    return Scaling(min_instances=low, max_instances=high, target_invocations_per_instance=target)


def _range(choice: Choice) -> tuple[int, int]:
    table = choice.table
    return table.min_instances or table.instance_count, table.max_instances or table.instance_count
