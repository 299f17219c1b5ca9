"""Plain thresholds on the meter's readings: what CloudWatch does best."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from pilotlight.config import Stage
from stacks.names import METRICS_NAMESPACE

METER_PERIOD = Duration.minutes(5)


@dataclass(frozen=True)
class _Threshold:
    """`turns_off` names the reason with which the switch is started; `warns`: a function writes the mail, with what
    only it can put in; without either a person is told in CloudWatch's own words.
    """

    name: str
    metric: str
    at_least: float
    says: str
    turns_off: str | None = None
    warns: bool = False


class Alarms(Construct):
    """An alarm acts once, on its transition; while an off is due, the meter repeats it at every tick."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        topic: sns.ITopic,
        switch: sfn.IStateMachine,
        warning: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage.name
        self._topic = topic
        self._switch = switch
        for threshold in _thresholds(stage):
            alarm = self._metric(threshold.metric).create_alarm(
                self,
                threshold.name,
                alarm_description=threshold.says,
                threshold=threshold.at_least,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                evaluation_periods=1,
                # One tick that is missing neither ends an alarm nor starts one.
                treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
            )
            if threshold.warns:
                self._rule(alarm, "Warns", f"{alarm.node.id} tells a person", targets.LambdaFunction(warning))
            else:
                self._act(alarm, threshold.turns_off)
        # Without a tick so far this alarm is in INSUFFICIENT_DATA, and stays there: a fresh deploy tells nobody.
        silent = self._heartbeat(
            "MeterSilent", 15, "The meter has been silent for 15 minutes.", cloudwatch.TreatMissingData.MISSING
        )
        silent.add_insufficient_data_action(actions.SnsAction(topic))
        dead = "The meter has been silent for 30 minutes: nobody counts, so the endpoint is turned off."
        self._act(self._heartbeat("MeterDead", 30, dead, cloudwatch.TreatMissingData.BREACHING), "heartbeat")

    def _heartbeat(self, name: str, minutes: int, says: str, missing: cloudwatch.TreatMissingData) -> cloudwatch.Alarm:
        periods = minutes // int(METER_PERIOD.to_minutes())
        return self._metric("Heartbeat").create_alarm(
            self,
            name,
            alarm_description=says,
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=periods,
            datapoints_to_alarm=periods,
            treat_missing_data=missing,
        )

    def _metric(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"Stage": self._stage},
            period=METER_PERIOD,
            statistic="Maximum",
        )

    def _act(self, alarm: cloudwatch.Alarm, turns_off: str | None) -> None:
        if turns_off is None:
            alarm.add_alarm_action(actions.SnsAction(self._topic))
            return
        target = targets.SfnStateMachine(
            self._switch,
            input=events.RuleTargetInput.from_object(
                {"target": "off", "reason": turns_off, "by": f"the alarm {alarm.node.id}"}
            ),
        )
        self._rule(alarm, "TurnsOff", f"{alarm.node.id} starts the switch", target)

    def _rule(self, alarm: cloudwatch.Alarm, role: str, says: str, target: events.IRuleTarget) -> None:
        events.Rule(
            self,
            f"{alarm.node.id}{role}",
            description=says,
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                detail={"alarmName": [alarm.alarm_name], "state": {"value": ["ALARM"]}},
            ),
            targets=[target],
        )


def _thresholds(stage: Stage) -> list[_Threshold]:
    limits = stage.auto_off
    says = (
        "The endpoint is there but should not be, is stuck, or should have been turned off half an hour ago: it bills. "
        "`pilot off` turns it off; if that fails, look at the switch's executions in Step Functions."
    )
    found = [_Threshold("Mismatch", "Mismatch", 1, says)]
    if limits.idle_minutes is not None:
        warned = limits.idle_minutes - limits.warning_minutes
        found += [
            _Threshold(
                "IdleWarning",
                "IdleMinutes",
                warned,
                f"Nobody has called for {warned} minutes: in {limits.warning_minutes} the endpoint is turned off. "
                "`pilot snooze 2h` keeps it on.",
                warns=True,
            ),
            _Threshold("Idle", "IdleMinutes", limits.idle_minutes, "Nobody called: it is turned off.", "idle"),
        ]
    if limits.lifetime_hours is not None:
        minutes = limits.lifetime_hours * 60
        found.append(
            _Threshold("Lifetime", "MinutesOn", minutes, "Its lifetime is over: it is turned off.", "lifetime")
        )
    if limits.monthly_budget_usd is not None:
        usd = float(limits.monthly_budget_usd)
        found.append(_Threshold("Budget", "DollarsThisMonth", usd, "The month's budget is spent.", "budget"))
    return found
