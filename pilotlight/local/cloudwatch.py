"""CloudWatch's single-metric alarms over ministack's: evaluated every minute by the documented rules, with actions to
SNS and Lambda and an event to EventBridge on every change of state.

ministack evaluates when data arrive, over all dimensions, without M-of-N or missing data.
"""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pilotlight.local.alarms import Missing, Rule, State, next_state
from pilotlight.local.clock import Clock, EachMinute
from pilotlight.local.sagemaker.bake import InAlarm
from pilotlight.local.sagemaker.metrics import Sink

Record = dict[str, Any]

_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}

_evaluated: dict[str, float] = {}
"""When each alarm was last evaluated, by ARN: one that is changed keeps its state until then."""

logger = logging.getLogger("cloudwatch")


def install(clock: Clock) -> None:
    """Extend ministack in process. Call before its server starts, and last: at a full minute everything else that
    happens comes before the alarms.
    """
    from ministack.services import cloudwatch  # noqa: PLC0415  reads its environment when imported

    cloudwatch._evaluate_alarm = lambda _alarm: None
    tell_topics = cloudwatch._dispatch_alarm_actions
    previous: dict[str, Record] = {}

    def act(alarm: Record, old: str, new: str, reason: str) -> None:
        """All that follows a change of state, by evaluation or by SetAlarmState."""
        tell_topics(alarm, old, new, reason)
        state = {"value": new, "reason": reason, "timestamp": _iso(clock.now())}
        unknown = {"value": old, "reason": "Unchecked: Initial alarm creation", "timestamp": _iso(clock.now())}
        before = previous.get(alarm["AlarmArn"], unknown) | {"value": old}
        previous[alarm["AlarmArn"]] = state
        _tell_functions(alarm, state, before)
        _tell_event_bus(alarm, state, before)

    cloudwatch._dispatch_alarm_actions = act
    clock.add(EachMinute(_evaluate_all, since=clock.now()))
    _newest_first(cloudwatch)


def in_alarm(account: str, region: str) -> InAlarm:
    """What SageMaker asks of alarms while an update bakes."""

    def any_of(names: Sequence[str], since: float) -> bool:
        from ministack.services import cloudwatch  # noqa: PLC0415

        alarms = (cloudwatch._alarms._data.get((account, region, name)) for name in names)
        rings = (alarm for alarm in alarms if alarm and alarm["StateValue"] == "ALARM")
        return any(_evaluated.get(alarm["AlarmArn"], 0.0) > since for alarm in rings)

    return any_of


def rule_of(alarm: Record) -> Rule:
    """An alarm as DescribeAlarms has it, as a rule."""
    periods = alarm["EvaluationPeriods"]
    missing: Missing = alarm.get("TreatMissingData") or "missing"
    needed = alarm.get("DatapointsToAlarm") or periods
    return Rule(alarm["ComparisonOperator"], alarm["Threshold"], periods, needed, missing)


def _evaluate_all(minute: float) -> None:
    from ministack.core.responses import request_scope  # noqa: PLC0415
    from ministack.services import cloudwatch  # noqa: PLC0415

    for (account, region, _), alarm in list(cloudwatch._alarms._data.items()):
        with request_scope(account, region):
            try:
                _evaluate(alarm, minute)
                _evaluated[alarm["AlarmArn"]] = minute
            except Exception:
                logger.exception("Alarm %s was not evaluated", alarm["AlarmName"])


