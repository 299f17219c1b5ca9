"""The control stack: who may do what, when somebody is told, and what turns the endpoint off."""

import json
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template
from common.schedule import parse

from pilotlight import standing_costs

from .conftest import Synthesis


@pytest.fixture
def template(synthesis: Synthesis) -> Template:
    return synthesis.template("falcon", "Control")


def properties(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: dict(found["Properties"]) for name, found in template.find_resources(kind).items()}


def definition(template: Template) -> dict[str, Any]:
    (machine,) = properties(template, "AWS::StepFunctions::StateMachine").values()
    parts = machine["DefinitionString"]["Fn::Join"][1]
    found: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else "arn" for part in parts))
    return found


def allowed(template: Template, function: str) -> list[dict[str, Any]]:
    """The statements of the role of the function with this handler."""
    (role,) = (
        found["Role"]["Fn::GetAtt"][0]
        for found in properties(template, "AWS::Lambda::Function").values()
        if found["Handler"] == f"{function}.handler.lambda_handler"
    )
    (policy,) = (p for p in properties(template, "AWS::IAM::Policy").values() if p["Roles"] == [{"Ref": role}])
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {a for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}


class TestSwitch:
    def test_the_drawing(self, template: Template) -> None:
        """Every state leads to an end, and the loop waits."""
        states = definition(template)["States"]
        assert states["Begin"]["Next"] == "Step"
        assert states["Step"]["Next"] == "Settled?"
        assert {choice["StringEquals"]: choice["Next"] for choice in states["Settled?"]["Choices"]} == {
            "wait": "Wait",
            "done": "Done",
        }
        assert states["Settled?"]["Default"] == "Failed"
        assert (states["Wait"]["SecondsPath"], states["Wait"]["Next"]) == ("$.wait_seconds", "Step")

    def test_a_step_that_fails_is_repeated_and_then_told(self, template: Template) -> None:
        states = definition(template)["States"]
        for name in ("Step", "Tell"):
            (retry,) = states[name]["Retry"]
            assert (retry["ErrorEquals"], retry["MaxAttempts"], retry["JitterStrategy"]) == (["States.ALL"], 5, "FULL")
        (caught,) = states["Step"]["Catch"]
        assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "Tell")
        assert states["Tell"]["Next"] == "Failed"
        (untold,) = states["Tell"]["Catch"]
        assert (untold["Next"], states["Untold"]["Type"]) == ("Untold", "Fail")

    def test_what_came_of_it_is_its_output_or_its_cause(self, template: Template) -> None:
        states = definition(template)["States"]
        assert states["Done"] == {"Type": "Succeed", "OutputPath": "$.result"}
        assert states["Failed"]["CausePath"] == "States.JsonToString($.result)"

    def test_a_step_takes_its_time_and_its_memory_from_the_execution(self, template: Template) -> None:
        payload = definition(template)["States"]["Step"]["Parameters"]
        assert payload == {
            "request.$": "$$.Execution.Input",
            "execution.$": "$$.Execution.Id",
            "now.$": "$$.State.EnteredTime",
            "memory.$": "$.memory",
        }

    def test_it_may_change_one_stack_and_only_what_that_holds(self, template: Template, synthesis: Synthesis) -> None:
        statements = allowed(template, "switch")
        update = next(s for s in statements if s["Action"] == "cloudformation:UpdateStack")
        assert json.dumps(update["Resource"]).endswith(':stack/Pilotlight-falcon-Endpoint/*"]]}')
        listed = set(update["Condition"]["ForAllValues:StringEquals"]["cloudformation:ResourceTypes"])
        assert update["Condition"]["Null"] == {"cloudformation:ResourceTypes": "false"}
        held = {  # a stage that scales and one whose updates bake
            resource["Type"]
            for stage in ("volume", "falcon")
            for resource in synthesis.template(stage, "Endpoint").to_json()["Resources"].values()
        }
        (settings,) = (
            f["Environment"]["Variables"]
            for f in properties(template, "AWS::Lambda::Function").values()
            if f["Handler"] == "switch.handler.lambda_handler"
        )
        assert set(json.loads(settings["RESOURCE_TYPES"])) == listed  # what it names in its request
        assert listed - {"AWS::CDK::Metadata"} == held - {"AWS::CDK::Metadata"}

    def test_it_creates_no_endpoint_beside_the_stack(self, template: Template) -> None:
        sagemaker = {action for action in actions(allowed(template, "switch")) if action.startswith("sagemaker:")}
        assert sagemaker == {
            "sagemaker:DescribeEndpoint",
            "sagemaker:DescribeEndpointConfig",
            "sagemaker:DeleteEndpoint",
        }

    def test_it_may_start_no_other_state_machine_than_itself(self, template: Template) -> None:
        (start,) = (s for s in allowed(template, "switch") if "states:StartExecution" in s["Action"])
        assert json.dumps(start["Resource"]).endswith(':stateMachine:pilotlight-falcon-switch"]]}')
        (switch_arn,) = (
            f["Environment"]["Variables"]["SWITCH_ARN"]
            for f in properties(template, "AWS::Lambda::Function").values()
            if f["Handler"] == "switch.handler.lambda_handler"
        )
        assert switch_arn == start["Resource"]

    def test_its_name_is_the_one_that_the_hard_stop_starts(self, template: Template) -> None:
        template.has_resource_properties(
            "AWS::StepFunctions::StateMachine", {"StateMachineName": "pilotlight-falcon-switch"}
        )


