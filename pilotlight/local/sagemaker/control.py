"""The control plane of one account in one Region: its parts, and what they have in common."""

from collections.abc import Callable
from pathlib import Path

from pilotlight.local.sagemaker.container import Container, Launch
from pilotlight.local.sagemaker.endpoints import Endpoints
from pilotlight.local.sagemaker.faults import Faults
from pilotlight.local.sagemaker.models import Models
from pilotlight.local.sagemaker.records import Account
from pilotlight.local.sagemaker.storage import Storage


class SageMaker:
    """Requests arrive and answers leave through `wire`, which finds an operation among the `operations`."""

    def __init__(
        self,
        *,
        region: str,
        account: str,
        folder: Path,
        storage: Storage,
        start: Callable[[Launch], Container],
        scalable_variants: Callable[[str], list[str]] = lambda _: [],
    ) -> None:
        self.account = Account(region=region, number=account)
        self.faults = Faults()
        self.models = Models(self.account)
        self.endpoints = Endpoints(
            self.account,
            self.models,
            self.faults,
            folder=folder / "endpoints",
            storage=storage,
            start=start,
            scalable_variants=scalable_variants,
        )
        self.operations = (self.account, self.models, self.endpoints)

    def stop(self) -> None:
        """End every process: the cloud is going down."""
        self.endpoints.stop()
