"""`/finetunes`: what starts a run, what is told of one, and who is asked before its model serves."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.proxy.fakes import SETTINGS, Answer, Api, event

DATASET = "s3://data-of-test/datasets/tickets/"
RECORD = {
    "id": "20261124-170000-ab",
    "execution_arn": "arn:aws:states:…",
    "status": "running",
    "step": "Approve",
    "token": "a secret",
    "usd": 1.5,
}


@pytest.fixture
def api() -> Api:
    made = Api()
    made.runs.records[RECORD["id"]] = RECORD  # type: ignore[index]
    return made


def start(api: Api, **body: Any) -> Answer:
    return api.send(event("POST", "/finetunes", body))


def read(api: Api, run: str) -> Answer:
    return api.send(event("GET", f"/finetunes/{run}", resource="/finetunes/{id}", pathParameters={"id": run}))


def decide(api: Api, run: str, body: object) -> Answer:
    resource = "/finetunes/{id}/approval"
    return api.send(event("POST", f"/finetunes/{run}/approval", body, resource=resource, pathParameters={"id": run}))


def test_a_run_is_started_with_what_was_asked_and_an_id_that_fits_a_jobs_name(api: Api) -> None:
    answer = start(api, dataset=DATASET, max_cost_usd=7, hyperparameters={"epoch": 3})
    assert answer.status == 200
    (started,) = api.runs.started
    assert started["stateMachineArn"] == SETTINGS.finetune_arn
    assert (started["name"], len(started["name"]) <= 18) == (answer.body["id"], True)
    assert json.loads(started["input"])["asked"] == {
        "dataset": DATASET, "max_cost_usd": 7, "hyperparameters": {"epoch": 3}
    }  # fmt: skip


def test_a_program_of_the_users_own_has_hyperparameters_of_its_own() -> None:
    script = Api(settings=replace(SETTINGS, finetune_program="script"))
    assert start(script, dataset=DATASET, hyperparameters={"peft_type": "lora"}).status == 200
    answer = start(script, dataset=DATASET, hyperparameters={"sagemaker_program": "x.py"})
    assert (answer.status, answer.body["error"]["param"]) == (400, "sagemaker_program")


def test_a_model_may_have_hyperparameters_beside_the_table(api: Api) -> None:
    further = {"target_modules": {"kind": "text", "default": "q_proj,v_proj"}}
    other = Api(settings=replace(SETTINGS, finetune_program="jumpstart", finetune_hyperparameters=further))
    for value, status in (("k_proj", 200), (7, 400)):
        answer = start(other, dataset=DATASET, hyperparameters={"target_modules": value, "epoch": 3})
        assert answer.status == status
    answer = start(api, dataset=DATASET, hyperparameters={"target_modules": "k_proj"})
    assert (answer.status, answer.body["error"]["param"]) == (400, "target_modules")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "dataset"),
        ({"dataset": "datasets/tickets"}, "dataset"),
        ({"dataset": DATASET, "epochs": 3}, "epochs"),
        ({"dataset": DATASET, "max_cost_usd": -1}, "max_cost_usd"),
        ({"dataset": DATASET, "hyperparameters": {"epoch": 0}}, "epoch"),
        ({"dataset": DATASET, "spot": "yes"}, "spot"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_at_once_and_by_name(api: Api, body: dict[str, Any], param: str) -> None:
    answer = start(api, **body)
    assert (answer.status, answer.body["error"]["param"]) == (400, param)
    assert api.runs.started == []


def test_a_record_is_told_without_what_would_let_anybody_approve(api: Api) -> None:
    answer = read(api, "20261124-170000-ab")
    assert (answer.status, answer.body["usd"]) == (200, 1.5)
    assert not {"token", "execution_arn"} & answer.body.keys()


BEHIND_IT = {
    "execution_arn": "arn:aws:states:us-east-1:111122223333:execution:m:r",
    "promotion": {"phase": "promoted", "execution": "arn:aws:states:us-east-1:111122223333:execution:switch:r"},
}


@pytest.mark.parametrize("has_console", [True, False])
def test_a_record_is_told_with_links_to_the_console_where_there_is_one(has_console: bool) -> None:
    api = Api(has_console=has_console)
    api.runs.records["r"] = {**RECORD, **BEHIND_IT, "artifact": "s3://data/models/j/output/model/"}
    assert ("artifact" in read(api, "r").body["links"]) == has_console


def test_a_record_is_told_without_the_executions_behind_it() -> None:
    """Anybody with a key reads it."""
    api = Api(has_console=True)
    api.runs.records["r"] = {**RECORD, **BEHIND_IT}
    body = read(api, "r").body
    assert body["promotion"] == {"phase": "promoted"}
    assert "111122223333" not in json.dumps(body)


@pytest.mark.parametrize("run", ["nobody", "..%2f", "a" * 200])
def test_a_run_that_does_not_exist_is_not_found(api: Api, run: str) -> None:
    assert read(api, run).status == 404
    assert decide(api, run, {"approve": True}).status == 404


@pytest.mark.parametrize(("approve", "sent"), [(True, {"output": "{}"}), (False, {"error": "Rejected"})])
def test_a_persons_word_reaches_the_state_machine_that_waits_for_it(
    api: Api, approve: bool, sent: dict[str, str]
) -> None:
    assert decide(api, "20261124-170000-ab", {"approve": approve}).body["approved"] is approve
    (told,) = api.runs.told
    assert told.items() >= {"taskToken": "a secret", **sent}.items()


@pytest.mark.parametrize("body", [{}, {"approve": "yes"}, {"approve": True, "by": "me"}])
def test_a_word_that_is_none_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert decide(api, "20261124-170000-ab", body).status == 400
    assert api.runs.told == []


def test_a_run_that_waits_for_nobody_says_so(api: Api) -> None:
    api.runs.records["done"] = {**RECORD, "token": "", "status": "done", "step": "Done"}
    assert decide(api, "done", {"approve": True}).status == 409
    api.runs.refusal = ClientError({"Error": {"Code": "TaskTimedOut", "Message": "over"}}, "SendTaskSuccess")
    answer = decide(api, "20261124-170000-ab", {"approve": True})
    assert (answer.status, answer.body["error"]["type"]) == (409, "not_waiting")


def test_an_aws_that_does_not_take_the_start_is_a_502(api: Api) -> None:
    api.runs.refusal = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "StartExecution")
    assert start(api, dataset=DATASET).status == 502


def test_a_stage_whose_model_cannot_be_fine_tuned_says_so() -> None:
    api = Api(replace(SETTINGS, finetune_arn=""))
    answer = start(api, dataset=DATASET)
    assert (answer.status, "cannot be fine-tuned" in answer.body["error"]["message"]) == (404, True)
