"""`pilot deploy` and `pilot destroy` on a cloud of their own: from whatever state, and nothing is left."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Event
from typing import Any

import pytest
import requests

from pilotlight.deployment import Deployment

from .conftest import PILOT, ROOT, LocalCloud, Pilot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"PILOTLIGHT_CLOUD_FOLDER": str(tmp_path_factory.mktemp("costs") / "pilot")}


@pytest.fixture(scope="module")
def own(pilot: Pilot, folder: dict[str, str]) -> Iterator[LocalCloud]:
    """Nobody else's: its stage is destroyed."""
    started = pilot("local", "up", "--weights", "tiny", "--off", "--json", **folder)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield LocalCloud(**json.loads(started.stdout))
    finally:
        pilot("local", "down", **folder)


def said(pilot: Pilot, folder: dict[str, str], *arguments: str) -> Any:
    done = pilot(*arguments, "--json", **folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def deployment(cloud: LocalCloud) -> Deployment:
    return Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)


def deployed(cloud: LocalCloud, pilot: Pilot, folder: dict[str, str], *options: str) -> LocalCloud:
    """The stage anew, as it can be reached now."""
    cloud.fault()
    said(pilot, folder, "deploy", "--yes", *options)
    return LocalCloud(**json.loads((Path(folder["PILOTLIGHT_CLOUD_FOLDER"]) / "local.json").read_text()))


def told_on(cloud: LocalCloud) -> None:
    """Somebody's own UpdateStack, beside the switch."""
    client, name = cloud.client("cloudformation"), f"Pilotlight-{cloud.stage}-Endpoint"
    on = {"EndpointState": "on", "TurnOffAt": "2099-01-01T00:00:00", "DeleteAt": "2099-01-01T00:30:00"}
    parameters = client.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
    client.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": key, **({"ParameterValue": on[key]} if key in on else {"UsePreviousValue": True})}
            for key in (parameter["ParameterKey"] for parameter in parameters)
        ],
    )


@contextmanager
def switched_by_nobody(cloud: LocalCloud) -> Iterator[None]:
    """An alarm of a stage that was deployed just now rings in its first full minute, and would turn off what is on."""
    with cloud.disabled():
        cloud.advance(0)  # what has rung already is over
        yield


def until(happened: Callable[[], object]) -> None:
    """By the real clock."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def enabled(cloud: LocalCloud) -> set[str]:
    return {rule["Name"] for rule in cloud.client("events").list_rules()["Rules"] if rule["State"] == "ENABLED"}


def killed_when(words: str, folder: dict[str, str]) -> None:
    """`pilot destroy`, killed by SIGKILL as soon as it says that."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILOTLIGHT_"))}
    with Popen(
        [PILOT, "destroy", "--yes"], cwd=ROOT, env=environment | folder, stdout=DEVNULL, stderr=PIPE, text=True
    ) as destroying:
        assert destroying.stderr
        said_so = any(words in line for line in destroying.stderr)
        destroying.kill()
    assert said_so


@contextmanager
def called_all_the_time(cloud: LocalCloud) -> Iterator[list[int]]:
    """The status codes of the answers, 0 where nobody answered."""
    answers: list[int] = []
    over = Event()

    def call() -> None:
        while not over.wait(0.05):
            try:
                answers.append(cloud.generate("hello", max_length=5).status_code)
            except requests.ConnectionError:
                answers.append(0)

    with ThreadPoolExecutor(1) as pool:
        calls = pool.submit(call)
        try:
            yield answers
        finally:
            over.set()
        calls.result()


