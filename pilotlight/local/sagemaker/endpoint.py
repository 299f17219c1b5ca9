"""One endpoint: the config that it runs on, its container and its status."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilotlight.local.sagemaker.bake import Bake
from pilotlight.local.sagemaker.container import Container
from pilotlight.local.sagemaker.records import Record, now


def instance_types(variant: Record) -> list[str]:
    """Those of a config's variant, first choice first."""
    pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
    single = [variant["InstanceType"]] if "InstanceType" in variant else []
    return [pool["InstanceType"] for pool in pools] or single


@dataclass
class Endpoint:
    """An endpoint and the container it runs; changed only under the service's lock."""

    name: str
    arn: str
    config: str
    variants: list[Record]
    """The config's, kept here: AWS lets a config be deleted under an endpoint that runs on it."""
    status: str
    created: datetime
    modified: datetime
    container: Container | None = None
    bake: Bake | None = None
    model_data: Path | None = None
    """What the container serves, if it came from S3."""
    instance_type: str | None = None
    """Where its container counts as running."""
    failure: str | None = None
    stuck_in: int | None = None
    """The faults' epoch in which it got stuck, if it did."""

    def move(self, status: str) -> None:
        self.status = status
        self.modified = now()

    def summary(self) -> Record:
        """As ListEndpoints answers."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "EndpointStatus": self.status,
        }

    def describe(self) -> Record:
        """As DescribeEndpoint answers."""
        variants = [self._variant(variant) for variant in self.variants]
        described = self.summary() | {"EndpointConfigName": self.config, "ProductionVariants": variants}
        pending = {"PendingDeploymentSummary": self.bake.describe()} if self.bake else {}
        return described | pending | ({"FailureReason": self.failure} if self.failure else {})

    @property
    def in_traffic(self) -> Container | None:
        """The container that answers."""
        return self.bake.container if self.bake else self.container

    def _variant(self, variant: Record) -> Record:
        """Instance pools are empty until the endpoint is there: only then is it known which has the instances."""
        count = variant.get("InitialInstanceCount", 1)
        told = {"VariantName": variant["VariantName"], "CurrentInstanceCount": count, "DesiredInstanceCount": count}
        if "InstancePools" not in variant:
            return told
        pools = [
            {"InstanceType": name, "CurrentInstanceCount": count if name == self.instance_type else 0}
            for name in instance_types(variant)
        ]
        return told | {"InstancePools": pools}
