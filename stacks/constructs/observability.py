"""Three alarms and, if asked for, a dashboard over the proxy's Lambda and the metrics of its log lines."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.names import METRICS_NAMESPACE

_PERIOD = Duration.minutes(5)
_FAILURES_IN_A_PERIOD = 5
_SLOW_SHARE = 0.8  # of the time that a request has


class Observability(Construct):
    """An alarm costs USD 0.10 a month, a dashboard USD 3 beyond an account's first three: more than the whole stage may
    cost while it is off, so it has to be asked for.

    Nothing is measured while nobody calls, and the alarms take that for good. An endpoint that is off answers 503
    as it should, which is why API Gateway's own count of 5xx is not what is watched.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage_name: str,
        proxy: lambda_.IFunction,
        integration_timeout_seconds: int,
        dashboard: bool,
        notices_topic_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage_name = stage_name
        failing = self._of_several("Failing", self._metric("Failed"), "answers of 5xx or more")
        # What callers see as 5xx as well, and no line of the proxy's log tells.
        crashing = self._of_several(
            "Crashing", proxy.metric_errors(period=_PERIOD), "calls that the proxy's Lambda did not live to answer"
        )
        limit_ms = _SLOW_SHARE * integration_timeout_seconds * 1000
        slow = self._metric("ModelLatency", "p90").create_alarm(
            self,
            "Slow",
            alarm_description=f"{stage_name}: one answer in ten takes over {limit_ms / 1000:.0f} s of the "
            f"{integration_timeout_seconds} s that API Gateway allows, for a quarter of an hour",
            threshold=limit_ms,
            evaluation_periods=3,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if notices_topic_arn is not None:
            topic = sns.Topic.from_topic_arn(self, "Notices", notices_topic_arn)
            for alarm in (failing, crashing, slow):
                alarm.add_alarm_action(actions.SnsAction(topic))
        if dashboard:
            self._dashboard(proxy)

    def _of_several(self, name: str, metric: cloudwatch.Metric, what: str) -> cloudwatch.Alarm:
        return metric.create_alarm(
            self,
            name,
            alarm_description=f"{self._stage_name}: {_FAILURES_IN_A_PERIOD} {what} within five minutes",
            threshold=_FAILURES_IN_A_PERIOD,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    def _dashboard(self, proxy: lambda_.IFunction) -> None:
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            widgets=[
                [
                    self._graph("Calls of the model", *(map(self._metric, ("Attempts", "Retries")))),
                    self._graph("Refused and failed", *(map(self._metric, ("Refused", "Failed")))),
                    self._graph("Tokens, estimated if not told", *(map(self._metric, ("TokensIn", "TokensOut")))),
                ],
                [
                    self._graph("Model latency", *(self._metric("ModelLatency", p) for p in ("p50", "p90", "p99"))),
                    self._graph("The proxy's own time", *(self._metric("Overhead", p) for p in ("p50", "p99"))),
                    self._graph("Lambda", proxy.metric_throttles(), proxy.metric_errors()),
                ],
            ],
        )

    def _graph(self, title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)

    def _metric(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"Stage": self._stage_name},
            statistic=statistic,
            period=_PERIOD,
        )
