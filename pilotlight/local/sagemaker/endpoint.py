"""One endpoint: the config that it runs on, its container and its status."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilotlight.local.sagemaker.container import Container
from pilotlight.local.sagemaker.records import Record, now


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
    model_data: Path | None = None
    """What the container serves, if it came from S3."""
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
        variants = [
            {
                "VariantName": variant["VariantName"],
                "CurrentInstanceCount": variant.get("InitialInstanceCount", 1),
                "DesiredInstanceCount": variant.get("InitialInstanceCount", 1),
            }
            for variant in self.variants
        ]
        described = self.summary() | {"EndpointConfigName": self.config, "ProductionVariants": variants}
        return described | ({"FailureReason": self.failure} if self.failure else {})
