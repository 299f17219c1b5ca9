"""Runs of fine-tuning from outside: put a dataset where they read it, start one, follow it, say yes or no to it."""

import json
import re
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from finetune.console_links import console_links

from pilotlight.deployment import Deployment, NotDeployedError, finetune_name, ledger_name

POLL_SECONDS = 2.0
RUN_FILE = "run.toml"

Record = dict[str, Any]


class FineTuneError(Exception):
    """A run could not be started, did not end well, or is not there; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """The files of one folder, by their names in it; `name` is what the folder is called in the bucket. `settings` are
    those of a run.toml beside them, which is not uploaded: in the bucket it would start a run of its own.
    """

    name: str
    files: Mapping[str, Path]
    settings: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files.values())


def dataset(path: Path) -> Dataset:
    """A folder, or one file. Raises FineTuneError."""
    if not path.exists():
        raise FineTuneError(f"There is no {path}. Give a folder with the dataset, or its one file.")
    files = {path.name: path} if path.is_file() else _files(path)
    if not files:
        raise FineTuneError(f"The folder {path} holds no files.")
    name = re.sub(r"[^a-z0-9]+", "-", path.resolve().stem.lower()).strip("-")[:30]
    return Dataset(name or "dataset", files, _settings(path / RUN_FILE))


def _settings(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FineTuneError(f"{file} is not valid TOML: {error}. Strings stand in quotes.") from error


def _files(folder: Path) -> dict[str, Path]:
    """What is hidden (.DS_Store, .git) is nobody's dataset."""
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.name != RUN_FILE
    }


def run_name(now: datetime) -> str:
    """A new run's id: sortable, short enough to be part of a job's name, and its own among those of the same second."""
    return f"{now:%y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class FineTunes:
    """The runs of one deployed stage."""

    deployment: Deployment
    sleep: Callable[[float], None] = time.sleep

    def bucket(self) -> str:
        """Raises NotDeployedError where the stage has no fine-tuning."""
        return self._output("BucketName")

    def upload(self, data: Dataset, now: datetime, report: Callable[[str, int], None]) -> str:
        """The dataset's prefix in the bucket; `report` hears (file, bytes sent just now).

        The prefix is new each time: a run reads what it was started with, whatever is uploaded meanwhile.
        """
        bucket = self.bucket()
        prefix = f"datasets/{data.name}-{now:%Y%m%d-%H%M%S}/"
        s3 = self.deployment.client("s3")
        for name, path in data.files.items():
            s3.upload_file(str(path), bucket, prefix + name, Callback=lambda sent, name=name: report(name, sent))
        return f"s3://{bucket}/{prefix}"

    def start(self, asked: Mapping[str, Any], *, name: str, by: str = "pilot finetune") -> str:
        """The run's id."""
        try:
            self.deployment.client("stepfunctions").start_execution(
                stateMachineArn=self._output("FineTuneArn"), name=name, input=json.dumps({"asked": asked, "by": by})
            )
        except ClientError as error:
            if error.response["Error"].get("Code") != "ExecutionAlreadyExists":
                raise
            raise FineTuneError(f"There is a run {name} already: `pilot finetune status {name}`.") from error
        return name

    def record(self, run: str) -> Record:
        """What is known of a run (lambda/finetune/run.py). Raises FineTuneError where there is none."""
        found = self.deployment.ledger_entry("finetune", run)
        if not found:
            known = ", ".join(record["id"] for record in self.latest(5)) or "none yet"
            raise FineTuneError(f"Stage {self.deployment.stage} has no run {run!r}. The last ones: {known}.")
        return found

    def links(self, record: Record) -> dict[str, str]:
        """Pages of AWS's console; none on the embedded cloud, which no console shows."""
        return {} if self.deployment.aws_endpoint_url else console_links(record)

    def latest(self, count: int) -> list[Record]:
        """The last runs, the newest first. All are read: the keys of some say nothing of their time."""
        pages = (
            self.deployment.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=ledger_name(self.deployment.stage),
                KeyConditionExpression="#kind = :kind",
                ExpressionAttributeNames={"#kind": "kind"},
                ExpressionAttributeValues={":kind": {"S": "finetune"}},
            )
        )
        records = [json.loads(item["data"]["S"]) for page in pages for item in page["Items"]]
        return sorted(records, key=lambda record: float(record["begun_at"]), reverse=True)[:count]

    def follow(self, run: str) -> Iterator[Record]:
        """The record whenever it says something new, until the run has ended."""
        said: tuple[object, ...] = ()
        while True:
            record = self.deployment.ledger_entry("finetune", run)
            if record and (now := (record["status"], record["step"], record["message"])) != said:
                said = now
                yield record
            if record and record["status"] != "running":
                return
            self._still_there(run, bool(record))
            self.sleep(POLL_SECONDS)

    def decide(self, run: str, *, approve: bool) -> None:
        """A person's word. Raises FineTuneError where nobody waits for it."""
        token = self.record(run).get("token")
        if not token:
            raise FineTuneError(f"Run {run} does not wait for anybody's word: it is {self.record(run)['status']}.")
        states = self.deployment.client("stepfunctions")
        try:
            if approve:
                states.send_task_success(taskToken=token, output="{}")
            else:
                states.send_task_failure(taskToken=token, error="Rejected", cause="by `pilot approve --reject`")
        except ClientError as error:
            if error.response["Error"].get("Code") not in ("TaskTimedOut", "InvalidToken", "TaskDoesNotExist"):
                raise
            raise FineTuneError(
                f"Run {run} does not wait any more: the word was given, or its time is over."
            ) from error

    def stop(self, run: str) -> None:
        """The run's execution ends; what it started is stopped by its mending."""
        execution = self.record(run)["execution_arn"]
        self.deployment.client("stepfunctions").stop_execution(
            executionArn=execution, error="Stopped", cause="by `pilot finetune stop`"
        )

    def _still_there(self, run: str, known: bool) -> None:
        """An execution that could not even write its record must not be waited for for ever."""
        if known:
            return
        arn = self._output("FineTuneArn").replace(":stateMachine:", ":execution:") + f":{run}"
        found = self.deployment.client("stepfunctions").describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            raise FineTuneError(
                f"The run {run} ended {found['status']} without a word. The log of the function Checker in the stack "
                f"{self.deployment.stack_name('FineTune')} has the details."
            )

    def _output(self, key: str) -> str:
        if self.deployment.stack_status("FineTune") is None:
            self.deployment.describe_stack("Endpoint")  # says so where nothing is deployed at all
            raise NotDeployedError(
                f"Stage {self.deployment.stage} has no stack {self.deployment.stack_name('FineTune')}, which "
                f"{finetune_name(self.deployment.stage)} is in: its model cannot be fine-tuned, or it was deployed by "
                "an older Pilotlight. `pilot deploy` brings it, where it can be."
            )
        return self.deployment.output("FineTune", key)
