"""Where the `pilot` command aims on AWS, and what it does not deploy: who pays must know where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from pilotlight.cli import stacks, target
from pilotlight.cli.terminal import Refused
from pilotlight.deployment import Deployment
from pilotlight.stage import Stage

CONFIG = """
default_stage = "falcon"

[stages.falcon]
model = "falcon-7b-instruct"

[stages.europe]
model = "falcon-7b-instruct"
region = "eu-west-1"
"""


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pilotlight.toml").write_text(CONFIG)
    monkeypatch.setattr(target, "CONFIG", tmp_path / "pilotlight.toml")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PILOTLIGHT_CLOUD_FOLDER", str(tmp_path / "no-cloud"))


def test_without_a_stage_it_is_the_files_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    found = target.deployment(None, aws=False, region=None)
    assert (found.stage, found.region, found.place) == ("falcon", "us-west-2", "AWS in us-west-2")


def test_a_stages_own_region_wins_over_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert target.deployment("europe", aws=True, region=None).region == "eu-west-1"
    assert target.deployment("europe", aws=True, region="us-east-1").region == "us-east-1"


def test_no_region_is_refused_with_three_ways_out() -> None:
    with pytest.raises(Refused, match=r"--region.*pilotlight.toml.*AWS_DEFAULT_REGION"):
        target.deployment("falcon", aws=True, region=None)


def test_a_broken_config_does_not_keep_an_endpoint_on(tmp_path: Path) -> None:
    """`pilot off --stage X --region Y` reads none of it."""
    (tmp_path / "pilotlight.toml").write_text("= broken")
    assert target.deployment("falcon", aws=True, region="us-east-1").stage == "falcon"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER"])
def test_a_shell_that_is_aimed_elsewhere_is_not_called_aws(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """After `eval "$(pilot local env)"`, --aws would turn the embedded cloud's endpoint off and call it AWS's."""
    monkeypatch.setenv(name, "http://127.0.0.1:4566")
    with pytest.raises(Refused, match=name):
        target.deployment("falcon", aws=True, region="us-east-1")


def test_a_cloud_that_was_killed_is_not_taken_for_aws(tmp_path: Path) -> None:
    (tmp_path / "no-cloud").mkdir()
    with pytest.raises(Refused, match="--aws"):
        target.deployment("falcon", aws=False, region="us-east-1")


@dataclass(frozen=True)
class Deployed:
    """What is asked of a deployment before it is deployed again."""

    status: str | None
    ends: datetime | None
    endpoint_name: str = "old"

    def stack_status(self, _role: str) -> str | None:
        return self.status


ENDS = datetime(2026, 11, 26, tzinfo=UTC)


def test_an_endpoint_is_not_renamed_while_it_is_on() -> None:
    """Its meter would look at the new name."""
    on = cast(Deployment, Deployed("UPDATE_COMPLETE", ENDS))
    with pytest.raises(Refused, match=r"old is on.* now new.*pilot off"):
        stacks.refuse_another_name(on, "new")
    stacks.refuse_another_name(on, "old")


@pytest.mark.parametrize("found", [Deployed("UPDATE_COMPLETE", None), Deployed(None, ENDS)], ids=["off", "new"])
def test_it_may_be_while_it_is_off(found: Deployed) -> None:
    stacks.refuse_another_name(cast(Deployment, found), "new")


@dataclass(frozen=True)
class Chosen:
    """What is asked of the configuration that is about to be deployed."""

    instance_types: tuple[str, ...] = ("ml.g5.4xlarge", "ml.g5.2xlarge")
    instance_pools: bool = False
    fingerprint: str = "another"

    @property
    def instance_type(self) -> str:
        return self.instance_types[0]


POOLS = [{"InstanceType": "ml.g5.2xlarge", "Priority": 2}, {"InstanceType": "ml.g5.4xlarge", "Priority": 1}]


@dataclass(frozen=True)
class Aws:
    """What AWS answers of a stage that is deployed; None as variant: there is no endpoint."""

    ends: str = "2026-11-26T20:00:00"
    kinds: tuple[str, ...] = ("AWS::SageMaker::Endpoint", "AWS::ApplicationAutoScaling::ScalableTarget")
    variant: Mapping[str, Any] | None = field(default_factory=lambda: {"InstanceType": "ml.g5.2xlarge"})

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        outputs = {"EndpointName": "mine", "Fingerprint": "of the configuration before"}
        stack = {
            "StackStatus": "UPDATE_COMPLETE",
            "Parameters": [{"ParameterKey": "TurnOffAt", "ParameterValue": self.ends}],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        return {"Stacks": [stack]}

    def get_paginator(self, _name: str) -> "Aws":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"StackResourceSummaries": [{"ResourceType": kind} for kind in self.kinds]}]

    def describe_endpoint(self, **request: Any) -> dict[str, Any]:
        if self.variant is None:
            message = f'Could not find endpoint "{request["EndpointName"]}".'
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")
        created = datetime(2026, 11, 26, tzinfo=UTC)
        return {"EndpointStatus": "InService", "CreationTime": created, "EndpointConfigName": "config"}

    def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
        return {"ProductionVariants": [self.variant]}


@dataclass(frozen=True)
class OnAws(Deployment):
    aws: Aws = Aws()

    def client(self, service: str) -> Any:  # noqa: ARG002  one fake stands for all
        return self.aws


def refuse_another_type(aws: Aws, chosen: Chosen) -> None:
    stacks.refuse_another_type(OnAws("mine", "us-east-1", aws=aws), cast(Stage, chosen))


def test_an_endpoint_that_scales_keeps_its_type_while_it_is_on() -> None:
    """AWS would refuse the deploy, and only after minutes."""
    says = r"runs on ml.g5.2xlarge; .*on ml.g5.4xlarge, .*`pilot off`, `pilot deploy`, and then `pilot on`"
    with pytest.raises(Refused, match=says):
        refuse_another_type(Aws(), Chosen())


def test_so_does_one_of_instance_pools() -> None:
    with pytest.raises(Refused, match=r"runs on ml.g5.2xlarge; .*on ml.g5.4xlarge or ml.g5.2xlarge, which"):
        refuse_another_type(Aws(), Chosen(instance_pools=True))
    refuse_another_type(Aws(variant={"InstancePools": POOLS}), Chosen(instance_pools=True))


@pytest.mark.parametrize(
    ("aws", "chosen"),
    [
        (Aws(ends=""), Chosen()),
        (Aws(kinds=("AWS::SageMaker::Endpoint",)), Chosen()),
        (Aws(), Chosen(instance_types=("ml.g5.2xlarge",))),
        (Aws(), Chosen(fingerprint="of the configuration before")),
        (Aws(variant=None), Chosen()),
    ],
    ids=["off", "fixed", "same type", "fallen back", "deleted by hand"],
)
def test_what_aws_takes_is_deployed(aws: Aws, chosen: Chosen) -> None:
    refuse_another_type(aws, chosen)


@dataclass(frozen=True)
class Nothing(Aws):
    """No stack is there yet."""

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        message = "Stack with id Pilotlight-mine-Endpoint does not exist"
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(("aws", "name"), [(Nothing(), "mine"), (Aws(), "another")], ids=["new", "renamed"])
def test_an_endpoint_of_somebody_elses_is_not_taken_over(aws: Aws, name: str) -> None:
    """The switch would delete it as a survivor, in the midst of its calls."""
    with pytest.raises(
        Refused, match=rf"an endpoint {name} already, .*delete it\. .*run `pilot sweep --stage mine --delete`"
    ):
        stacks.refuse_somebody_elses(OnAws("mine", "us-east-1", aws=aws), name)


@pytest.mark.parametrize(
    ("aws", "name"), [(Nothing(variant=None), "mine"), (Aws(), "mine"), (Aws(variant=None), "new")]
)
def test_its_own_endpoint_and_a_free_name_are_deployed(aws: Aws, name: str) -> None:
    stacks.refuse_somebody_elses(OnAws("mine", "us-east-1", aws=aws), name)
