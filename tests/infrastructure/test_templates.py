"""What the templates promise, asserted by property."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template
from proxy import errors
from proxy.metrics import NAMESPACE, UNITS

from .conftest import STAGES, Synthesis

ALEXATM_ENVIRONMENT = {
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600",
    "MODEL_CACHE_ROOT": "/opt/ml/model",
    "SAGEMAKER_ENV": "1",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code/",
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "TS_DEFAULT_WORKERS_PER_MODEL": "1",
}


def resources(template: Template, kind: str) -> list[dict[str, Any]]:
    return [dict(resource) for resource in template.find_resources(kind).values()]


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind)
    return found


def role_statements(synthesis: Synthesis, stage: str, service: str) -> list[dict[str, Any]]:
    """What the foundation's role for `service` is allowed."""
    template = synthesis.template(stage, "Foundation")
    roles = template.find_resources("AWS::IAM::Role").items()
    (role_id,) = (key for key, role in roles if service in json.dumps(role["Properties"]["AssumeRolePolicyDocument"]))
    policies = resources(template, "AWS::IAM::Policy")
    (policy,) = (p["Properties"] for p in policies if p["Properties"]["Roles"] == [{"Ref": role_id}])
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def variant(synthesis: Synthesis, stage: str) -> dict[str, Any]:
    config = only(synthesis.template(stage, "Endpoint"), "AWS::SageMaker::EndpointConfig")
    found: dict[str, Any] = config["Properties"]["ProductionVariants"][0]
    return found


