"""The fine-tuning stack: what its state machine can come to, what its roles may do, and what outlives it."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template
from finetune.chat_template import FILES
from finetune.jobs import beside, job_name
from finetune.waits import pause

from stacks.code_version import digest
from stacks.constructs.finetune_machine import LONGEST_RUN

from .conftest import Synthesis

STEPS = ("CheckDataset", "Plan", "Train", "Evaluate", "Register", "Approve", "Promote", "Smoke", "Done")


@pytest.fixture(scope="module")
def template(synthesis: Synthesis) -> Template:
    return synthesis.template("llama2", "FineTune")


@pytest.fixture(scope="module")
def definition(template: Template) -> dict[str, Any]:
    (machine,) = template.find_resources("AWS::StepFunctions::StateMachine").values()
    text = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    found: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else "ARN" for part in text))
    return found


@pytest.fixture(scope="module")
def states(definition: dict[str, Any]) -> dict[str, Any]:
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


def test_every_task_is_repeated_before_it_is_given_up(states: dict[str, Any]) -> None:
    """One that comes after something was paid for, for half an hour: delays are halved by the jitter."""
    tasks = {name: state for name, state in states.items() if state["Type"] == "Task"}
    assert set(tasks) == {*STEPS, "Rollback", "Notify"}
    for name, state in tasks.items():
        assert state["Catch"]
        *_, retry = state["Retry"]
        assert retry["ErrorEquals"] == (["States.TaskFailed"] if name == "Approve" else ["States.ALL"])
        assert retry["JitterStrategy"] == "FULL"
        delays = [
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** repetition, retry["MaxDelaySeconds"])
            for repetition in range(retry["MaxAttempts"])
        ]
        least, most = (1, 2) if name == "CheckDataset" else (28, 34)
        assert least <= sum(delays) / 2 / 60 <= most


def test_neither_a_no_nor_silence_is_asked_again(states: dict[str, Any]) -> None:
    """States.TaskFailed is any error but a time-out."""
    refused, _ = states["Approve"]["Retry"]
    assert (refused["ErrorEquals"], refused["MaxAttempts"]) == (["Rejected"], 0)


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("Approve", "Done")])
def test_a_step_that_waits_is_asked_again(states: dict[str, Any], step: str) -> None:
    choice = states[f"{step}: what next?"]
    others = {"Told twice"} if step == "CheckDataset" else set()
    assert {branch["Next"] for branch in choice["Choices"]} == {f"WaitFor{step}", "Rollback"} | others
    assert states[f"WaitFor{step}"]["Next"] == step


EVENTS = {"Task": 5, "Choice": 2, "Wait": 2}
"""Of the history, for a state passed once: entered and left, and of a task scheduled, started and succeeded as well."""


def test_the_longest_run_is_far_from_the_end_of_its_history(states: dict[str, Any]) -> None:
    """Step Functions ends an execution at 25,000 events, and no Catch sees it. Each waiting step begins with short
    waits, and a run has a few.
    """
    waiting = [name.removeprefix("WaitFor") for name in states if name.startswith("WaitFor")]
    events = 0
    for step in waiting:
        (choice,) = following(states[step]) - {"Rollback"} if step != "Rollback" else {states[step]["Next"]}
        of_a_look = sum(EVENTS[states[name]["Type"]] for name in (step, choice, f"WaitFor{step}"))
        lasted = 0.0
        while lasted < LONGEST_RUN.to_seconds() / len(waiting):
            lasted += pause(lasted)
            events += of_a_look
    assert len(waiting) == 8
    assert events < 25_000 * 2 / 3


def test_a_model_serves_only_after_it_was_smoked(states: dict[str, Any]) -> None:
    before = [name for name, state in states.items() if "Done" in following(state)]
    assert before == ["Smoke: what next?"]


def test_an_approval_has_an_end(states: dict[str, Any]) -> None:
    assert states["Approve"]["TimeoutSeconds"] == 72 * 3600
    assert "waitForTaskToken" in states["Approve"]["Resource"]


def test_whoever_takes_all_the_time_there_is_to_approve_takes_none_of_the_runs(definition: dict[str, Any]) -> None:
    approval = definition["States"]["Approve"]["TimeoutSeconds"]
    assert definition["TimeoutSeconds"] == LONGEST_RUN.to_seconds() + approval


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


def test_the_endpoint_may_read_models_but_no_report_beside_them(template: Template) -> None:
    (policy,) = template.find_resources("AWS::S3::BucketPolicy").values()
    told = {
        statement["Effect"]: statement["Resource"]["Fn::Join"][1][-1]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:GetObject"
    }
    assert told["Allow"] == "/models/*"
    job = job_name("llama2", "run", 1, evaluation=True)
    for model in ("s3://ours/models/team/job/output/model/", "s3://theirs/job/output/model.tar.gz"):
        report = f"{beside(model, 'ours')}{job}/output/model/report.html"
        assert fnmatchcase(report.removeprefix("s3://ours"), told["Deny"])  # whose * goes over slashes as well
    assert not fnmatchcase("/models/team/job/output/model/report/x/output/model/config.json", told["Deny"])


def test_a_model_is_registered_with_the_code_it_came_from(template: Template, tmp_path: Path) -> None:
    (told,) = {
        function["Properties"]["Environment"]["Variables"]["CODE_VERSION"]
        for function in template.find_resources("AWS::Lambda::Function").values()
        if "CODE_VERSION" in function["Properties"].get("Environment", {}).get("Variables", {})
    }
    assert re.fullmatch(r"[\d.]+\+[0-9a-f]{12}", told)
    code = tmp_path / "training/train.py"
    code.parent.mkdir()
    code.write_text("a = 1")
    before = digest(tmp_path)
    (tmp_path / "training/__pycache__").mkdir()
    (tmp_path / "training/__pycache__/train.pyc").write_bytes(b"x")
    assert digest(tmp_path) == before
    code.write_text("a = 2")
    assert digest(tmp_path) != before


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
    ((own, built),) = [statement["Resource"] for statement in policy if "ecr:BatchGetImage" in statement["Action"]]
    assert own == "arn:aws:ecr:us-east-1:111122223333:repository/trains"
    assert re.search(r":repository/.*cdk-\w+-container-assets-[^*]*$", json.dumps(built))  # what cdk pushes to


def test_the_training_container_is_built_and_pushed_for_sagemakers_machines_where_the_config_says_so(
    synthesis: Synthesis,
) -> None:
    manifest = json.loads((synthesis.folder / "Pilotlight-mine-FineTune.assets.json").read_text())
    ((tag, image),) = manifest["dockerImages"].items()
    assert image["source"]["platform"] == "linux/amd64"
    staged = synthesis.folder / image["source"]["directory"]
    assert {"Dockerfile", "requirements.txt", "__main__.py"} <= {path.name for path in staged.iterdir()}
    functions = synthesis.template("mine", "FineTune").find_resources("AWS::Lambda::Function").values()
    told = [json.dumps(function["Properties"].get("Environment", {})) for function in functions]
    named = [said for said in told if "TRAINING" in said]
    assert len(named) == 2
    for said in named:
        assert f":{tag}" in said
        assert "image_uri" in said
        assert re.search(r"image_uri\W+build\b", said) is None
    others = json.loads((synthesis.folder / "Pilotlight-llama2-FineTune.assets.json").read_text())
    assert others["dockerImages"] == {}


def test_what_a_job_left_elsewhere_is_read_below_the_written_prefixes_by_endpoint_and_evaluation_and_nobody_else(
    synthesis: Synthesis,
) -> None:
    """The steps only see that it is there, and how large; none of them writes there."""

    def told(role: str, action: str, stage: str = "mine") -> list[str]:
        """What `role`, `STACK/ID`, may do that to in the bucket from elsewhere."""
        stack, _, beginning = role.partition("/")
        statements = [
            statement["Resource"]
            for name, policy in synthesis.template(stage, stack).find_resources("AWS::IAM::Policy").items()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if name.startswith(beginning) and action in statement["Action"]
        ]
        return re.findall(r':s3:::(sagemaker-us-east-1-111122223333[^"]*)', json.dumps(statements))

    bucket, objects = "sagemaker-us-east-1-111122223333", "sagemaker-us-east-1-111122223333/jumpstart-dft-*"
    for role in ("Foundation/Execution", "FineTune/TrainingRole"):
        assert (told(role, "s3:GetObject"), told(role, "s3:ListBucket")) == ([objects], [bucket])
    for role in ("FineTune/Stepper", "FineTune/Checker"):
        assert told(role, "s3:GetObject") == []
    listed = [one for one in allowed(synthesis.template("mine", "FineTune"), "s3:ListBucket") if "Condition" in one]
    prefixes = [one["Condition"]["StringLike"]["s3:prefix"] for one in listed]
    assert prefixes == ["tiny/*", "jumpstart-dft-*"]  # the base model's, too
    assert told("FineTune/", "s3:PutObject") == told("Foundation/", "s3:GetObject", "llama2") == []


def allowed(template: Template, action: str) -> list[dict[str, Any]]:
    """The statements that name this action alone."""
    return [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == action
    ]


def test_of_the_base_model_the_steps_read_whether_it_has_a_chat_template(synthesis: Synthesis) -> None:
    named = [statement["Resource"] for statement in allowed(synthesis.template("mine", "FineTune"), "s3:GetObject")]
    (files,) = [json.dumps(resource) for resource in named if "tokenizer_config.json" in json.dumps(resource)]
    assert re.findall(r"models-of-mine/tiny/([\w.]+)", files) == sorted(FILES)


def test_the_losses_of_a_running_job_can_be_read(template: Template) -> None:
    (statement,) = allowed(template, "cloudwatch:GetMetricStatistics")
    assert statement["Resource"] == "*"  # it has no resource level


def test_a_failed_smoke_test_can_ring_its_alarm(template: Template) -> None:
    conditions = [statement["Condition"] for statement in allowed(template, "cloudwatch:PutMetricData")]
    assert {"StringEquals": {"cloudwatch:namespace": "Pilotlight"}} in conditions


def test_the_api_knows_whose_hyperparameters_it_takes(synthesis: Synthesis) -> None:
    for stage, program in (("mine", "script"), ("llama2", "jumpstart")):
        assert f'"FINETUNE_PROGRAM": "{program}"' in json.dumps(synthesis.template(stage, "Api").to_json())


def test_hyperparameters_that_only_one_model_has_are_known_to_its_stacks_alone(synthesis: Synthesis) -> None:
    known, unknown = (json.dumps(synthesis.template(stage, "Api").to_json()) for stage in ("llama31", "llama2"))
    assert "FINETUNE_HYPERPARAMETERS" in known
    assert "FINETUNE_HYPERPARAMETERS" not in unknown
    told = json.dumps(synthesis.template("llama31", "FineTune").to_json())
    assert "q_proj,k_proj,v_proj,o_proj" in told  # as its stage says
    assert "Llama3.1" in told  # by default


def test_a_model_that_cannot_be_fine_tuned_has_no_such_stack(synthesis: Synthesis) -> None:
    assert not (synthesis.folder / "Pilotlight-alexatm-FineTune.template.json").exists()
    proxy = json.dumps(synthesis.template("alexatm", "Api").to_json())
    assert "FINETUNE_ARN" not in proxy