def _evaluate(alarm: Record, minute: float) -> None:
    from ministack.services import cloudwatch  # noqa: PLC0415

    rule = rule_of(alarm)
    points = _points(alarm, minute, rule.evaluation_range)
    old: State = alarm["StateValue"]
    new = next_state(rule, points, old)
    if new == old:
        return
    reason = _reason(alarm, rule, points, minute)
    alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(minute))
    cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _points(alarm: Record, end: float, count: int) -> list[float | None]:
    """The statistic of the last `count` periods before `end`, oldest first; periods end with the evaluation."""
    from ministack.services import cloudwatch  # noqa: PLC0415

    dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    unit, period = alarm.get("Unit"), alarm["Period"]
    found = [p for p in cloudwatch._metrics.get(key) or [] if not unit or p.get("Unit") == unit]
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"

    def value(start: float) -> float | None:
        inside = [point for point in found if start <= point["Timestamp"] < start + period]
        stats = cloudwatch._calc_stats(inside)
        return cloudwatch._stat_value(stats, statistic, inside) if stats else None

    return [value(end - back * period) for back in range(count, 0, -1)]


def _reason(alarm: Record, rule: Rule, points: list[float | None], minute: float) -> str:
    """In CloudWatch's wording, near enough to be read."""
    recent = points[-rule.evaluation_periods :]
    values = ", ".join("missing" if value is None else f"{value:g}" for value in recent)
    until = datetime.fromtimestamp(minute, UTC).strftime("%d/%m/%y %H:%M:%S")
    if all(value is None for value in points):
        treated = f"no datapoints were received for {len(recent)} periods and missing data is {rule.missing}"
        return (
            f"Threshold Crossed: {treated}." if rule.missing in ("breaching", "notBreaching") else "Insufficient Data"
        )
    return (
        f"Threshold Crossed: the last {len(recent)} datapoints [{values}] up to {until} against "
        f"{alarm['ComparisonOperator']} ({alarm['Threshold']}), {rule.datapoints_to_alarm} needed for ALARM."
    )


def _tell_functions(alarm: Record, state: Record, before: Record) -> None:
    from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415
    from ministack.services import eventbridge  # noqa: PLC0415

    if not alarm.get("ActionsEnabled", True):
        return
    event = {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": get_account_id(),
        "time": state["timestamp"],
        "region": get_region(),
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": state,
            "previousState": before,
            "configuration": _configuration(alarm),
        },
    }
    for action in alarm.get(_ACTIONS[state["value"]]) or []:
        if action.startswith("arn:aws:lambda:"):
            eventbridge._dispatch_to_lambda(action, json.dumps(event))


def _tell_event_bus(alarm: Record, state: Record, before: Record) -> None:
    """Sent whether actions are enabled or not, as AWS does."""
    from ministack.services import eventbridge  # noqa: PLC0415

    detail = {
        "alarmName": alarm["AlarmName"],
        "configuration": _configuration(alarm),
        "previousState": before,
        "state": state,
    }
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(detail),
        "Resources": [alarm["AlarmArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _configuration(alarm: Record) -> Record:
    metric = {
        "namespace": alarm["Namespace"],
        "name": alarm["MetricName"],
        "dimensions": {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []},
    }
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    stat = {"metric": metric, "period": alarm["Period"], "stat": statistic}
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    return described | {"metrics": [{"id": "metric", "metricStat": stat, "returnData": True}]}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _newest_first(cloudwatch: Any) -> None:
    """GetMetricData answers newest first unless asked otherwise; ministack always oldest first."""
    get = cloudwatch._get_metric_data

    def ordered(params: Record, data: Record, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = get(params, data, is_cbor, is_json)
        if not is_json or status != 200 or data.get("ScanBy") == "TimestampAscending":
            return status, headers, body
        answer = json.loads(body)
        for result in answer["MetricDataResults"]:
            for series in ("Timestamps", "Values"):
                result[series] = result[series][::-1]
        return status, headers, json.dumps(answer).encode()

    cloudwatch._get_metric_data = ordered


def sink(namespace: str, account: str, region: str) -> Sink:
    """Where a service of ours puts its own metrics."""

    def put(name: str, dimensions: dict[str, str], moment: float, values: list[float]) -> None:
        from ministack.core.responses import request_scope  # noqa: PLC0415
        from ministack.services import cloudwatch  # noqa: PLC0415

        with request_scope(account, region):
            cloudwatch._store_datum(namespace, name, dimensions, moment, "None", None, values, None, None)

    return put