class TestEndpointStack:
    def test_only_the_endpoint_hangs_on_the_switch(self, synthesis: Synthesis) -> None:
        """Model and config cost nothing and stay; the endpoint, which bills, is conditional and off by default."""
        template = synthesis.template("falcon", "Endpoint")
        assert only(template, "AWS::SageMaker::Endpoint")["Condition"] == "EndpointIsOn"
        assert "Condition" not in only(template, "AWS::SageMaker::Model")
        assert "Condition" not in only(template, "AWS::SageMaker::EndpointConfig")
        template.has_parameter("EndpointState", {"Default": "off", "AllowedValues": ["on", "off"]})
        assert template.to_json()["Conditions"]["EndpointIsOn"] == {"Fn::Equals": [{"Ref": "EndpointState"}, "on"]}

    def test_every_parameter_is_optional(self, synthesis: Synthesis) -> None:
        parameters = synthesis.template("falcon", "Endpoint").to_json()["Parameters"]
        assert set(parameters) == {
            "EndpointState",
            "TurnOffAt",
            "DeleteAt",
            "ModelDataUrl",
            "ModelDataCompression",
            "InstanceType",
            "OverrideFor",
        }
        assert all("Default" in parameter for parameter in parameters.values())

    def test_on_without_an_end_is_refused_by_a_rule(self, synthesis: Synthesis) -> None:
        rule = synthesis.template("falcon", "Endpoint").to_json()["Rules"]["OnNeedsAnEnd"]
        assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "EndpointState"}, "on"]}
        assert [assertion["Assert"] for assertion in rule["Assertions"]] == [
            {"Fn::Not": [{"Fn::Equals": [{"Ref": end}, ""]}]} for end in ("TurnOffAt", "DeleteAt")
        ]

    def test_an_update_needs_no_capability_and_no_parameter_store(self, synthesis: Synthesis) -> None:
        """The switch may do an UpdateStack and no more: no IAM resource here, and no bootstrap-version rule."""
        template = synthesis.template("falcon", "Endpoint").to_json()
        assert not [kind for kind in (r["Type"] for r in template["Resources"].values()) if "IAM" in kind]
        assert "BootstrapVersion" not in template["Parameters"]
        assert set(template["Rules"]) == {"OnNeedsAnEnd"}

    def test_an_override_holds_only_for_the_configuration_it_was_made_for(self, synthesis: Synthesis) -> None:
        templates = {stage: synthesis.template(stage, "Endpoint").to_json() for stage in STAGES}
        fingerprints = {t["Conditions"]["OverrideHolds"]["Fn::Equals"][1] for t in templates.values()}
        assert len(fingerprints) == len(STAGES)
        model = only(synthesis.template("falcon", "Endpoint"), "AWS::SageMaker::Model")["Properties"]
        url = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]["Fn::If"]
        assert url[:2] == ["ModelDataUrlIsOverridden", {"Ref": "ModelDataUrl"}]
        assert url[2].startswith("s3://jumpstart-cache-prod-us-east-1/")
        assert templates["falcon"]["Conditions"]["ModelDataUrlIsOverridden"]["Fn::And"][0] == {
            "Condition": "OverrideHolds"
        }

    def test_instances_scale_only_where_that_is_configured_and_while_the_endpoint_is_there(
        self, synthesis: Synthesis
    ) -> None:
        template = synthesis.template("volume", "Endpoint")
        ((target_id, target),) = template.find_resources("AWS::ApplicationAutoScaling::ScalableTarget").items()
        policy = only(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
        assert (target["Condition"], policy["Condition"]) == ("EndpointIsOn", "EndpointIsOn")
        (endpoint_id,) = template.find_resources("AWS::SageMaker::Endpoint")
        assert target["DependsOn"] == [endpoint_id]
        registered = {name: value for name, value in target["Properties"].items() if name != "Tags"}
        assert registered == {
            "ServiceNamespace": "sagemaker",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "ResourceId": "endpoint/pilotlight-volume/variant/AllTraffic",
            "MinCapacity": 1,
            "MaxCapacity": 4,
        }
        tracking = policy["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        assert (tracking["TargetValue"], policy["Properties"]["ScalingTargetId"]) == (7.5, {"Ref": target_id})
        assert only(template, "AWS::SageMaker::Endpoint")["Properties"]["RetainAllVariantProperties"] is True
        fixed = synthesis.template("falcon", "Endpoint")
        fixed.resource_count_is("AWS::ApplicationAutoScaling::ScalableTarget", 0)
        assert "RetainAllVariantProperties" not in only(fixed, "AWS::SageMaker::Endpoint")["Properties"]

    def test_alarms_that_exist_with_the_endpoint_watch_its_updates(self, synthesis: Synthesis) -> None:
        template = synthesis.template("mine", "Endpoint")
        alarms = template.find_resources("AWS::CloudWatch::Alarm")
        assert {alarm["Condition"] for alarm in alarms.values()} == {"EndpointIsOn"}
        watched = {alarm["Properties"]["AlarmName"]: alarm["Properties"] for alarm in alarms.values()}
        told = ("MetricName", "Statistic", "Threshold", "DatapointsToAlarm", "EvaluationPeriods")
        assert {name: tuple(alarm[key] for key in told) for name, alarm in watched.items()} == {
            "pilotlight-mine-errors": ("Invocation5XXErrors", "Average", 0.1, 2, 3),
            "pilotlight-mine-latency": ("ModelLatency", "Average", 29_000_000, 2, 3),
            "pilotlight-mine-smoke": ("SmokeFailed", "Maximum", 0, 1, 1),
        }
        seen = {
            name: {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
            for name, alarm in watched.items()
        }
        (config,) = template.find_resources("AWS::SageMaker::EndpointConfig")
        new = {"EndpointConfigName": {"Fn::GetAtt": [config, "EndpointConfigName"]}}
        fleet = {"EndpointName": "pilotlight-mine", "VariantName": "AllTraffic"} | new
        assert list(seen.values()) == [fleet, fleet, {"Stage": "mine"} | new]
        assert {alarm["TreatMissingData"] for alarm in watched.values()} == {"notBreaching"}
        assert {alarm["Period"] for alarm in watched.values()} == {60}
        config = only(template, "AWS::SageMaker::Endpoint")["Properties"]["DeploymentConfig"]
        assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
            "Type": "ALL_AT_ONCE",
            "WaitIntervalInSeconds": 600,
        }
        named = [alarm["AlarmName"]["Ref"] for alarm in config["AutoRollbackConfiguration"]["Alarms"]]
        assert sorted(named) == sorted(alarms)

    def test_without_fine_tuning_nothing_is_smoke_tested(self, synthesis: Synthesis) -> None:
        alarms = synthesis.template("falcon", "Endpoint").find_resources("AWS::CloudWatch::Alarm")
        assert {alarm["Properties"]["MetricName"] for alarm in alarms.values()} == {
            "Invocation5XXErrors",
            "ModelLatency",
        }

    def test_sagemaker_may_look_at_these_alarms_and_no_others(self, synthesis: Synthesis) -> None:
        def looks(stage: str) -> list[str]:
            statements = role_statements(synthesis, stage, "sagemaker.amazonaws.com")
            return [json.dumps(s["Resource"]) for s in statements if s["Action"] == "cloudwatch:DescribeAlarms"]

        (resource,) = looks("mine")
        assert ":alarm:pilotlight-mine-*" in resource
        assert looks("volume") == []

    def test_one_fleet_has_nothing_to_go_back_to_and_no_alarms(self, synthesis: Synthesis) -> None:
        template = synthesis.template("volume", "Endpoint")
        template.resource_count_is("AWS::CloudWatch::Alarm", 0)
        assert "DeploymentConfig" not in only(template, "AWS::SageMaker::Endpoint")["Properties"]

    def test_instance_pools_replace_the_instance_type_and_its_override(self, synthesis: Synthesis) -> None:
        whole = synthesis.template("llama2", "Endpoint").to_json()
        found = variant(synthesis, "llama2")
        assert found["InstancePools"] == [
            {"InstanceType": "ml.g5.2xlarge", "Priority": 1},
            {"InstanceType": "ml.g5.xlarge", "Priority": 2},
        ]
        assert found["VariantInstanceProvisionTimeoutInSeconds"] == 900
        assert found["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
        assert "InstanceType" not in found | whole["Parameters"]
        assert "InstanceTypeIsOverridden" not in whole["Conditions"]
        of_pools = {"InstancePools", "VariantInstanceProvisionTimeoutInSeconds", "RoutingConfig"}
        assert not variant(synthesis, "falcon").keys() & of_pools

    def test_names_are_generated_but_the_endpoints(self, synthesis: Synthesis) -> None:
        """A change replaces model and config, so they have no fixed name; a predecessor is kept for a rollback."""
        template = synthesis.template("falcon", "Endpoint")
        for kind, key in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
            resource = only(template, f"AWS::SageMaker::{kind}")
            assert key not in resource["Properties"]
            assert resource["UpdateReplacePolicy"] == "Retain"
            assert resource["DeletionPolicy"] == "Delete"
        assert only(template, "AWS::SageMaker::Endpoint")["Properties"]["EndpointName"] == "pilotlight-falcon"

    @pytest.mark.parametrize("stage", STAGES)
    def test_model_data_is_an_uncompressed_prefix_unless_an_archive_overrides_it(
        self, synthesis: Synthesis, stage: str
    ) -> None:
        template = synthesis.template(stage, "Endpoint")
        model = only(template, "AWS::SageMaker::Model")["Properties"]
        source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
        assert source["CompressionType"]["Fn::If"] == ["ArchiveOverrides", "Gzip", "None"]
        assert source["S3DataType"]["Fn::If"] == ["ArchiveOverrides", "S3Object", "S3Prefix"]
        assert source["S3Uri"]["Fn::If"][2].endswith("/")
        assert template.to_json()["Conditions"]["ArchiveOverrides"]["Fn::And"] == [
            {"Condition": "ModelDataUrlIsOverridden"},
            {"Fn::Equals": [{"Ref": "ModelDataCompression"}, "Gzip"]},
        ]

    def test_a_model_of_hugging_face_has_no_data_until_a_tuned_one_takes_its_place(self, synthesis: Synthesis) -> None:
        model = only(synthesis.template("hub", "Endpoint"), "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]
        overridden, tuned, otherwise = model["ModelDataSource"]["Fn::If"]
        assert (overridden, otherwise) == ("ModelDataUrlIsOverridden", {"Ref": "AWS::NoValue"})
        assert tuned["S3DataSource"]["S3Uri"] == {"Ref": "ModelDataUrl"}
        assert model["Environment"]["SM_VLLM_MODEL"]["Fn::If"] == [
            "ModelDataUrlIsOverridden",
            "/opt/ml/model",
            "Qwen/Qwen2.5-7B-Instruct",
        ]
        assert variant(synthesis, "hub")["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
        assert "InferenceAmiVersion" not in variant(synthesis, "falcon")

    def test_an_lmi_container_is_told_where_a_tuned_model_lies(self, synthesis: Synthesis) -> None:
        model = only(synthesis.template("lmi", "Endpoint"), "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]
        told = model["Environment"]["HF_MODEL_ID"]["Fn::If"]
        assert told == ["ModelDataUrlIsOverridden", "/opt/ml/model", {"Ref": "AWS::NoValue"}]
        assert model["ModelDataSource"]["S3DataSource"]["S3Uri"]["Fn::If"][2].startswith("s3://jumpstart-cache-prod-")

    def test_its_role_reads_no_artifact(self, synthesis: Synthesis) -> None:
        roles = json.dumps(synthesis.template("hub", "Foundation").to_json())
        assert "s3:GetObject" not in roles
        assert "s3:GetObject" in json.dumps(synthesis.template("falcon", "Foundation").to_json())

    def test_only_a_gated_base_model_carries_the_eula(self, synthesis: Synthesis) -> None:
        sources = {}
        for stage in ("falcon", "llama2"):
            model = only(synthesis.template(stage, "Endpoint"), "AWS::SageMaker::Model")["Properties"]
            sources[stage] = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
        assert "ModelAccessConfig" not in sources["falcon"]
        overridden, tuned, base = sources["llama2"]["ModelAccessConfig"]["Fn::If"]
        assert (overridden, tuned) == ("ModelDataUrlIsOverridden", {"Ref": "AWS::NoValue"})
        assert base == {"AcceptEula": True}

    def test_alexatm_as_its_tutorial_says(self, synthesis: Synthesis) -> None:
        model = only(synthesis.template("alexatm", "Endpoint"), "AWS::SageMaker::Model")["Properties"]
        assert model["PrimaryContainer"]["Environment"] == ALEXATM_ENVIRONMENT
        found = variant(synthesis, "alexatm")
        assert found["InstanceType"]["Fn::If"][2] == "ml.g4dn.12xlarge"
        assert found["InitialInstanceCount"] == 1
        assert found["ModelDataDownloadTimeoutInSeconds"] == 3600
        assert found["ContainerStartupHealthCheckTimeoutInSeconds"] == 3600

    def test_a_volume_where_there_is_no_local_disk_and_only_there(self, synthesis: Synthesis) -> None:
        assert "VolumeSizeInGB" not in variant(synthesis, "alexatm")
        assert variant(synthesis, "volume")["VolumeSizeInGB"] == 256

    def test_paid_observability_is_off(self, synthesis: Synthesis) -> None:
        config = only(synthesis.template("falcon", "Endpoint"), "AWS::SageMaker::EndpointConfig")
        assert config["Properties"]["MetricsConfig"] == {"EnableDetailedObservability": False}

    def test_the_endpoints_name_is_an_output(self, synthesis: Synthesis) -> None:
        synthesis.template("falcon", "Endpoint").has_output("EndpointName", {"Value": "pilotlight-falcon"})


class TestFoundation:
    def test_no_role_has_a_managed_policy(self, synthesis: Synthesis) -> None:
        for role in resources(synthesis.template("falcon", "Foundation"), "AWS::IAM::Role"):
            assert "ManagedPolicyArns" not in role["Properties"]

    def test_the_execution_role_reads_one_artifact_and_pulls_one_image(self, synthesis: Synthesis) -> None:
        statements = role_statements(synthesis, "alexatm", "sagemaker.amazonaws.com")
        actions = {
            action for s in statements for action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
        }
        assert not [action for action in actions if "*" in action]
        assert {action.split(":")[0] for action in actions} == {"s3", "ecr", "logs", "cloudwatch"}
        reads = next(s for s in statements if s["Action"] == "s3:GetObject")
        assert reads["Resource"] == "arn:aws:s3:::models-of-mine/alexatm/*"
        pulls = next(s for s in statements if "ecr:BatchGetImage" in s["Action"])
        assert pulls["Resource"] == "arn:aws:ecr:us-east-1:111122223333:repository/alexatm"

    def test_the_endpoint_stack_names_the_role_without_importing_it(self, synthesis: Synthesis) -> None:
        role = "pilotlight-falcon-execution-us-east-1"
        synthesis.template("falcon", "Foundation").has_resource_properties("AWS::IAM::Role", {"RoleName": role})
        model = only(synthesis.template("falcon", "Endpoint"), "AWS::SageMaker::Model")["Properties"]
        assert model["ExecutionRoleArn"]["Fn::Join"][1][-1].endswith(f":role/{role}")


class TestHardStop:
    def test_both_stand_and_fall_with_the_endpoint_and_are_there_first(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Endpoint")
        schedules = template.find_resources("AWS::Scheduler::Schedule")
        assert len(schedules) == 2
        assert all(schedule["Condition"] == "EndpointIsOn" for schedule in schedules.values())
        assert set(schedules) <= set(only(template, "AWS::SageMaker::Endpoint")["DependsOn"])

    def test_the_first_starts_the_switch_at_the_stated_end(self, synthesis: Synthesis) -> None:
        schedule = hard_stop(synthesis, "TurnOffAt")
        assert schedule["Target"]["Arn"]["Fn::Join"][1][-1].endswith(":stateMachine:pilotlight-falcon-switch")
        assert json.loads(schedule["Target"]["Input"])["target"] == "off"

    def test_the_second_is_scheduler_itself_deleting_the_endpoint(self, synthesis: Synthesis) -> None:
        schedule = hard_stop(synthesis, "DeleteAt")
        assert schedule["Target"]["Arn"]["Fn::Join"][1][-1] == ":scheduler:::aws-sdk:sagemaker:deleteEndpoint"
        assert json.loads(schedule["Target"]["Input"]) == {"EndpointName": "pilotlight-falcon"}

    @pytest.mark.parametrize("parameter", ["TurnOffAt", "DeleteAt"])
    def test_they_fall_exactly_then_and_in_utc(self, synthesis: Synthesis, parameter: str) -> None:
        schedule = hard_stop(synthesis, parameter)
        assert "ScheduleExpressionTimezone" not in schedule  # UTC
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
        role = "pilotlight-falcon-hard-stop-us-east-1"
        assert schedule["Target"]["RoleArn"]["Fn::Join"][1][-1].endswith(f":role/{role}")
        synthesis.template("falcon", "Foundation").has_resource_properties("AWS::IAM::Role", {"RoleName": role})

    def test_their_role_may_do_that_and_nothing_else(self, synthesis: Synthesis) -> None:
        delete, start = role_statements(synthesis, "falcon", "scheduler.amazonaws.com")
        assert (delete["Action"], start["Action"]) == ("sagemaker:DeleteEndpoint", "states:StartExecution")
        assert delete["Resource"]["Fn::Join"][1][-1] == ":endpoint/pilotlight-falcon"
        assert start["Resource"]["Fn::Join"][1][-1].endswith(":stateMachine:pilotlight-falcon-switch")


def hard_stop(synthesis: Synthesis, parameter: str) -> dict[str, Any]:
    """The properties of the schedule that falls at this parameter's time."""
    schedules = resources(synthesis.template("falcon", "Endpoint"), "AWS::Scheduler::Schedule")
    at = {"Fn::Join": ["", ["at(", {"Ref": parameter}, ")"]]}
    (found,) = (s["Properties"] for s in schedules if s["Properties"]["ScheduleExpression"] == at)
    properties: dict[str, Any] = found
    return properties


class TestApiStack:
    def test_openais_routes_have_the_paths_that_its_clients_use(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        nodes = {
            logical_id: resource["Properties"]
            for logical_id, resource in template.find_resources("AWS::ApiGateway::Resource").items()
        }

        def path(logical_id: str) -> str:
            parent = nodes[logical_id]["ParentId"].get("Ref")
            return f"{path(parent) if parent else ''}/{nodes[logical_id]['PathPart']}"

        routes = {
            (method["Properties"]["HttpMethod"], path(method["Properties"]["ResourceId"]["Ref"]))
            for method in resources(template, "AWS::ApiGateway::Method")
        }
        assert routes >= {("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("GET", "/v1/models")}

    def test_the_throttle_stands_on_the_stage_and_on_the_key(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        template.has_resource_properties(
            "AWS::ApiGateway::UsagePlan", {"Throttle": {"RateLimit": 50, "BurstLimit": 100}}
        )
        template.has_resource_properties(
            "AWS::ApiGateway::Stage",
            {
                "StageName": "falcon",
                "TracingEnabled": True,
                "AccessLogSetting": Match.object_like({"Format": Match.any_value()}),
                "MethodSettings": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "ResourcePath": "/*",
                                "ThrottlingRateLimit": 50,
                                "ThrottlingBurstLimit": 100,
                                "DataTraceEnabled": False,
                            }
                        )
                    ]
                ),
            },
        )

    def test_the_gateway_checks_that_the_body_is_an_object_and_no_more(self, synthesis: Synthesis) -> None:
        schema = only(synthesis.template("falcon", "Api"), "AWS::ApiGateway::Model")["Properties"]["Schema"]
        assert schema == {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}

    def test_every_refusal_of_the_gateway_has_our_error_shape(self, synthesis: Synthesis) -> None:
        refusals = resources(synthesis.template("falcon", "Api"), "AWS::ApiGateway::GatewayResponse")
        kinds = {refusal["Properties"]["ResponseType"] for refusal in refusals}
        assert {"DEFAULT_4XX", "DEFAULT_5XX", "INVALID_API_KEY", "THROTTLED", "BAD_REQUEST_BODY"} <= kinds
        for refusal in refusals:
            template = refusal["Properties"]["ResponseTemplates"]["application/json"]
            # What API Gateway puts in for a message is a quoted JSON string; for the request id, a bare word.
            filled = template.replace("$context.error.messageString", '"said so"').replace("$context.requestId", "1-2")
            body = json.loads(filled)
            assert set(body) == {"error"}
            assert set(body["error"]) == {"type", "message", "param", "request_id"}
            assert body["error"]["request_id"] == "1-2"
            headers = refusal["Properties"]["ResponseParameters"]
            soon_over = refusal["Properties"]["ResponseType"] in ("THROTTLED", "AUTHORIZER_FAILURE")
            assert ("gatewayresponse.header.Retry-After" in headers) == soon_over
            assert headers["gatewayresponse.header.x-should-retry"] == f"'{str(soon_over).lower()}'"

    def test_the_gateway_calls_an_error_as_the_proxy_does(self, synthesis: Synthesis) -> None:
        """Whoever switches on the type need not know which layer answered."""
        refusals = resources(synthesis.template("falcon", "Api"), "AWS::ApiGateway::GatewayResponse")
        templates = [refusal["Properties"]["ResponseTemplates"]["application/json"] for refusal in refusals]
        types = {re.findall(r'"type": "(\w+)"', template)[0] for template in templates}
        assert types - {"forbidden", "quota_exceeded"} <= set(problem_types(errors.Problem))

    def test_the_proxy_is_sized_on_purpose(self, synthesis: Synthesis) -> None:
        function = proxy_function(synthesis, "falcon")
        assert function["Architectures"] == ["arm64"]
        assert (function["MemorySize"], function["Timeout"]) == (1024, 29)
        assert function["TracingConfig"] == {"Mode": "Active"}
        variables = function["Environment"]["Variables"]
        assert variables["CONTRACT"] == "tgi"
        assert variables["ENDPOINT_NAME"] == "pilotlight-falcon"
        assert json.loads(variables["MODEL_ALIASES"]) == []
        assert json.loads(variables["CHAT_TEMPLATE"])["name"] == "falcon-instruct"
        assert json.loads(variables["USD_PER_HOUR"])["ml.g5.2xlarge"] == 1.515
        assert json.loads(variables["WINDOW"]) == {"input_tokens": 1024, "total_tokens": 2048}

    def test_a_window_that_nobody_knows_is_not_set(self, synthesis: Synthesis) -> None:
        assert "WINDOW" not in proxy_function(synthesis, "alexatm")["Environment"]["Variables"]

    def test_the_gateway_calls_a_published_version(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        ((alias_id, alias),) = template.find_resources("AWS::Lambda::Alias").items()
        assert alias["Properties"]["Name"] == "live"
        assert "GetAtt" in json.dumps(alias["Properties"]["FunctionVersion"])
        for method in resources(template, "AWS::ApiGateway::Method"):
            assert {"Ref": alias_id} in method["Properties"]["Integration"]["Uri"]["Fn::Join"][1]
            assert method["Properties"]["Integration"]["TimeoutInMillis"] == 29_000

    def test_logs_are_kept_for_a_month_and_go_with_the_stack(self, synthesis: Synthesis) -> None:
        groups = resources(synthesis.template("falcon", "Api"), "AWS::Logs::LogGroup")
        assert len(groups) == 3
        assert all(group["Properties"]["RetentionInDays"] == 30 for group in groups)
        assert all(group["DeletionPolicy"] == "Delete" for group in groups)

    def test_the_proxy_may_invoke_one_endpoint(self, synthesis: Synthesis) -> None:
        policies = resources(synthesis.template("falcon", "Api"), "AWS::IAM::Policy")
        statements = [s for p in policies for s in p["Properties"]["PolicyDocument"]["Statement"]]
        invoke = next(s for s in statements if "sagemaker:InvokeEndpoint" in s["Action"])
        assert json.dumps(invoke["Resource"]).endswith(':endpoint/pilotlight-falcon"]]}')
        assert not [s for s in statements if re.search(r"(Update|Delete|Create)(Stack|Endpoint)", str(s["Action"]))]

    def test_kept_answers_expire_cost_nothing_unused_and_go_with_the_stack(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        ((table_id, table),) = template.find_resources("AWS::DynamoDB::Table").items()
        assert table["DeletionPolicy"] == "Delete"
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        variables = proxy_function(synthesis, "falcon")["Environment"]["Variables"]
        assert variables["IDEMPOTENCY_TABLE"] == {"Ref": table_id}

    def test_the_proxy_may_keep_answers_in_its_own_table_and_no_more(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        (table_id,) = template.find_resources("AWS::DynamoDB::Table")
        policies = resources(template, "AWS::IAM::Policy")
        statements = [s for p in policies for s in p["Properties"]["PolicyDocument"]["Statement"]]
        (keep,) = (s for s in statements if s["Resource"] == {"Fn::GetAtt": [table_id, "Arn"]})
        assert set(keep["Action"]) == {"dynamodb:PutItem", "dynamodb:DeleteItem"}

    def test_of_the_ledger_the_proxy_writes_snoozes_only(self, synthesis: Synthesis) -> None:
        policies = resources(synthesis.template("falcon", "Api"), "AWS::IAM::Policy")
        statements = [s for p in policies for s in p["Properties"]["PolicyDocument"]["Statement"]]
        read, write = (
            s for s in statements if json.dumps(s["Resource"]).endswith(':table/pilotlight-falcon-ledger"]]}')
        )
        assert (read["Action"], write["Action"]) == ("dynamodb:GetItem", "dynamodb:UpdateItem")
        assert write["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["snooze"]}}

    def test_concurrency_is_reserved_only_where_the_config_says_so(self, synthesis: Synthesis) -> None:
        """Lambda refuses a reservation that a small account cannot give."""
        stages = ("falcon", "volume")
        reserved = {stage: proxy_function(synthesis, stage).get("ReservedConcurrentExecutions") for stage in stages}
        assert reserved == {"falcon": None, "volume": 100}

    def test_the_alarms_watch_what_callers_see_and_take_silence_for_good(self, synthesis: Synthesis) -> None:
        alarms = [a["Properties"] for a in resources(synthesis.template("falcon", "Api"), "AWS::CloudWatch::Alarm")]
        assert {alarm["MetricName"] for alarm in alarms} == {"Failed", "ModelLatency", "Errors"}
        assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}
        ours = [alarm for alarm in alarms if alarm["Namespace"] == NAMESPACE]
        assert [alarm["Dimensions"] for alarm in ours] == 2 * [[{"Name": "Stage", "Value": "falcon"}]]
        (slow,) = (alarm for alarm in alarms if alarm["MetricName"] == "ModelLatency")
        assert slow["Threshold"] < 29_000
        assert (slow["ExtendedStatistic"], UNITS["ModelLatency"]) == ("p90", "Milliseconds")

    def test_the_dashboard_that_has_to_be_asked_for_draws_every_metric_of_the_proxy(self, synthesis: Synthesis) -> None:
        assert resources(synthesis.template("falcon", "Api"), "AWS::CloudWatch::Dashboard") == []
        dashboard = only(synthesis.template("volume", "Api"), "AWS::CloudWatch::Dashboard")
        text = json.dumps(dashboard["Properties"]["DashboardBody"])
        assert all(f'\\"{NAMESPACE}\\",\\"{name}\\"' in text for name in UNITS)

    def test_the_outputs_that_callers_need(self, synthesis: Synthesis) -> None:
        outputs = synthesis.template("falcon", "Api").to_json()["Outputs"]
        assert {"ApiUrl", "ApiAuth", "ApiKeyId", "AdminKeyId"} <= set(outputs)


def proxy_function(synthesis: Synthesis, stage: str) -> dict[str, Any]:
    functions = resources(synthesis.template(stage, "Api"), "AWS::Lambda::Function")
    (found,) = (f["Properties"] for f in functions if f["Properties"]["Handler"] == "proxy.handler.lambda_handler")
    properties: dict[str, Any] = found
    return properties


def problem_types(problem: type[errors.Problem]) -> Iterator[str]:
    yield problem.type
    for kind in problem.__subclasses__():
        yield from problem_types(kind)


def test_what_a_stage_warns_of_is_shown_at_synth(synthesis: Synthesis) -> None:
    metadata = (synthesis.folder / "Pilotlight-alexatm-Endpoint.metadata.json").read_text()
    assert "non-commercial" in metadata


def test_the_worst_month_is_told_at_synth(synthesis: Synthesis) -> None:
    metadata = (synthesis.folder / "Pilotlight-falcon-Endpoint.metadata.json").read_text()
    assert "At worst the endpoint costs USD 101.52 a month" in metadata


def test_configs_carry_the_tag_that_the_proxys_permission_hangs_on(synthesis: Synthesis) -> None:
    config = only(synthesis.template("falcon", "Endpoint"), "AWS::SageMaker::EndpointConfig")
    assert {"Key": "pilotlight:stage", "Value": "falcon"} in config["Properties"]["Tags"]
    policies = resources(synthesis.template("falcon", "Api"), "AWS::IAM::Policy")
    statements = [s for p in policies for s in p["Properties"]["PolicyDocument"]["Statement"]]
    describe = next(s for s in statements if s["Action"] == "sagemaker:DescribeEndpointConfig")
    assert describe["Condition"] == {"StringEquals": {"aws:ResourceTag/pilotlight:stage": "falcon"}}


def test_no_stack_imports_from_another(synthesis: Synthesis) -> None:
    """An export blocks deletion and change: stacks agree on names instead."""
    for stage in STAGES:
        for role in ("Foundation", "Control", "Endpoint", "Api"):
            text = json.dumps(synthesis.template(stage, role).to_json())
            assert "Fn::ImportValue" not in text
            assert '"Export"' not in text
