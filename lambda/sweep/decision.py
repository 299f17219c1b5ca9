"""Which resources no stack owns any more. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """In the order in which they may be removed: a config must not go while an endpoint runs on it."""

    ENDPOINT = "endpoint"
    TRAINING_JOB = "training-job"
    CONFIG = "endpoint-config"
    MODEL = "model"


_USES = {Kind.ENDPOINT: Kind.CONFIG, Kind.CONFIG: Kind.MODEL}
"""What `Resource.uses` names, by the kind of the user; whoever runs on something comes first."""

Key = tuple[Kind, str]
"""Kind and name in lower case: SageMaker's ARNs, which CloudFormation keeps, are in lower case."""


@dataclass(frozen=True)
class Resource:
    """Something that carries `pilotlight:stage`. `uses` holds names of the kind that it refers to.

    `usd_per_hour` is 0 for what costs nothing, None where the price is not known. `created` is in epoch seconds.
    """

    kind: Kind
    name: str
    stage: str
    status: str
    created: float
    usd_per_hour: float | None = 0.0
    uses: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.kind, self.name.lower()

    def to_data(self) -> dict[str, Any]:
        data = asdict(self)
        del data["uses"]
        return {**data, "kind": str(self.kind)}


@dataclass(frozen=True)
class Holding:
    """What one stack of a stage holds. One that is moving may still need what it no longer lists."""

    stage: str
    moving: bool
    keys: frozenset[Key] = frozenset()


def orphans(found: Collection[Resource], holdings: Collection[Holding]) -> list[Resource]:
    """What no stack owns, in the order in which it may be removed.

    Nothing of a stage of which a stack is moving: a rollback may come back to it. Nothing that an endpoint which is
    owned runs on: after a failed update that is the predecessor. A training job belongs to whichever stacks its stage
    has, as jobs are started, not deployed.
    """
    moving = {holding.stage for holding in holdings if holding.moving}
    deployed = {holding.stage for holding in holdings}
    held: set[Key] = set().union(*(holding.keys for holding in holdings))
    held |= {resource.key for resource in found if resource.kind is Kind.TRAINING_JOB and resource.stage in deployed}
    for by, kind in _USES.items():
        held |= _used(found, held, by, kind)
    order = list(Kind)
    left = [resource for resource in found if resource.key not in held and resource.stage not in moving]
    return sorted(left, key=lambda resource: (order.index(resource.kind), resource.stage, resource.name))


def retired(orphans: Collection[Resource], verified_at: float | None) -> list[Resource]:
    """Of these the models and configs that were replaced: older than the last time that the endpoint was seen to serve
    as its stack wants it (epoch seconds; None: never), and used by nothing that stays. In the order of removal.
    """
    gone: list[Resource] = []
    for resource in orphans:  # what uses another comes before it
        stay = [other for other in orphans if other not in gone]
        used = {key for by, kind in _USES.items() for key in _used(stay, {r.key for r in stay}, by, kind)}
        replaced = resource.kind in (Kind.CONFIG, Kind.MODEL) and resource.created < (verified_at or 0.0)
        if replaced and resource.key not in used:
            gone.append(resource)
    return gone


def _used(found: Iterable[Resource], held: Collection[Key], by: Kind, kind: Kind) -> set[Key]:
    users = (resource for resource in found if resource.kind is by and resource.key in held)
    return {(kind, name.lower()) for user in users for name in user.uses}
