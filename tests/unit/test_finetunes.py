"""The runs of a stage as `pilot finetune` reads them from its ledger."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from common.ledger import Ledger
from finetune.run import id_of
from moto import mock_aws
from typer.testing import CliRunner

from pilotlight.cli import run_shown
from pilotlight.cli.main import app
from pilotlight.config import load
from pilotlight.deployment import Deployment, ledger_name
from pilotlight.finetune import Dataset, FineTunes, dataset, run_name
from tests.unit.finetune.bucket import dolly, jsonl


@dataclass(frozen=True)
class Deployed(Deployment):
    """A stage in moto's account."""

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]

    def now(self) -> datetime:
        return datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=ledger_name("dev"),
            KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "key", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "key")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Ledger(client, ledger_name("dev"))


class Elsewhere(FineTunes):
    """Runs whose bucket is moto's."""

    def bucket(self) -> str:
        return "data"


def test_of_an_upload_every_byte_is_reported_and_what_starts_a_run_stays_here(tmp_path: Path) -> None:
    files = {"train.jsonl": b"x" * 5000, "template.json": b"{}"}
    for name, content in {**files, "run.toml": b"spot = true"}.items():
        (tmp_path / name).write_bytes(content)
    data, sent = dataset(tmp_path), Counter[str]()
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        runs = Elsewhere(Deployed("dev", "us-east-1"))
        runs.upload(data, datetime(2026, 11, 24, tzinfo=UTC), lambda name, count: sent.update({name: count}))
        keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="data")["Contents"]]
    assert sent == {name: len(content) for name, content in files.items()}
    assert {key.rpartition("/")[2] for key in keys} == set(files)
    assert data.settings == {"spot": True}


def test_the_newest_run_is_the_first_however_many_pages_there_are_and_whatever_it_is_called(ledger: Ledger) -> None:
    """A megabyte fills a page, and a run that a dropped file started has a hash for its name."""
    for name, begun in (("20261124-170000-aa", 1.0), ("20261125-170000-bb", 3.0), ("r0123456789ab", 2.0)):
        ledger.put("finetune", name, {"id": name, "begun_at": begun, "filler": "x" * 390_000})
    found = FineTunes(Deployed("dev", "us-east-1")).latest(2)
    assert [record["begun_at"] for record in found] == [3.0, 2.0]


TINY = """default_stage = "dev"
[stages.dev]
model = "falcon-7b"
finetune = { image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pilotlight-training:1.0" }
"""


LLAMA = """default_stage = "dev"
[stages.dev]
model = "llama-2-7b"
accept_eula = true
"""


class Asked(FineTunes):
    """Runs that are asked for, and go no further."""

    started: ClassVar[list[Mapping[str, Any]]] = []

    def bucket(self) -> str:
        return "data"

    def upload(self, data: Dataset, now: datetime, report: Callable[[str, int], None]) -> str:  # noqa: ARG002
        return f"s3://data/datasets/{data.name}/"

    def start(self, asked: Mapping[str, Any], *, name: str, by: str = "") -> str:  # noqa: ARG002
        self.started.append(asked)
        return name


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """`pilot finetune`, beside a dataset that is called `rows`."""
    monkeypatch.setattr(Asked, "started", [])
    monkeypatch.setattr("pilotlight.cli.finetune.FineTunes", Asked)
    (tmp_path / "pilotlight.toml").write_text(TINY)
    stage = load(tmp_path / "pilotlight.toml", "dev", target="aws", region="us-east-1")
    monkeypatch.setattr("pilotlight.cli.finetune.configured", lambda _: stage)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/train.jsonl").write_bytes(jsonl(*map(dolly, range(10))))
    (tmp_path / "rows/run.toml").write_text("min_improvement = 0.1\n[hyperparameters]\nepoch = 9\n")
    monkeypatch.setattr("pilotlight.cli.finetune.deployment", lambda *_: Deployed("dev", "us-east-1"))
    return lambda *words: CliRunner().invoke(app, ["finetune", "start", *words, "--yes"])


