"""Endpoints: a container and a status.

Each public method of the first part is the operation of the same name. Endpoints change on threads of their own, as
on AWS: CreateEndpoint returns at once, and DescribeEndpoint tells how it goes.
"""

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotlight.local.sagemaker.bake import Bake, Guardrail, InAlarm
from pilotlight.local.sagemaker.container import Container, Launch
from pilotlight.local.sagemaker.endpoint import Endpoint, instance_types
from pilotlight.local.sagemaker.faults import Faults
from pilotlight.local.sagemaker.model_data import NoModelData, fetch
from pilotlight.local.sagemaker.models import Models
from pilotlight.local.sagemaker.records import Account, Record, now
from pilotlight.local.sagemaker.storage import Storage
from pilotlight.local.sagemaker.wire import AwsError

_POLL_SECONDS = 0.05


class _Refused(Exception):
    """SageMaker itself does not go on; the message is the FailureReason."""


class Endpoints:
    """The endpoints of one account."""

    def __init__(
        self,
        account: Account,
        models: Models,
        faults: Faults,
        *,
        folder: Path,
        storage: Storage,
        start: Callable[[Launch], Container],
        scalable_variants: Callable[[str], list[str]],
        in_alarm: InAlarm,
    ) -> None:
        self._account = account
        self._models = models
        self.faults = faults
        self._folder = folder
        self._storage = storage
        self._start = start
        self._scalable_variants = scalable_variants
        self._in_alarm = in_alarm
        self._lock = threading.RLock()
        self._endpoints: dict[str, Endpoint] = {}

    def create_endpoint(
        self, *, EndpointName: str, EndpointConfigName: str, Tags: list[Record] | None = None, **_: Any
    ) -> Record:
        with self._lock:
            arn = self._account.arn("endpoint", EndpointName)
            if EndpointName in self._endpoints:
                raise AwsError("ValidationException", f'Cannot create already existing endpoint "{arn}".')
            config = self._models.describe_endpoint_config(EndpointConfigName=EndpointConfigName)
            created, variants = now(), config["ProductionVariants"]
            endpoint = Endpoint(EndpointName, arn, EndpointConfigName, variants, "Creating", created, created)
            self._endpoints[EndpointName] = endpoint
            self._account.enter(arn, Tags)
        self._spawn(self._roll_out, endpoint, config, Guardrail())
        return {"EndpointArn": arn}

    def update_endpoint(
        self, *, EndpointName: str, EndpointConfigName: str, DeploymentConfig: Record | None = None, **_: Any
    ) -> Record:
        with self._lock:
            endpoint = self._endpoint(EndpointName)
            config = self._models.describe_endpoint_config(EndpointConfigName=EndpointConfigName)
            if endpoint.status not in ("InService", "Failed"):
                raise AwsError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')
            self._refuse_another_instance_type(endpoint, config)
            endpoint.move("Updating")
        self._spawn(self._roll_out, endpoint, config, Guardrail.of(DeploymentConfig))
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, *, EndpointName: str) -> Record:
        with self._lock:
            endpoint = self._endpoint(EndpointName)
            if endpoint.status == "Deleting":
                raise AwsError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')
            endpoint.move("Deleting")
        self._spawn(self._take_down, endpoint)
        return {}

    def describe_endpoint(self, *, EndpointName: str) -> Record:
        with self._lock:
            return self._endpoint(EndpointName).describe()

    def list_endpoints(self, **_: Any) -> Record:
        with self._lock:
            return {"Endpoints": [endpoint.summary() for endpoint in self._endpoints.values()]}

    # What the runtime and CloudFormation ask

    def serving(self, endpoint_name: str) -> Container | None:
        """The container to invoke, or None while it has failed. An endpoint that never served is not found, as on
        AWS.
        """
        with self._lock:
            endpoint = self._endpoints.get(endpoint_name)
            if endpoint is None or endpoint.status in ("Creating", "Deleting"):
                raise AwsError(
                    "ValidationError", f"Endpoint {endpoint_name} of account {self._account.number} not found."
                )
            return None if endpoint.status == "Failed" else endpoint.in_traffic

    def variant(self, endpoint_name: str) -> tuple[str, str | None, str]:
        """The name of the endpoint's variant, the type of its instances if they are of instance pools, and the config
        of the fleet that answers. Of an endpoint that is gone meanwhile, SageMaker's usual name.
        """
        with self._lock:
            endpoint = self._endpoints.get(endpoint_name)
            if endpoint is None:
                return "AllTraffic", None, ""
            variant, config = endpoint.variants[0], endpoint.bake.config if endpoint.bake else endpoint.config
            return variant["VariantName"], endpoint.instance_type if "InstancePools" in variant else None, config

    def in_transition(self) -> list[str]:
        """The names of endpoints whose status will change without time passing."""
        with self._lock:
            moving = [e.name for e in self._endpoints.values() if e.status not in ("InService", "Failed")]
        return [name for name in moving if not self.is_stuck(name) and self.bakes_until(name) is None]

    def bakes_until(self, endpoint_name: str) -> float | None:
        """When the endpoint's bake ends, in epoch seconds; None while there is none, or it is about to end."""
        with self._lock:
            endpoint = self._endpoints.get(endpoint_name)
            bake = endpoint.bake if endpoint and endpoint.status == "Updating" else None
            return bake.until if bake and bake.goes_on else None

    def is_stuck(self, endpoint_name: str) -> bool:
        """Whether the endpoint stays as it is until it is deleted, or the faults are cleared."""
        with self._lock:
            endpoint = self._endpoints.get(endpoint_name)
            stuck_in = endpoint.stuck_in if endpoint and endpoint.status == "Creating" else None
            return stuck_in == self.faults.epoch

    def find_endpoint(self, endpoint_name: str) -> Endpoint | None:
        """The endpoint as it is now; None when it is gone."""
        with self._lock:
            return self._endpoints.get(endpoint_name)

    def settle(self, endpoint_name: str) -> Endpoint | None:
        """Wait until the endpoint is in no transition; None when it is gone."""
        while (found := self.find_endpoint(endpoint_name)) is not None and found.status not in ("InService", "Failed"):
            time.sleep(_POLL_SECONDS)
        return found

    def stop(self) -> None:
        """End every container: the cloud is going down."""
        with self._lock:
            held = {container for e in self._endpoints.values() for container in (e.container, e.in_traffic)}
            self._endpoints.clear()
        for container in held:
            if container:
                container.stop()

    # Transitions

    def _roll_out(self, endpoint: Endpoint, config: Record, guardrail: Guardrail) -> None:
        """Start `config`'s container beside the old one and swap when it is healthy, and has stood its trial; on
        failure the old one stays.
        """
        launch, container, failure = self._come_up(endpoint, config["ProductionVariants"][0])
        baked = failure is None and container is not None and self._bake(endpoint, config, container, guardrail)
        end, stale = container and (container.retire if baked else container.stop), launch and launch.artifact
        with self._lock:
            lost, endpoint.bake = endpoint.bake is not None and endpoint.bake.is_lost, None
            if self._endpoints.get(endpoint.name) is not endpoint or endpoint.status == "Deleting":
                pass  # nobody waits for it any more
            elif failure is not None or container is None or lost:
                endpoint.failure = failure or None
                endpoint.move("InService" if endpoint.container else "Failed")
            else:
                end = endpoint.container and endpoint.container.retire
                endpoint.container = container
                stale, endpoint.model_data = endpoint.model_data, stale
                endpoint.config, endpoint.variants = config["EndpointConfigName"], config["ProductionVariants"]
                endpoint.instance_type = launch.instance_type if launch else None
                endpoint.failure = None
                endpoint.move("InService")
                container.watch(lambda epitaph: self._on_death(endpoint, container, epitaph))
        if end:
            end()
        if stale:
            shutil.rmtree(stale, ignore_errors=True)

    def _bake(self, endpoint: Endpoint, config: Record, container: Container, guardrail: Guardrail) -> bool:
        """Give `container` the traffic for as long as the guardrail says; whether it had any."""
        with self._lock:
            if not guardrail.seconds or endpoint.container is None or endpoint.status != "Updating":
                return False
            bake = Bake(
                config=config["EndpointConfigName"],
                variants=config["ProductionVariants"],
                container=container,
                since=(begun := now().timestamp()),
                until=begun + guardrail.seconds,
                alarms=guardrail.alarms,
                in_alarm=self._in_alarm,
            )
            endpoint.bake = bake
        container.watch(lambda _: setattr(bake, "died", True))
        while self.bakes_until(endpoint.name) is not None and self.find_endpoint(endpoint.name) is endpoint:
            time.sleep(_POLL_SECONDS)
        with self._lock:
            if endpoint.status == "Updating" and bake.is_lost:
                endpoint.move("RollingBack")
        return True

    def _come_up(self, endpoint: Endpoint, variant: Record) -> tuple[Launch | None, Container | None, str | None]:
        """What was launched, the container if one was started, and why it is not healthy."""
        launch = container = failure = None
        try:
            instance_type = self._placed(variant)
            self._go_wrong(endpoint)
            launch = self._launch(endpoint, variant, instance_type)
            container = self._start(launch)
            container.wait_until_healthy(variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 600))
        except (_Refused, NoModelData) as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001  whatever it was, the endpoint must not stay in transition
            failure = f"{error}. See the container's log in the embedded cloud's folder."
        return launch, container, failure

    def _refuse_another_instance_type(self, endpoint: Endpoint, config: Record) -> None:
        types = {variant["VariantName"]: instance_types(variant) for variant in config["ProductionVariants"]}
        changed = [v["VariantName"] for v in endpoint.variants if instance_types(v) != types.get(v["VariantName"])]
        if registered := set(changed) & set(self._scalable_variants(endpoint.name)):
            raise AwsError(
                "ValidationException",
                f"The variant(s) {', '.join(sorted(registered))} must be deregistered as scalable targets with AWS "
                "Auto Scaling before their instance type can be updated.",
            )

    def _placed(self, variant: Record) -> str | None:
        """The first of the variant's types that has capacity; None where it names none. Raises _Refused."""
        types = instance_types(variant)
        choices: list[str | None] = [*types] or [None]
        for name in choices:
            fault = self.faults.take("no_capacity", instance_type=name)
            if fault is None:
                return name
            if fault.instance_type is None:
                break  # no type has
        raise _Refused(
            f"InsufficientInstanceCapacity: {', '.join(types)}: Unable to provision requested ML compute capacity. "
            "Please retry using a different ML instance type or after some time."
        )

    def _go_wrong(self, endpoint: Endpoint) -> None:
        """The other faults that were asked for. Raises _Refused."""
        if endpoint.status == "Updating" and self.faults.take("update_failed"):
            with self._lock:
                endpoint.move("RollingBack")
            raise _Refused("")  # SageMaker ends InService on the old config, and names no failure
        if endpoint.status == "Creating" and self.faults.take("stuck_creating"):
            endpoint.stuck_in = self.faults.epoch
            while self.is_stuck(endpoint.name) and self.find_endpoint(endpoint.name) is endpoint:
                time.sleep(_POLL_SECONDS)

    def _take_down(self, endpoint: Endpoint) -> None:
        if endpoint.container:
            endpoint.container.stop()
        with self._lock:
            if self._endpoints.pop(endpoint.name, None):
                self._account.leave(endpoint.arn)
        shutil.rmtree(self._folder / endpoint.name, ignore_errors=True)

    def _on_death(self, endpoint: Endpoint, container: Container, epitaph: str) -> None:
        with self._lock:
            if endpoint.container is not container or endpoint.status == "Deleting":
                return
            endpoint.container = None
            if endpoint.status == "InService":  # an update under way goes on, and decides
                endpoint.failure = epitaph
                endpoint.move("Failed")

    def _launch(self, endpoint: Endpoint, variant: Record, instance_type: str | None) -> Launch:
        """Fetches the model's data, beside those that the container in service reads. Raises NoModelData."""
        model = self._models.describe_model(ModelName=variant["ModelName"])
        primary = model["PrimaryContainer"]
        folder = self._folder / endpoint.name / variant["ModelName"]
        artifact = fetch(self._storage, primary, folder / f"model-data-{secrets.token_hex(4)}")
        return Launch(self._models.contract(model), primary.get("Environment", {}), folder, artifact, instance_type)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, name=work.__name__, daemon=True).start()

    def _endpoint(self, name: str) -> Endpoint:
        try:
            return self._endpoints[name]
        except KeyError:
            raise AwsError(
                "ValidationException", f'Could not find endpoint "{self._account.arn("endpoint", name)}".'
            ) from None
