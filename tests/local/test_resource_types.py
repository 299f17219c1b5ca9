"""The resource types that a control stack is made of: created, changed in place and removed by CloudFormation."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .bare import ROLE, Bare

NAME = "types"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": {"Ref": "Topic"},
        }
    ],
}
VARIANT = {
    "ResourceId": "endpoint/nobody/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ServiceNamespace": "sagemaker",
}


def got(resource: str, attribute: str = "Arn") -> dict[str, Any]:
    return {"Fn::GetAtt": [resource, attribute]}


def by(version: int) -> dict[str, dict[str, Any]]:
    """Every resource's properties, `version` in one of each."""
    log = {"CloudWatchLogsLogGroup": {"LogGroupArn": got("Log")}}
    subscriber = {"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}
    notification = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
    scaling = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    return {
        "AWS::Logs::LogGroup Log": {},
        "AWS::SNS::Topic Topic": {"DisplayName": f"v{version}"},
        "AWS::SNS::TopicPolicy TopicPolicy": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": POLICY},
        "AWS::SNS::Subscription Mail": {
            "TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": f"v{version}@example.com",
        },
        "AWS::DynamoDB::Table Table": {
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": version == 2},
        },
        "AWS::Lambda::Function Function": {
            "Code": {"ZipFile": "def handler(event, context): return event"},
            "Handler": "index.handler", "Runtime": "python3.12", "Role": ROLE, "Description": f"v{version}",
        },
        "AWS::Lambda::Permission Permission": {
            "Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Function"},
            "Principal": "events.amazonaws.com", "SourceArn": got("Rule"),
        },
        "AWS::StepFunctions::StateMachine Machine": {
            "StateMachineName": NAME, "RoleArn": ROLE,
            "DefinitionString": '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "${what}", "End": true}}}',
            "DefinitionSubstitutions": {"what": f"v{version}"},
            "LoggingConfiguration": {"Level": "ALL", "IncludeExecutionData": True, "Destinations": [log]},
            "TracingConfiguration": {"Enabled": True},
        },
        "AWS::Events::Rule Rule": {
            "ScheduleExpression": f"rate({4 + version} minutes)",
            "Targets": [
                {"Id": "Function", "Arn": got("Function")},
                {"Id": "Machine", "Arn": {"Ref": "Machine"}, "RoleArn": ROLE, "Input": f'"v{version}"'},
            ],
        },
        "AWS::CloudWatch::Alarm Alarm": {
            "Namespace": "Test", "MetricName": "Types", "Dimensions": [{"Name": "Stage", "Value": "one"}],
            "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": version,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "breaching",
            "AlarmActions": [{"Ref": "Topic"}],
        },
        "AWS::Scheduler::Schedule Schedule": {
            "ScheduleExpression": f"cron({version} 8 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin",
            "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": {"Arn": {"Ref": "Machine"}, "RoleArn": ROLE},
        },
        "AWS::Budgets::Budget Budget": {
            "Budget": {
                "BudgetType": "COST", "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 100 * version, "Unit": "USD"},
            },
            "NotificationsWithSubscribers": [{"Notification": notification, "Subscribers": [subscriber]}],
        },
        "AWS::ApplicationAutoScaling::ScalableTarget Target": VARIANT | {"MinCapacity": 1, "MaxCapacity": 1 + version},
        "AWS::ApplicationAutoScaling::ScalingPolicy Policy": {
            "PolicyName": NAME, "PolicyType": "TargetTrackingScaling", "ScalingTargetId": {"Ref": "Target"},
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 60 + version, "PredefinedMetricSpecification": scaling,
            },
        },
    }  # fmt: skip


def template(version: int) -> str:
    resources = {}
    for name, properties in by(version).items():
        kind, logical_id = name.split()
        resources[logical_id] = {"Type": kind, "Properties": properties}
    return json.dumps({"Resources": resources})


@pytest.fixture(scope="module")
def changed(bare: Bare) -> Iterator[Bare]:
    """A cloud on which the stack was created and then changed in every resource."""
    client = bare.client("cloudformation")
    for change, version in ((client.create_stack, 1), (client.update_stack, 2)):
        change(StackName=NAME, TemplateBody=template(version))
        bare.advance(0)
        status = client.describe_stacks(StackName=NAME)["Stacks"][0]["StackStatus"]
        assert status.endswith("E_COMPLETE"), client.describe_stack_events(StackName=NAME)["StackEvents"]
    yield bare
    client.delete_stack(StackName=NAME)
    bare.advance(0)


def physical(bare: Bare, logical_id: str) -> str:
    client = bare.client("cloudformation")
    detail = client.describe_stack_resource(StackName=NAME, LogicalResourceId=logical_id)["StackResourceDetail"]
    found: str = detail["PhysicalResourceId"]
    return found