def test_a_job_that_was_started_elsewhere_is_evaluated_with_a_dataset(
    asked: Callable[..., Any], tmp_path: Path
) -> None:
    told = asked(str(tmp_path / "rows"), "--attach", "theirs")
    assert told.exit_code == 0, told.output
    assert Asked.started == [{"min_improvement": 0.1, "attach": "theirs", "dataset": "s3://data/datasets/rows/"}]
    assert "theirs" in told.output
    assert "of training" not in told.output


def test_the_plan_says_how_long_the_rows_are_and_what_decides_whether_the_model_serves(
    asked: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = asked(str(tmp_path / "rows"), "--approve").output
    assert "(10 up to 128)" in told
    assert "if the loss falls by 10.0% or more and after `pilot approve`" in told


@pytest.mark.parametrize(("region", "warned"), [("us-east-2", False), ("sa-east-1", True)])
def test_a_ceiling_by_another_regions_prices_is_warned_of(
    asked: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str, warned: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "pilotlight.toml").write_text(LLAMA)
    stage = load(tmp_path / "pilotlight.toml", "dev", target="aws", region=region)
    monkeypatch.setattr("pilotlight.cli.finetune.configured", lambda _: stage)
    told = asked(str(tmp_path / "rows")).output
    assert (f"`pilot prices refresh --region {region}`" in told) == warned


def test_where_nothing_evaluates_the_plan_says_so(
    asked: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "pilotlight.toml").write_text(LLAMA)
    stage = load(tmp_path / "pilotlight.toml", "dev", target="aws", region="us-east-1")
    monkeypatch.setattr("pilotlight.cli.finetune.configured", lambda _: stage)
    (tmp_path / "rows/run.toml").unlink()
    assert "whatever its loss is: nothing evaluates it" in asked(str(tmp_path / "rows")).output


def test_a_run_needs_a_dataset_or_a_job(asked: Callable[..., Any]) -> None:
    assert asked("--attach", "theirs").exit_code == 0
    assert "Give a dataset" in str(asked().exception)


RECORD = {
    "id": "r",
    "status": "done",
    "execution_arn": "arn:aws:states:us-east-1:111122223333:execution:pilotlight-dev-finetune:r",
    "asked": {},
    "steps": [{"at": 1.0, "name": "Train", "message": "It trains."}],
    "jobs": [{"name": "j", "kind": "train", "instance_type": "t", "status": "Completed", "seconds": 1, "usd": 1}],
    "artifact": "s3://data/models/j/output/model/",
    "report": "s3://data/models/j/report/e/output/model/report.html",
    "usd": 1.0,
}


@pytest.mark.parametrize(("url", "linked"), [(None, True), ("http://127.0.0.1:1", False)])
def test_a_run_is_shown_with_whole_links_and_on_the_embedded_cloud_with_its_paths_only(
    capsys: pytest.CaptureFixture[str], url: str | None, linked: bool
) -> None:
    links = FineTunes(Deployed("dev", "us-east-1", url)).links(RECORD)
    run_shown.show(RECORD, links)
    shown = capsys.readouterr().out
    assert (sorted(links) == ["artifact", "job j", "log of j", "report", "run"], bool(links)) == (linked, linked)
    assert [name for name, link in links.items() if f"{name}: {link}\n" not in shown] == []
    assert "s3://data/models/j/output/model/" in shown
    assert ("https://" in shown) == linked


def test_a_runs_id_fits_a_jobs_name_and_those_of_one_second_differ() -> None:
    now = datetime(2026, 11, 24, 17, 1, 33, tzinfo=UTC)
    names = {run_name(now) for _ in range(8)}
    assert len(names) > 6  # of 65,536
    assert all(id_of(name) == name and name.startswith("261124-170133-") for name in names)


def test_its_module_needs_no_other_one_to_have_been_imported_first(tmp_path: Path) -> None:
    """What it has of the Lambda's code is found by itself."""
    subprocess.run([sys.executable, "-c", "import pilotlight.finetune"], cwd=tmp_path, check=True)


def test_of_a_bad_dataset_the_rows_are_shown_that_the_record_has(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [{"file": "a.jsonl", "line": n, "what": f"row {n} is wrong"} for n in range(1, 21)]
    run_shown.show({**RECORD, "dataset": {"problems": problems, "problem_count": 37}}, {})
    shown = capsys.readouterr().out
    assert "20 of 37" in shown
    assert [n for n in range(1, 21) if f"row {n} is wrong" not in shown] == []
