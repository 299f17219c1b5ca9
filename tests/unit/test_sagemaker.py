"""The local SageMaker's control plane and runtime, with containers that a test commands."""

import threading
from pathlib import Path
from typing import Any

import pytest

from pilotlight.local.sagemaker.container import ContainerDied
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.faults import Fault
from pilotlight.local.sagemaker.runtime import Runtime
from pilotlight.local.sagemaker.storage import Location, upload_archive
from pilotlight.local.sagemaker.wire import AwsError, answer, request

from .sagemaker_fakes import Buckets, FakeContainer, Fleet, eventually, local_sagemaker


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def buckets() -> Buckets:
    return Buckets()


@pytest.fixture
def sagemaker(fleet: Fleet, buckets: Buckets, tmp_path: Path) -> SageMaker:
    made = local_sagemaker(tmp_path, buckets, start=fleet.start)
    made.models.create_model(ModelName="model", PrimaryContainer={"Image": "image", "Environment": {"A": "1"}})
    for name in ("config", "next"):
        made.models.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "model"}]
        )
    return made


def status(sagemaker: SageMaker) -> str:
    return str(sagemaker.endpoints.describe_endpoint(EndpointName="e")["EndpointStatus"])


class TestEndpoint:
    def test_it_is_created_and_deleted_with_its_container(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        assert status(sagemaker) == "InService"
        assert fleet.containers[0].launch.environment == {"A": "1"}
        sagemaker.endpoints.delete_endpoint(EndpointName="e")
        assert sagemaker.endpoints.settle("e") is None
        assert fleet.containers[0].stopped

    @pytest.mark.parametrize("error", [ContainerDied("it died"), OSError("no space"), RuntimeError("anything")])
    def test_whatever_keeps_a_container_from_starting_fails_the_endpoint(
        self, sagemaker: SageMaker, fleet: Fleet, error: Exception
    ) -> None:
        fleet.fails = error
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        assert status(sagemaker) == "Failed"
        assert str(error) in sagemaker.endpoints.describe_endpoint(EndpointName="e")["FailureReason"]

    def test_a_model_deleted_meanwhile_fails_the_endpoint(self, sagemaker: SageMaker) -> None:
        sagemaker.models.delete_model(ModelName="model")
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        assert "Could not find model" in sagemaker.endpoints.describe_endpoint(EndpointName="e")["FailureReason"]

    def test_deleted_while_it_is_created_it_stays_deleted(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        fleet.healthy = False
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        eventually(lambda: bool(fleet.containers))
        sagemaker.endpoints.delete_endpoint(EndpointName="e")
        assert sagemaker.endpoints.settle("e") is None
        fleet.containers[0].ready.set()
        eventually(lambda: fleet.containers[0].stopped)
        with pytest.raises(AwsError, match="Could not find endpoint"):
            status(sagemaker)

    def test_an_update_swaps_containers(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        sagemaker.endpoints.update_endpoint(EndpointName="e", EndpointConfigName="next")
        sagemaker.endpoints.settle("e")
        assert sagemaker.endpoints.describe_endpoint(EndpointName="e")["EndpointConfigName"] == "next"
        eventually(lambda: fleet.containers[0].stopped)
        assert not fleet.containers[1].stopped

    def test_a_failed_update_ends_in_service_on_the_old_config(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        fleet.fails = ContainerDied("it died")
        sagemaker.endpoints.update_endpoint(EndpointName="e", EndpointConfigName="next")
        sagemaker.endpoints.settle("e")
        described = sagemaker.endpoints.describe_endpoint(EndpointName="e")
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "config")

    def test_a_dead_container_fails_it(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        fleet.containers[0].die()
        assert status(sagemaker) == "Failed"
        assert Runtime(sagemaker.endpoints).invoke("e", b"{}", "application/json").status == 503

    def test_its_config_may_be_deleted_under_it(self, sagemaker: SageMaker) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        sagemaker.endpoints.settle("e")
        sagemaker.models.delete_endpoint_config(EndpointConfigName="config")
        assert status(sagemaker) == "InService"

    def test_two_of_one_name_are_refused(self, sagemaker: SageMaker) -> None:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")
        with pytest.raises(AwsError, match="Cannot create already existing"):
            sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="config")


def from_s3(uri: str, kind: str = "S3Prefix", compression: str = "None") -> dict[str, Any]:
    source = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}
    return {"Image": "image", "ModelDataSource": {"S3DataSource": source}}


def serving(sagemaker: SageMaker) -> Any:
    """The container that answers: a fake."""
    return sagemaker.endpoints.serving("e")


class TestModelData:
    def serve(self, sagemaker: SageMaker, container: dict[str, Any]) -> dict[str, Any]:
        """Endpoint e on a model with this container, new or updated; what DescribeEndpoint says of it."""
        name = f"m{len(sagemaker.models.list_models()['Models'])}"
        sagemaker.models.create_model(ModelName=name, PrimaryContainer=container)
        variants = [{"VariantName": "AllTraffic", "ModelName": name}]
        sagemaker.models.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        exists = sagemaker.endpoints.find_endpoint("e")
        change = sagemaker.endpoints.update_endpoint if exists else sagemaker.endpoints.create_endpoint
        change(EndpointName="e", EndpointConfigName=name)
        sagemaker.endpoints.settle("e")
        return sagemaker.endpoints.describe_endpoint(EndpointName="e")

    def files(self, container: FakeContainer) -> dict[str, bytes]:
        folder = container.launch.artifact
        assert folder
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def test_a_prefix_is_what_the_container_serves(self, sagemaker: SageMaker, fleet: Fleet, buckets: Buckets) -> None:
        buckets.content["b"] = {"models/a/config.json": b"{}", "models/a/sub/x": b"x", "models/ab": b"another's"}
        assert self.serve(sagemaker, from_s3("s3://b/models/a/"))["EndpointStatus"] == "InService"
        assert self.files(fleet.containers[0]) == {"config.json": b"{}", "sub/x": b"x"}

    @pytest.mark.parametrize(
        "container",
        [
            {"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"},
            from_s3("s3://b/model.tar.gz", "S3Object", "Gzip"),
        ],
    )
    def test_an_archive_is_unpacked(
        self, sagemaker: SageMaker, fleet: Fleet, buckets: Buckets, tmp_path: Path, container: dict[str, Any]
    ) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model/config.json").write_text("{}")
        buckets.content["b"] = {}
        upload_archive(buckets, tmp_path / "model", Location.of("s3://b/model.tar.gz"))
        assert self.serve(sagemaker, container)["EndpointStatus"] == "InService"
        assert self.files(fleet.containers[0]) == {"config.json": b"{}"}

    def test_an_object_is_one_file(self, sagemaker: SageMaker, fleet: Fleet, buckets: Buckets) -> None:
        buckets.content["b"] = {"a/model.bin": b"x", "a/model.bin.old": b"y"}
        assert self.serve(sagemaker, from_s3("s3://b/a/model.bin", "S3Object"))["EndpointStatus"] == "InService"
        assert self.files(fleet.containers[0]) == {"model.bin": b"x"}

    @pytest.mark.parametrize(
        ("container", "said"),
        [
            (from_s3("s3://b/a/", compression="Gzip"), "Gzip is not supported"),
            (from_s3("s3://b/a"), "must end with a forward slash"),
            (from_s3("s3://b/a/model.tar.gz"), "must end with a forward slash"),
        ],
    )
    def test_a_source_whose_members_do_not_go_together_is_refused(
        self, sagemaker: SageMaker, container: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(AwsError, match=said):
            sagemaker.models.create_model(ModelName="m", PrimaryContainer=container)

    def test_an_empty_prefix_fails_it_and_says_where(self, sagemaker: SageMaker, buckets: Buckets) -> None:
        buckets.content["b"] = {"elsewhere": b""}
        described = self.serve(sagemaker, from_s3("s3://b/models/a/"))
        assert described["EndpointStatus"] == "Failed"
        assert '"s3://b/models/a/"' in described["FailureReason"]

    def test_what_is_no_archive_fails_it(self, sagemaker: SageMaker, buckets: Buckets) -> None:
        buckets.content["b"] = {"model.tar.gz": b"no archive"}
        described = self.serve(sagemaker, from_s3("s3://b/model.tar.gz", "S3Object", "Gzip"))
        assert "Failed to extract" in described["FailureReason"]

    def test_the_starter_chooses_for_a_bucket_of_another_cloud(self, sagemaker: SageMaker, fleet: Fleet) -> None:
        assert self.serve(sagemaker, from_s3("s3://hub/models/a/"))["EndpointStatus"] == "InService"
        assert fleet.containers[0].launch.artifact is None

    def test_the_old_data_serve_until_the_new_container_is_healthy(
        self, sagemaker: SageMaker, fleet: Fleet, buckets: Buckets
    ) -> None:
        buckets.content["b"] = {"old/config.json": b"old", "new/config.json": b"new"}
        self.serve(sagemaker, from_s3("s3://b/old/"))
        old = fleet.containers[0]
        fleet.healthy = False
        updating = threading.Thread(target=self.serve, args=(sagemaker, from_s3("s3://b/new/")))
        updating.start()
        eventually(lambda: len(fleet.containers) == 2)
        assert serving(sagemaker) is old
        assert self.files(old) == {"config.json": b"old"}
        fleet.containers[1].ready.set()
        updating.join()
        assert serving(sagemaker) is fleet.containers[1]
        eventually(lambda: old.stopped and not self.files(old))
        assert self.files(fleet.containers[1]) == {"config.json": b"new"}

    def test_an_update_to_nothing_keeps_the_old_data_in_service(
        self, sagemaker: SageMaker, fleet: Fleet, buckets: Buckets
    ) -> None:
        buckets.content["b"] = {"old/config.json": b"old"}
        self.serve(sagemaker, from_s3("s3://b/old/"))
        described = self.serve(sagemaker, from_s3("s3://b/new/"))
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "m1")
        assert self.files(fleet.containers[0]) == {"config.json": b"old"}

    def test_a_key_that_leads_out_of_the_folder_is_refused(
        self, sagemaker: SageMaker, buckets: Buckets, tmp_path: Path
    ) -> None:
        buckets.content["b"] = {"models/../../../../escaped": b""}
        assert "leads out" in self.serve(sagemaker, from_s3("s3://b/models/"))["FailureReason"]
        assert not list(tmp_path.rglob("escaped"))


class TestInstancePools:
    FIRST, SECOND = "ml.g5.xlarge", "ml.g5.2xlarge"

    def config(self, sagemaker: SageMaker, **others: Any) -> None:
        """Listed in no order: the priorities say which comes first."""
        pools = [{"InstanceType": self.SECOND, "Priority": 2}, {"InstanceType": self.FIRST, "Priority": 1}]
        variant = {"VariantName": "v", "ModelName": "model", "InitialInstanceCount": 2, "InstancePools": pools}
        sagemaker.models.create_endpoint_config(EndpointConfigName="pools", ProductionVariants=[variant | others])

    def serve(self, sagemaker: SageMaker) -> Any:
        sagemaker.endpoints.create_endpoint(EndpointName="e", EndpointConfigName="pools")
        sagemaker.endpoints.settle("e")
        return sagemaker.endpoints.describe_endpoint(EndpointName="e")

    def counts(self, described: Any) -> dict[str, int]:
        (variant,) = described["ProductionVariants"]
        return {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in variant["InstancePools"]}

    def test_the_first_that_has_capacity_gets_all_instances(self, sagemaker: SageMaker) -> None:
        self.config(sagemaker)
        sagemaker.endpoints.faults.add(Fault("no_capacity", instance_type=self.FIRST))
        assert self.counts(self.serve(sagemaker)) == {self.FIRST: 0, self.SECOND: 2}
        assert sagemaker.endpoints.variant("e") == ("v", self.SECOND, "pools")

    def test_with_capacity_it_is_the_one_of_the_first_priority(self, sagemaker: SageMaker) -> None:
        self.config(sagemaker)
        assert self.counts(self.serve(sagemaker)) == {self.FIRST: 2, self.SECOND: 0}

    @pytest.mark.parametrize("lacking", [[None], [FIRST, SECOND]])
    def test_without_any_it_fails_and_names_them_all(self, sagemaker: SageMaker, lacking: list[str | None]) -> None:
        self.config(sagemaker)
        for name in lacking:
            sagemaker.endpoints.faults.add(Fault("no_capacity", instance_type=name))
        described = self.serve(sagemaker)
        assert described["EndpointStatus"] == "Failed"
        assert f"InsufficientInstanceCapacity: {self.FIRST}, {self.SECOND}" in described["FailureReason"]
        assert self.counts(described) == {self.FIRST: 0, self.SECOND: 0}

    def test_they_come_in_place_of_an_instance_type(self, sagemaker: SageMaker) -> None:
        with pytest.raises(AwsError, match="in place of InstanceType"):
            self.config(sagemaker, InstanceType=self.FIRST)


class TestWire:
    def ask(self, sagemaker: SageMaker, operation: str, body: bytes) -> tuple[int, bytes]:
        code, _, said = answer(sagemaker.operations, {"x-amz-target": f"SageMaker.{operation}"}, body)
        return code, said

    @pytest.mark.parametrize(
        ("operation", "body", "says"),
        [
            ("DescribeEndpoint", b"{}", b"EndpointName"),
            ("DescribeEndpoint", b'{"EndpointName": "e", "Colour": "red"}', b"Colour"),
            ("DescribeEndpoint", b'{"EndpointName": "under_score"}', b"regular expression"),
            ("DescribeEndpoint", b'{"EndpointName": "%s"}' % (b"e" * 64), b"at most 63"),
            ("DescribeEndpoint", b"not JSON", b"not JSON"),
            ("DescribeEndpoint", b"[]", b"not a JSON object"),
            ("DescribeNothing", b"{}", b"DescribeNothing"),
            ("CreateHub", b'{"HubName": "h", "HubDescription": "d"}', b"has no SageMaker CreateHub"),
        ],
    )
    def test_what_the_service_model_forbids_is_a_400(
        self, sagemaker: SageMaker, operation: str, body: bytes, says: bytes
    ) -> None:
        code, said = self.ask(sagemaker, operation, body)
        assert code == 400
        assert says in said

    def test_an_answer_carries_times_as_seconds(self, sagemaker: SageMaker) -> None:
        code, said = self.ask(sagemaker, "DescribeModel", b'{"ModelName": "model"}')
        assert code == 200
        assert b'"CreationTime": 1' in said

    def test_cloudformations_strings_become_the_types_of_the_request(self) -> None:
        variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": "2", "InitialVariantWeight": "1.5"}
        made = request("CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [variant]})
        assert made["ProductionVariants"][0]["InitialInstanceCount"] == 2
        assert made["ProductionVariants"][0]["InitialVariantWeight"] == 1.5
