"""A run's losses, epoch by epoch: as CloudWatch has them while it trains, as the job wrote them down at its end."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from botocore.exceptions import ClientError

from finetune.clients import Kit

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_MINUTE = 60
_MOST_POINTS = 1440 - 2  # what GetMetricStatistics gives at once, less what its rounding adds

Losses = dict[str, list[list[float]]]
"""By name (train_loss, eval_loss), points of [epoch, value]."""


def live_losses(kit: Kit, job_name: str, since: float) -> Losses:
    """By what the spec's metrics are called; `since` when the job may run, in epoch seconds: epochs are counted from
    there. Nothing where it cannot be read: no run fails of it.
    """
    names = {_called(str(metric["Name"])): str(metric["Name"]) for metric in kit.settings.training.spec.metrics}
    try:
        series = {called: _series(kit, job_name, name, since) for called, name in names.items() if called}
    except ClientError as error:
        print(json.dumps({"job": job_name, "losses_not_read": str(error)}))
        return {}
    return {called: points for called, points in series.items() if points}


def final_losses(made: Mapping[str, Any]) -> Losses:
    """From what the project's container leaves beside the model: {"epochs": [{"epoch", "train_loss", "eval_loss"}]}."""
    return {
        name: [[float(epoch["epoch"]), float(epoch[name])] for epoch in made["epochs"] if epoch.get(name) is not None]
        for name in ("train_loss", "eval_loss")
    }


def _called(metric: str) -> str:
    """train_loss or eval_loss; empty for another metric."""
    name = metric.rpartition(":")[2].replace("-", "_")
    return name if name in ("train_loss", "eval_loss") else ""


def _series(kit: Kit, job_name: str, metric: str, since: float) -> list[list[float]]:
    minutes = (kit.now - since) / _MINUTE + 1
    answer = kit.cloudwatch.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=metric,
        Dimensions=[{"Name": "TrainingJobName", "Value": job_name}],
        StartTime=datetime.fromtimestamp(since, UTC),
        EndTime=datetime.fromtimestamp(kit.now + _MINUTE, UTC),
        Period=ceil(minutes / _MOST_POINTS) * _MINUTE,
        Statistics=["Average"],
    )
    points = sorted(answer.get("Datapoints", []), key=lambda point: point["Timestamp"])
    return [[float(epoch), float(point["Average"])] for epoch, point in enumerate(points, start=1)]