def test_nothing_has_drifted(changed: Bare) -> None:
    client = changed.client("cloudformation")
    found = client.detect_stack_drift(StackName=NAME)["StackDriftDetectionId"]
    changed.advance(0)
    status = client.describe_stack_drift_detection_status(StackDriftDetectionId=found)
    assert status["StackDriftStatus"] == "IN_SYNC"


def test_the_state_machine_has_its_definition_and_its_log(changed: Bare) -> None:
    found = changed.client("stepfunctions").describe_state_machine(stateMachineArn=physical(changed, "Machine"))
    assert json.loads(found["definition"])["States"]["A"]["Result"] == "v2"
    logging = found["loggingConfiguration"]
    assert (logging["level"], logging["includeExecutionData"]) == ("ALL", True)
    assert "log-group" in logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]


def test_the_table_forgets(changed: Bare) -> None:
    client, table = changed.client("dynamodb"), physical(changed, "Table")
    live = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_rule_the_schedule_and_the_alarm_are_the_new_ones(changed: Bare) -> None:
    rule = changed.client("events").describe_rule(Name=physical(changed, "Rule"))
    assert rule["ScheduleExpression"] == "rate(6 minutes)"
    schedule = changed.client("scheduler").get_schedule(Name=physical(changed, "Schedule"))
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(2 8 * * ? *)", "Europe/Berlin",
    )  # fmt: skip
    [alarm] = changed.client("cloudwatch").describe_alarms(AlarmNames=[physical(changed, "Alarm")])["MetricAlarms"]
    assert (alarm["Threshold"], alarm["TreatMissingData"], alarm["DatapointsToAlarm"]) == (2, "breaching", 2)


def test_the_rule_starts_the_state_machine(changed: Bare) -> None:
    machine = physical(changed, "Machine")
    assert changed.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []
    changed.advance(6 * 60)
    started = changed.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert [changed.execution(e["executionArn"])["input"] for e in started] == ['"v2"']


def test_the_budget_and_the_subscription_are_records(changed: Bare) -> None:
    budget = changed.client("budgets").describe_budget(AccountId="000000000000", BudgetName=physical(changed, "Budget"))
    assert float(budget["Budget"]["BudgetLimit"]["Amount"]) == 200
    topic = physical(changed, "Topic")
    found = changed.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [subscription["Endpoint"] for subscription in found] == ["v2@example.com"]


def test_the_scalable_target_and_its_policy_are_records(changed: Bare) -> None:
    client = changed.client("application-autoscaling")
    [target] = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["ResourceId"], target["MaxCapacity"]) == (VARIANT["ResourceId"], 3)
    [policy] = client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 62


def test_scaling_refuses_what_makes_no_sense(changed: Bare) -> None:
    client = changed.client("application-autoscaling")
    with pytest.raises(ClientError, match="are no range"):
        client.register_scalable_target(**VARIANT, MinCapacity=3, MaxCapacity=2)
    stranger = VARIANT | {"ResourceId": "endpoint/stranger/variant/AllTraffic"}
    with pytest.raises(ClientError, match="No scalable target"):
        client.put_scaling_policy(**stranger, PolicyName="p", PolicyType="TargetTrackingScaling")
    with pytest.raises(ClientError, match="No scalable target"):
        client.deregister_scalable_target(**stranger)
    with pytest.raises(ClientError, match="has no Application Auto Scaling"):
        client.describe_scheduled_actions(ServiceNamespace="sagemaker")


def test_a_registered_variant_keeps_its_instance_type(bare: Bare) -> None:
    sagemaker, scaling = bare.client("sagemaker"), bare.client("application-autoscaling")
    sagemaker.create_model(ModelName="scaled", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"})
    for instance in ("ml.g5.xlarge", "ml.g6.xlarge"):
        variant = {"VariantName": "v", "ModelName": "scaled", "InstanceType": instance, "InitialInstanceCount": 1}
        name = f"scaled-{instance[3:5]}"
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    bare.pilot("faults", fault="no_capacity")  # a failed endpoint may be updated, and needs no container
    sagemaker.create_endpoint(EndpointName="scaled", EndpointConfigName="scaled-g5")
    bare.advance(0)
    key = VARIANT | {"ResourceId": "endpoint/scaled/variant/v"}
    scaling.register_scalable_target(**key, MinCapacity=1, MaxCapacity=2)
    with pytest.raises(ClientError, match="v must be deregistered"):
        sagemaker.update_endpoint(EndpointName="scaled", EndpointConfigName="scaled-g6")
    scaling.deregister_scalable_target(**key)
    bare.pilot("faults", fault="no_capacity")
    sagemaker.update_endpoint(EndpointName="scaled", EndpointConfigName="scaled-g6")
    bare.advance(0)
    sagemaker.delete_endpoint(EndpointName="scaled")
    bare.advance(0)
    assert bare.pilot("faults").json() == []
