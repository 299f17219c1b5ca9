"""The control plane of one account in one Region: its parts, and what they have in common."""

import threading
from collections.abc import Callable
from pathlib import Path

from pilotlight.local.sagemaker.bake import InAlarm
from pilotlight.local.sagemaker.container import Container, Launch
from pilotlight.local.sagemaker.endpoints import Endpoints
from pilotlight.local.sagemaker.faults import Faults
from pilotlight.local.sagemaker.metrics import Sink
from pilotlight.local.sagemaker.models import Models
from pilotlight.local.sagemaker.packages import ModelPackages
from pilotlight.local.sagemaker.records import Account
from pilotlight.local.sagemaker.storage import Storage
from pilotlight.local.sagemaker.training import Spawn, TrainingJobs
from pilotlight.local.sagemaker.training_process import Program
from pilotlight.local.sagemaker.training_run import Machine


def on_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


class SageMaker:
    """Requests arrive and answers leave through `wire`, which finds an operation among the `operations`.

    `start` starts an endpoint's container; it may take long, and may raise anything. `scalable_variants` names an
    endpoint's variants that are registered with Application Auto Scaling, `in_alarm` reads CloudWatch. `program` starts
    what plays every training image, `weights` gives the model that stands in for one in a bucket of another
    cloud, `sink` takes the metrics of training jobs, and `spawn` runs a job on a thread of its own.
    """

    def __init__(
        self,
        *,
        region: str,
        account: str,
        folder: Path,
        storage: Storage,
        start: Callable[[Launch], Container],
        program: Program,
        weights: Callable[[], Path],
        sink: Sink,
        spawn: Spawn = on_a_thread,
        scalable_variants: Callable[[str], list[str]] = lambda _: [],
        in_alarm: InAlarm = lambda _names, _since: False,
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
            in_alarm=in_alarm,
        )
        machine = Machine(
            program=program,
            folder=folder / "training",
            storage=storage,
            weights=weights,
            faults=self.faults,
            sink=sink,
        )
        self.training = TrainingJobs(self.account, machine, spawn)
        self.packages = ModelPackages(self.account)
        self.operations = (self.account, self.models, self.endpoints, self.training, self.packages)

    def stop(self) -> None:
        """End every process: the cloud is going down."""
        self.endpoints.stop()
        self.training.stop()
