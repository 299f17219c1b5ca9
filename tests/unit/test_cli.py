"""Where the `pilot` command aims on AWS, and what it does not deploy: who pays must know where."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from pilotlight.cli import stacks, target
from pilotlight.cli.terminal import Refused
from pilotlight.deployment import Deployment

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
