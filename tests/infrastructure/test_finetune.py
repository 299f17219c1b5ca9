"""The fine-tuning stack: what its state machine can come to, what its roles may do, and what outlives it."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Template

from .conftest import Synthesis

STEPS = ("CheckDataset", "Plan", "Train", "Evaluate", "Register", "Approve", "Promote", "Smoke", "Done")


@pytest.fixture(scope="module")
def template(synthesis: Synthesis) -> Template:
    return synthesis.template("llama2", "FineTune")


@pytest.fixture(scope="module")
def states(template: Template) -> dict[str, Any]:
    (machine,) = template.find_resources("AWS::StepFunctions::StateMachine").values()
    text = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    definition = json.loads("".join(part if isinstance(part, str) else "ARN" for part in text))
    found: dict[str, Any] = definition["States"]
    return found


def following(state: dict[str, Any]) -> set[str]:
    """Every state that may come next."""
    named = [state.get("Next"), state.get("Default")]
    named += [branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))]
    return {name for name in named if name}


def ends_of(states: dict[str, Any], start: str) -> set[str]:
    """Where a way from `start` may end."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += following(states[name])
    return {name for name in seen if states[name]["Type"] in ("Succeed", "Fail")}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_fail_and_every_failure_passes_rollback_and_notify(states: dict[str, Any], step: str) -> None:
    (caught,) = states[step]["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "Rollback")
    assert ends_of(states, "Rollback") == {"Failed", "Mended", "NotTold"}
    assert all("Notify" in following(states[name]) for name in ("Rollback", "Rolled back?"))


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("Approve", "Done")])
def test_a_step_that_waits_is_asked_again(states: dict[str, Any], step: str) -> None:
    choice = states[f"{step}: what next?"]
    others = {"Told twice"} if step == "CheckDataset" else set()
    assert {branch["Next"] for branch in choice["Choices"]} == {f"WaitFor{step}", "Rollback"} | others
    assert states[f"WaitFor{step}"]["Next"] == step


def test_a_model_serves_only_after_it_was_smoked(states: dict[str, Any]) -> None:
    before = [name for name, state in states.items() if "Done" in following(state)]
    assert before == ["Smoke: what next?"]


def test_an_approval_has_an_end(states: dict[str, Any]) -> None:
    assert states["Approve"]["TimeoutSeconds"] == 72 * 3600
    assert "waitForTaskToken" in states["Approve"]["Resource"]


def test_the_bucket_outlives_the_stack_and_is_nobodys_but_the_accounts(template: Template) -> None:
    ((_, bucket),) = template.find_resources("AWS::S3::Bucket").items()
    assert (bucket["DeletionPolicy"], "BucketName" in bucket["Properties"]) == ("Retain", False)
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True


def test_what_was_killed_is_mended_and_a_dropped_file_starts_a_run(template: Template) -> None:
    rules = [rule["Properties"] for rule in template.find_resources("AWS::Events::Rule").values()]
    patterns = {rule["EventPattern"]["source"][0]: rule["EventPattern"]["detail"] for rule in rules}
    assert set(patterns["aws.states"]["status"]) == {"ABORTED", "TIMED_OUT", "FAILED"}
    assert patterns["aws.s3"]["object"]["key"] == [{"wildcard": "datasets/*/run.toml"}]
    (given,) = [rule["Targets"][0]["InputTransformer"] for rule in rules if "object" in rule["EventPattern"]["detail"]]
    assert set(given["InputPathsMap"].values()) == {"$.detail.object.key", "$.detail.object.sequencer"}


def test_jobs_write_into_the_stages_bucket_and_nowhere_else(template: Template) -> None:
    written = [
        statement["Resource"]
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement["Action"]
    ]
    (resources,) = written
    (bucket_id,) = template.find_resources("AWS::S3::Bucket")
    assert all(resource["Fn::Join"][1][0] == {"Fn::GetAtt": [bucket_id, "Arn"]} for resource in resources)


def test_only_the_training_role_is_passed_on_and_only_to_sagemaker(template: Template) -> None:
    passed = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    (statement,) = passed
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "Fn::GetAtt" in statement["Resource"]


def test_a_job_may_read_and_pull_what_a_program_of_the_users_own_is_made_of_and_nothing_else(
    synthesis: Synthesis,
) -> None:
    template = synthesis.template("mine", "FineTune")
    (policy,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for name, resource in template.find_resources("AWS::IAM::Policy").items()
        if name.startswith("TrainingRole")
    ]
    allowed = [(statement["Action"], json.dumps(statement["Resource"])) for statement in policy]
    named = [resource for action, resource in allowed if action == "s3:GetObject"]
    assert [
        any(place in resource for resource in named)
        for place in (":s3:::code-of-mine/train/mine.tar.gz*", ":s3:::models-of-mine/tiny/*", ":s3:::code-of-mine/*")
    ] == [True, True, False]
    (pulled,) = [statement["Resource"] for statement in policy if "ecr:BatchGetImage" in statement["Action"]]
    registry = "arn:aws:ecr:us-east-1:111122223333:repository/"
    assert pulled == [f"{registry}pilotlight-training", f"{registry}trains"]


def test_the_api_knows_whose_hyperparameters_it_takes(synthesis: Synthesis) -> None:
    for stage, program in (("mine", "script"), ("llama2", "jumpstart")):
        assert f'"FINETUNE_PROGRAM": "{program}"' in json.dumps(synthesis.template(stage, "Api").to_json())


def test_a_model_that_cannot_be_fine_tuned_has_no_such_stack(synthesis: Synthesis) -> None:
    assert not (synthesis.folder / "Pilotlight-alexatm-FineTune.template.json").exists()
    proxy = json.dumps(synthesis.template("alexatm", "Api").to_json())
    assert "FINETUNE_ARN" not in proxy