class TestDestroy:
    """Each leaves nothing, and all but the first begin with nothing."""

    def test_halfway_through_a_rollback_that_failed(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        with switched_by_nobody(own):
            for fault in ("no_capacity", "rollback_failed"):
                own.fault(fault=fault)
            told_on(own)
            until(lambda: deployment(own).stack_status("Endpoint") == "UPDATE_ROLLBACK_FAILED")
        self.destroy(own, pilot, folder)

    def test_deployed_again_and_destroyed_while_it_is_off(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        deployed(own, pilot, folder, "--off")
        self.destroy(own, pilot, folder)

    def test_deployed_again_and_destroyed_while_it_is_on_and_called(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        with called_all_the_time(deployed(own, pilot, folder)) as answers:
            until(lambda: answers.count(200) > 3)
            self.destroy(own, pilot, folder)
            served = answers.count(200)
            until(lambda: len(answers) > served + 3)
        assert answers.count(200) == served

    def test_deployed_again_and_destroyed_during_an_update_that_is_not_the_switchs(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        deployed(own, pilot, folder, "--off")
        with switched_by_nobody(own):
            own.fault(fault="stuck_creating")
            told_on(own)
            until(own.endpoint)
            assert deployment(own).stack_status("Endpoint") == "UPDATE_IN_PROGRESS"
        self.destroy(own, pilot, folder)

    def test_deployed_again_and_destroyed_while_it_is_stuck_in_waking(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        again = deployed(own, pilot, folder, "--off")
        own.fault(fault="stuck_creating")
        waking = requests.post(
            f"{again.api_url}/endpoint", json={"state": "on"}, auth=deployment(own).admin_auth, timeout=30
        )
        assert waking.ok, waking.text
        until(own.endpoint)
        assert said(pilot, folder, "destroy", "--yes")["kept"]
        self.nothing_is_left(own)
        assert said(pilot, folder, "destroy", "--yes")["removed"] == []  # once more is no harm

    def test_killed_before_the_endpoint_is_gone_it_left_armed_what_turns_it_off_and_can_be_repeated(
        self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]
    ) -> None:
        deployed(own, pilot, folder)
        rules, hard_stops = enabled(own), own.client("scheduler").list_schedules()["Schedules"]
        ours = {resource.get("PhysicalResourceId") for resource in deployment(own).stack_resources("FineTune")}
        assert rules & ours
        assert [schedule["State"] for schedule in hard_stops] == ["ENABLED"] * 2
        killed_when("turning it off", folder)
        assert enabled(own) == rules - ours
        left = own.client("scheduler").list_schedules()["Schedules"]
        assert all(schedule in hard_stops for schedule in left)  # they go with the endpoint
        self.destroy(own, pilot, folder)

    def destroy(self, own: LocalCloud, pilot: Pilot, folder: dict[str, str]) -> None:
        """What it keeps it names before it begins, and once it is done; and that is what is kept."""
        [bucket] = [
            resource["PhysicalResourceId"]
            for resource in deployment(own).stack_resources("FineTune")
            if resource["ResourceType"] == "AWS::S3::Bucket"
        ]
        destroyed = pilot("destroy", "--yes", **folder)
        assert destroyed.returncode == 0, destroyed.stderr
        words = " ".join(destroyed.stdout.split())
        before, gone, after = words.partition("Stage local is gone")
        named = [text[text.index("Kept on purpose: ") :].strip() for text in (before, after)]
        assert gone
        assert named[0] == named[1]
        assert f"the bucket {bucket}," in named[0]
        assert bucket in [found["Name"] for found in own.client("s3").list_buckets()["Buckets"]]
        self.nothing_is_left(own)

    def nothing_is_left(self, own: LocalCloud) -> None:
        sagemaker = own.client("sagemaker")
        stacks = own.client("cloudformation").describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
        assert sagemaker.list_endpoints()["Endpoints"] == []
        assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
        assert sagemaker.list_models()["Models"] == []
        assert sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"] == []
        assert own.client("dynamodb").list_tables()["TableNames"] == []
        assert own.client("lambda").list_functions()["Functions"] == []
        assert own.client("apigateway").get_rest_apis()["items"] == []
        assert own.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        assert own.client("scheduler").list_schedules()["Schedules"] == []
        assert own.client("events").list_rules()["Rules"] == []
        assert own.client("stepfunctions").list_state_machines()["stateMachines"] == []
