"""Links to AWS's console, made of a run's record."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from finetune.console_links import console_links

ARN = "arn:{}:states:{}:111122223333:execution:pilotlight-dev-finetune:20261124-170000-ab"
JOB = "pilotlight-dev-20261124-170000-ab-1"


def record(partition: str = "aws", region: str = "eu-central-1", **changes: Any) -> dict[str, Any]:
    return {
        "execution_arn": ARN.format(partition, region),
        "asked": {"dataset": "s3://data/datasets/my tickets/"},
        "jobs": [{"name": JOB}],
        "artifact": f"s3://data/models/{JOB}/output/model/",
        "report": f"s3://data/models/{JOB}/report/e1/output/model/report.html",
        **changes,
    }


def test_each_page_is_in_the_runs_region_and_names_what_it_shows() -> None:
    home = "https://eu-central-1.console.aws.amazon.com"
    region = "region=eu-central-1"
    group = "$252Faws$252Fsagemaker$252FTrainingJobs"
    assert console_links(record()) == {
        "run": f"{home}/states/home?{region}#/v2/executions/details/{ARN.format('aws', 'eu-central-1')}",
        "dataset": f"{home}/s3/buckets/data?{region}&prefix=datasets/my%20tickets/",
        "artifact": f"{home}/s3/buckets/data?{region}&prefix=models/{JOB}/output/model/",
        "report": f"{home}/s3/object/data?{region}&prefix=models/{JOB}/report/e1/output/model/report.html",
        f"job {JOB}": f"{home}/sagemaker/home?{region}#/jobs/{JOB}",
        f"log of {JOB}": f"{home}/cloudwatch/home?{region}#logsV2:log-groups/log-group/{group}"
        f"$3FlogStreamNameFilter$3D{JOB}$252F",
    }


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_another_partition_has_another_console(partition: str, region: str, host: str) -> None:
    links = console_links(record(partition, region)).values()
    assert {(urlsplit(link).hostname, *parse_qs(urlsplit(link).query)["region"]) for link in links} == {(host, region)}


@pytest.mark.parametrize("arn", ["", "arn:run-1", ARN.format("aws-iso", "us-iso-east-1")])
def test_where_no_console_is_known_there_are_no_links(arn: str) -> None:
    assert console_links(record(execution_arn=arn)) == {}


def test_what_is_not_there_yet_has_no_link() -> None:
    """A run's record when it begins, of an attached job."""
    begun = record(asked={"attach": "theirs"}, jobs=[], artifact="", report="")
    assert list(console_links(begun)) == ["run"]