class TestMeter:
    def test_it_ticks_every_five_minutes(self, template: Template) -> None:
        template.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(5 minutes)"})

    def test_it_changes_nothing_itself(self, template: Template) -> None:
        assert not [
            a for a in actions(allowed(template, "meter")) if a.startswith(("cloudformation:U", "sagemaker:Del"))
        ]
        publish = next(s for s in allowed(template, "meter") if s["Action"] == "cloudwatch:PutMetricData")
        assert publish["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Pilotlight"}}

    def test_it_starts_the_switch_and_what_mends_a_run_and_no_other_machine(self, synthesis: Synthesis) -> None:
        for stage, machines in (("llama2", ("switch", "finetune")), ("alexatm", ("switch",))):
            statements = allowed(synthesis.template(stage, "Control"), "meter")
            (start,) = [s["Resource"] for s in statements if s["Action"] == "states:StartExecution"]
            named = json.dumps(start if isinstance(start, list) else [start])
            assert named.count(":stateMachine:") == len(machines)
            assert all(f":stateMachine:pilotlight-{stage}-{machine}" in named for machine in machines)


class TestSweep:
    def test_it_sweeps_daily(self, template: Template) -> None:
        template.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)"})

    def test_it_describes_and_removes_only_what_carries_the_stages_tag_and_nothing_that_is_billed(
        self, template: Template
    ) -> None:
        statements = allowed(template, "sweep")
        verbs = {action.partition(":")[2] for action in actions(statements) if not action.startswith("logs:")}
        changing = {verb for verb in verbs if verb.startswith(("Delete", "Stop", "Create"))}
        assert changing == {"DeleteModel", "DeleteEndpointConfig"}
        for statement in statements:
            if any(action.startswith(("sagemaker:Describe", "sagemaker:Delete")) for action in actions([statement])):
                assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/pilotlight:stage": "falcon"}}


