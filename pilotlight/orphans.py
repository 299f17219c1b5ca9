"""What carries the tag of a stage but belongs to no stack: found as the daily sweep finds it, removed on demand.

The sweep's own code is run, with the caller's permissions: it works where no stack, and so no Lambda, is left.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError
from sweep.decision import Kind, Resource, orphans
from sweep.gather import holdings, tagged
from sweep.notice import price

from pilotlight.deployment import ALL_ROLES, Deployment, stack_name
from pilotlight.prices import rows

__all__ = ["Removal", "Resource", "find", "price"]

POLL_SECONDS: Final = 2.0
GONE_SECONDS: Final = 600.0
"""How long a deleted endpoint is waited for; SageMaker usually takes a minute or two."""


def find(deployment: Deployment, stage: str | None) -> list[Resource]:
    """In the order in which they may be removed; of one stage, or of all that are in this place."""
    prices = {name: float(row.usd_per_hour) for name, row in rows().items()}
    found = tagged(deployment.client("sagemaker"), stage, prices)
    cloudformation = deployment.client("cloudformation")
    held = [
        holding
        for name in sorted({resource.stage for resource in found})
        for holding in holdings(cloudformation, name, [stack_name(name, role) for role in ALL_ROLES])
    ]
    return orphans(found, held)


@dataclass
class Removal:
    """Removes what it is given, in that order. `failures` says by name what is still there, and why."""

    client: Any
    report: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    removed: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def remove(self, resources: Sequence[Resource]) -> None:
        in_use: set[str] = set()
        for resource in resources:
            named = f"{resource.kind} {resource.name}"
            self.report(f"removing the {named}")
            refusal = self._in_use(resource, in_use) or self._delete(resource)
            if refusal:
                self.failures[named] = refusal
                in_use.update(name.lower() for name in resource.uses)
            else:
                self.removed.append(named)

    def _in_use(self, resource: Resource, in_use: set[str]) -> str | None:
        return "what uses it is still there" if resource.name.lower() in in_use else None

    def _delete(self, resource: Resource) -> str | None:
        """Why it is still there; None once it is gone."""
        calls: Mapping[Kind, Callable[[], object]] = {
            Kind.ENDPOINT: lambda: self.client.delete_endpoint(EndpointName=resource.name),
            Kind.TRAINING_JOB: lambda: self.client.stop_training_job(TrainingJobName=resource.name),
            Kind.CONFIG: lambda: self.client.delete_endpoint_config(EndpointConfigName=resource.name),
            Kind.MODEL: lambda: self.client.delete_model(ModelName=resource.name),
        }
        try:
            if resource.status not in ("Deleting", "Stopping"):
                calls[resource.kind]()
        except ClientError as error:
            if not _is_absent(error):
                return str(error)
        return self._wait_until_gone(resource.name) if resource.kind is Kind.ENDPOINT else None

    def _wait_until_gone(self, endpoint: str) -> str | None:
        """A config must not be deleted under an endpoint."""
        deadline = self.monotonic() + GONE_SECONDS
        while self.monotonic() < deadline:
            try:
                status = self.client.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
            except ClientError as error:
                if _is_absent(error):
                    return None
                raise
            self.report(f"waiting for the endpoint {endpoint} to be gone: {status}")
            self.sleep(POLL_SECONDS)
        return f"it was asked to go, and is still there after {GONE_SECONDS / 60:.0f} minutes"


def _is_absent(error: ClientError) -> bool:
    """Three operations word it in three ways, of which AWS documents none."""
    return "ould not find" in str(error) or error.response["Error"].get("Code") == "ResourceNotFound"
