"""One stage's runs of fine-tuning, seen from outside: HTTP and boto3."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from pilotlight.deployment import Deployment
from pilotlight.finetune import FineTunes, Record, run_name

from .conftest import LocalCloud

ROWS = [
    {"instruction": f"What is {n} and {n}?", "context": "", "response": f"It is {2 * n}.\nTicket: closed"}
    for n in range(12)
]
HYPERPARAMETERS = {"epoch": "1", "learning_rate": "1e-3"}
SETTINGS = {"hyperparameters": HYPERPARAMETERS, "min_improvement": -1}
_STEP_SECONDS = 30
"""Of simulated time from one look to the next: no test sits through what a run only waits for."""


class Tuning:
    """The means to start a run and see what becomes of it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.deployment = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)
        self.runs = FineTunes(self.deployment)
        self.bucket = self.runs.bucket()
        self.s3 = cloud.client("s3")

    def dataset(self, name: str, rows: list[Any] = ROWS, files: Mapping[str, str] | None = None) -> str:
        """Its prefix. `rows` become train.jsonl, beside which `files` lie."""
        prefix = f"datasets/{name}/"
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        for file, content in {"train.jsonl": text, **(files or {})}.items():
            self.s3.put_object(Bucket=self.bucket, Key=prefix + file, Body=content.encode())
        return f"s3://{self.bucket}/{prefix}"

    def start(self, name: str, **asked: Any) -> str:
        asked = {**SETTINGS, **asked} if "attach" not in asked else asked
        return self.runs.start(asked, name=run_name(self.deployment.now()), by=name)

    def posted(self, **asked: Any) -> str:
        """The id of a run that the API has started."""
        headers = {"x-api-key": self.deployment.admin_key}
        answer = self.cloud.call("POST", "/finetunes", {**SETTINGS, **asked}, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def until(self, run: str, is_so: Callable[[Record], bool], seconds: float = 240, *, advance: float = 0) -> Record:
        """The run's record once `is_so`; simulated time is advanced from look to look, which waits for jobs as well."""
        deadline = time.monotonic() + seconds
        while not (record := self.deployment.ledger_entry("finetune", run)) or not is_so(record):
            assert time.monotonic() < deadline, record
            self.pass_by(advance)
        return record

    def pass_by(self, advance: float = _STEP_SECONDS) -> None:
        """A moment; of simulated time where `advance` is not 0."""
        if advance:
            self.cloud.advance(advance)
        time.sleep(0.2)

    def waiting(self, run: str) -> Record:
        """The run's record once it waits for a person's word."""
        return self.until(run, lambda record: bool(record["token"]), advance=_STEP_SECONDS)

    def ended(self, run: str) -> Record:
        """The run's record at its end, as the API shows it."""
        self.until(run, lambda record: record["status"] != "running", advance=_STEP_SECONDS)
        answer = self.cloud.call("GET", f"/finetunes/{run}")
        assert answer.status_code == 200, answer.text
        found: Record = answer.json()
        return found

    def attached(self, name: str, trained: Record) -> Record:
        """How a run ends that attaches the job that trained another run's model."""
        return self.ended(self.start(name, attach=job_of(trained)))

    def link(self, run: str) -> str:
        """The token of the link in the mail that asks for an approval."""
        notices = requests.get(f"{self.cloud.aws_endpoint_url}/_pilot/notices", timeout=10).json()
        mail = next(notice["message"] for notice in notices if f"pilot approve {run}" in notice["message"])
        page, _, token = str(next(word for word in mail.split() if "?token=" in word)).partition("?token=")
        assert page.endswith("/approve")
        return token

    def page(self, method: str, token: str, **fields: str) -> tuple[int, str]:
        """The approval's page as a browser gets it, without any key; its buttons send a form."""
        given: dict[str, Any] = {"params" if method == "GET" else "data": {"token": token, **fields}}
        answer = requests.request(method, f"{self.cloud.api_url}/approve", timeout=60, **given)
        return answer.status_code, answer.text

    def override(self) -> str:
        parameters = {
            p["ParameterKey"]: p["ParameterValue"] for p in self.deployment.describe_stack("Endpoint")["Parameters"]
        }
        return str(parameters["ModelDataUrl"])

    def read(self, uri: str) -> str:
        """An object of the bucket."""
        key = uri.removeprefix(f"s3://{self.bucket}/")
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())

    def evaluation(self, record: Record) -> dict[str, Any]:
        """All of it, as it lies beside the run's report."""
        found: dict[str, Any] = json.loads(self.read(record["report"].replace("report.html", "evaluation.json")))
        return found

    def endpoint_status(self) -> str:
        """As SageMaker says; empty where there is no endpoint."""
        return str((self.cloud.endpoint() or {}).get("EndpointStatus", ""))

    def serves(self, artifact: str) -> None:
        """That model answers through the API, the stack and SageMaker agree on it, and no job is left."""
        assert (self.override(), self.cloud.model_data()) == (artifact, artifact)
        assert self.cloud.generate("What is 2 and 2?", max_length=16).status_code == 200
        assert self.cloud.drifts() == {}
        assert self.jobs_running() == []

    def is_as_before(self, failed: Record, artifact: str) -> None:
        """Nothing of a run that failed is left but its record: the model from before serves, the registry has rejected
        the new one, a person knows, and nobody has or awaits a turn.
        """
        assert failed["status"] == "failed"
        assert failed["message"] in self.told(failed["id"])
        if failed["promotion"]:
            assert f"The endpoint serves {artifact} again" in failed["message"]
        package = self.cloud.client("sagemaker").describe_model_package(ModelPackageName=failed["package_arn"])
        assert package["ModelApprovalStatus"] == "Rejected"
        assert (self.deployment.ledger_entry("promotion", "endpoint") or {}).keys() <= {"off"}
        self.serves(artifact)

    def jobs_running(self) -> list[str]:
        listed = self.cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        return [job["TrainingJobName"] for job in listed if job["TrainingJobStatus"] in ("InProgress", "Stopping")]

    def job(self, name: str) -> dict[str, Any]:
        """As SageMaker describes it."""
        found: dict[str, Any] = self.cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
        return found

    def faults(self, *faults: dict[str, Any]) -> None:
        for fault in faults:
            assert self.cloud.fault(**fault).ok

    def told(self, run: str) -> str:
        """What people were told of a run at last."""
        found = requests.get(f"{self.cloud.aws_endpoint_url}/_pilot/notices", timeout=10).json()
        return str([notice["message"] for notice in found if f"Run {run}," in notice["message"]][-1])


def job_of(record: Record) -> str:
    """The job that trained the run's model."""
    return str([job["name"] for job in record["jobs"] if job["kind"] == "train"][-1])


def said_at(record: Record, step: str) -> str:
    """All that was said at a step."""
    return "\n".join(said["message"] for said in record["steps"] if said["name"] == step)


def phase(record: Record) -> str:
    """Of its promotion; empty before that."""
    return str(record["promotion"].get("phase", ""))