class TestAlarms:
    @pytest.mark.parametrize(
        ("metric", "threshold", "reason"),
        [
            ("IdleMinutes", 60, "idle"),
            ("MinutesOn", 720, "lifetime"),
            ("DollarsThisMonth", 100, "budget"),
        ],
    )
    def test_a_limit_that_is_passed_starts_the_switch(
        self, template: Template, metric: str, threshold: float, reason: str
    ) -> None:
        alarm = self._alarm(template, metric, threshold)
        rules = properties(template, "AWS::Events::Rule").values()
        (rule,) = (r for r in rules if r.get("EventPattern", {}).get("detail", {}).get("alarmName") == [{"Ref": alarm}])
        assert rule["EventPattern"]["detail"]["state"] == {"value": ["ALARM"]}
        (target,) = rule["Targets"]
        assert json.loads(target["Input"])["reason"] == reason

    def test_the_warning_is_written_by_a_function_that_may_sign_and_publish(self, template: Template) -> None:
        alarm = self._alarm(template, "IdleMinutes", 50)
        assert "AlarmActions" not in properties(template, "AWS::CloudWatch::Alarm")[alarm]
        rules = properties(template, "AWS::Events::Rule").values()
        (rule,) = (r for r in rules if r.get("EventPattern", {}).get("detail", {}).get("alarmName") == [{"Ref": alarm}])
        assert "Warning" in rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]
        (ledger,) = (s for s in allowed(template, "warning") if "dynamodb:GetItem" in s["Action"])
        assert ledger["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["secret"]}}

    def test_a_person_is_told_of_a_mismatch(self, template: Template) -> None:
        alarm = self._alarm(template, "Mismatch", 1)
        (topic,) = properties(template, "AWS::SNS::Topic")
        assert properties(template, "AWS::CloudWatch::Alarm")[alarm]["AlarmActions"] == [{"Ref": topic}]

    @pytest.mark.parametrize(
        ("periods", "missing", "tells"), [(3, "missing", "InsufficientDataActions"), (6, "breaching", None)]
    )
    def test_a_meter_that_is_silent_is_noticed_by_its_silence(
        self, template: Template, periods: int, missing: str, tells: str | None
    ) -> None:
        """Breaching from the first minute on would tell of a silence that is as old as the deploy."""
        (alarm,) = (
            found
            for found in properties(template, "AWS::CloudWatch::Alarm").values()
            if found["MetricName"] == "Heartbeat" and found["EvaluationPeriods"] == periods
        )
        assert (alarm["TreatMissingData"], alarm["Period"]) == (missing, 300)
        assert [key for key in alarm if key.endswith("Actions")] == ([tells] if tells else [])

    def _alarm(self, template: Template, metric: str, threshold: float) -> str:
        found = properties(template, "AWS::CloudWatch::Alarm").items()
        (name,) = (name for name, alarm in found if (alarm["MetricName"], alarm["Threshold"]) == (metric, threshold))
        assert properties(template, "AWS::CloudWatch::Alarm")[name]["Dimensions"] == [
            {"Name": "Stage", "Value": "falcon"}
        ]
        return name


def test_what_stands_while_it_is_off_is_what_the_costs_are_counted_from(synthesis: Synthesis) -> None:
    """Control and Api stay; what the endpoint stack has while it is off is free."""
    alarms = [
        alarm
        for role in ("Control", "Api")
        for alarm in properties(synthesis.template("falcon", role), "AWS::CloudWatch::Alarm").values()
    ]
    assert len(alarms) == standing_costs.STAGE.alarms
    dashboards = properties(synthesis.template("falcon", "Api"), "AWS::CloudWatch::Dashboard")
    assert len(dashboards) == standing_costs.STAGE.dashboards
    meters = {
        a["MetricName"] for a in properties(synthesis.template("falcon", "Control"), "AWS::CloudWatch::Alarm").values()
    }
    assert len(meters) == standing_costs.STAGE.metrics
    assert sum(item.usd for item in standing_costs.items(standing_costs.STAGE)) <= 3


class TestWhatIsConfigured:
    """The stage `volume` is configured with everything that falcon leaves out."""

    def test_schedules_in_their_own_time_zone(self, synthesis: Synthesis) -> None:
        template = synthesis.template("volume", "Control")
        for target, expression in (("on", "cron(0 22 ? * FRI *)"), ("off", "cron(30 6 ? * SAT *)")):
            template.has_resource_properties(
                "AWS::Scheduler::Schedule",
                {
                    "ScheduleExpression": expression,
                    "ScheduleExpressionTimezone": "Europe/Paris",
                    "Target": Match.object_like(
                        {"Input": json.dumps({"target": target, "reason": "schedule", "by": "schedule 1"})}
                    ),
                },
            )

    @pytest.mark.parametrize(("stack", "variable"), [("Control", "PROMOTION"), ("Api", "WAKE_ON_CALL")])
    def test_receipts_and_status_know_the_schedules(self, synthesis: Synthesis, stack: str, variable: str) -> None:
        functions = properties(synthesis.template("volume", stack), "AWS::Lambda::Function").values()
        told = [function.get("Environment", {}).get("Variables", {}) for function in functions]
        (environment,) = [variables for variables in told if variable in variables]
        text = "on 22:00 FRI Europe/Paris;off 06:30 SAT Europe/Paris"
        assert (environment["SCHEDULES"], [start.target for start in parse(text)]) == (text, ["on", "off"])

    def test_a_trigger_that_is_switched_off_has_no_alarm(self, synthesis: Synthesis) -> None:
        alarms = properties(synthesis.template("volume", "Control"), "AWS::CloudWatch::Alarm").values()
        assert {alarm["MetricName"] for alarm in alarms} == {"Mismatch", "Heartbeat", "DollarsThisMonth"}

    def test_people_hear_by_mail_and_aws_budgets_tells_them_too(self, synthesis: Synthesis) -> None:
        template = synthesis.template("volume", "Control")
        template.has_resource_properties("AWS::SNS::Subscription", {"Protocol": "email", "Endpoint": "me@example.com"})
        (budget,) = properties(template, "AWS::Budgets::Budget").values()
        assert budget["Budget"]["BudgetLimit"] == {"Amount": 100, "Unit": "USD"}
