"""How the meter asks AWS and the ledger: what cannot be read is named, and the rest is read all the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from common import calls, describe
from common.calls import CloudWatchClient
from common.describe import CloudFormationClient
from common.executions import StepFunctionsClient
from common.facts import EndpointFacts, instance_types, pool_types
from common.ledger import Ledger

from meter import jobs
from meter.bill import month_of, month_start
from meter.facts import CALLS, LEDGER, SECOND, STACK, TRAINING, VARIANT, Facts, Job, Life, Run
from meter.memory import Memory, is_number
from meter.settings import Settings

Found = TypeVar("Found")

# Metrics lag by minutes: what could not be seen yet is looked at again.
OVERLAP_SECONDS = 15 * 60
# More than the switch writes between two ticks.
RECEIPTS_READ = 10


class SageMakerClient(describe.SageMakerClient, jobs.SageMakerClient, Protocol):
    """What is used of boto3's `sagemaker` client."""


@dataclass(frozen=True)
class Clients:
    """What the meter reads from, and acts through."""

    cloudformation: CloudFormationClient
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient
    stepfunctions: StepFunctionsClient
    sns: jobs.SnsClient
    ledger: Ledger


@dataclass
class Attempts:
    """Collects failures of AWS, so that one does not keep the meter from everything else."""

    failures: dict[str, Exception] = field(default_factory=dict)

    def to(self, what: str, call: Callable[[], Found]) -> Found | None:
        """What `call` returns; None where AWS failed, which is kept under the name `what`."""
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            self.failures[what] = error
            return None


@dataclass(frozen=True)
class _Notes:
    """What the ledger holds for the meter."""

    memory: Memory
    snooze_until: float | None
    budget_usd: float | None
    lives: tuple[Life, ...]


def gather(clients: Clients, settings: Settings, now: float, attempts: Attempts) -> tuple[Facts, Memory]:
    """Everything that one tick knows. Raises botocore's error where the endpoint itself cannot be described.

    The stack is read before the endpoint: one that says off is then older than an endpoint that is there.
    """
    notes = attempts.to(LEDGER, lambda: _notes(clients.ledger, now)) or _Notes(Memory(), None, None, ())
    stack = attempts.to(STACK, lambda: describe.stack(clients.cloudformation, settings.endpoint_stack_name))
    endpoint = describe.endpoint(clients.sagemaker, settings.endpoint_name)
    variant = last_call = None
    if endpoint is not None:
        config_name = endpoint.config_name
        variant = attempts.to(VARIANT, lambda: describe.variant(clients.sagemaker, config_name))
        since = _since(endpoint, notes.memory, now)
        endpoint = _with_types(clients, endpoint, attempts)
        types = pool_types(endpoint, variant)
        last_call = attempts.to(CALLS, lambda: _last_call(clients, settings, types, since, now))
    trained, runs = attempts.to(TRAINING, lambda: _training(clients, settings, notes.memory, now)) or ((), ())
    facts = Facts(
        endpoint=endpoint,
        variant=variant,
        stack=stack,
        last_call=last_call,
        snooze_until=notes.snooze_until,
        budget_usd=notes.budget_usd,
        lives=notes.lives,
        jobs=trained,
        runs=runs,
        unread=frozenset(attempts.failures),
    )
    return facts, notes.memory


def _with_types(clients: Clients, endpoint: EndpointFacts, attempts: Attempts) -> EndpointFacts:
    """With those of its second fleet, which may be dearer: by its config where the endpoint does not tell them."""
    second = endpoint.second
    if second is None or second.types:
        return endpoint
    described = attempts.to(SECOND, lambda: describe.variant(clients.sagemaker, second.config_name))
    if described is None:
        return endpoint
    return replace(endpoint, second=replace(second, types=instance_types(None, described)))


def _training(
    clients: Clients, settings: Settings, memory: Memory, now: float
) -> tuple[tuple[Job, ...], tuple[Run, ...]]:
    month, first = month_of(now), month_start(now)
    found = jobs.jobs(clients.sagemaker, settings.stage, memory, month=month, first=first)
    return found, jobs.runs(clients.ledger, clients.stepfunctions, found)


def _notes(ledger: Ledger, now: float) -> _Notes:
    return _Notes(
        memory=Memory.from_data(_stored(ledger, "meter", "memory")),
        snooze_until=_number(_stored(ledger, "snooze", "endpoint"), "until"),
        budget_usd=_number(_stored(ledger, "budget", month_of(now)), "usd"),
        lives=tuple(life for receipt in ledger.latest("receipt", RECEIPTS_READ) for life in _lives(receipt)),
    )


def _stored(ledger: Ledger, kind: str, key: str) -> object:
    """An entry that is malformed counts as none."""
    try:
        return ledger.get(kind, key)
    except (ValueError, KeyError):
        return None


def _lives(receipt: object) -> Iterator[Life]:
    """Those of a receipt; what is malformed counts as none."""
    listed = receipt.get("lives") if isinstance(receipt, dict) else None
    for told in listed if isinstance(listed, list) else ():
        created, gone = _number(told, "created"), _number(told, "gone_at")
        if created is not None and gone is not None:
            yield Life(created, gone, _number(told, "usd_per_hour") or 0.0)


def _number(data: object, name: str) -> float | None:
    found = data.get(name) if isinstance(data, dict) else None
    return found if is_number(found) else None


def _since(endpoint: EndpointFacts, memory: Memory, now: float) -> float:
    """From when on calls are looked for: earlier ones are remembered, or were to an endpoint that is gone."""
    created = endpoint.created.timestamp()
    if memory.calls_read_at is None or memory.endpoint_created != created:
        return created
    return max(created, min(memory.calls_read_at, now) - OVERLAP_SECONDS)


def _last_call(clients: Clients, settings: Settings, types: tuple[str, ...], since: float, now: float) -> float | None:
    return calls.last_call(
        clients.cloudwatch,
        endpoint_name=settings.endpoint_name,
        variant_name=settings.variant_name,
        since=since,
        now=now,
        pool_types=types,
    )
