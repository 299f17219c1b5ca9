"""Where a person sees a run in AWS's console. Pure: nothing is asked, and nobody has clicked on these yet.

The formats are those of the console's own addresses, as public code and AWS's texts have them; AWS promises none.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from finetune.store import located

HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""By partition; another one has no links."""
_EXECUTION = re.compile(r"arn:(?P<partition>[^:]+):states:(?P<region>[^:]+):")
_PLACES = ("artifact", "report")
_LOG = "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3D"


def console_links(run: Mapping[str, Any]) -> dict[str, str]:
    """Of a run's record (finetune.run): its execution, its dataset, each job and its log, the model, the report.

    Account, Region and partition are those of its execution. The registry's pages belong to a Studio domain, of which
    nothing is known here.
    """
    arn = str(run.get("execution_arn", ""))
    found = _EXECUTION.match(arn)
    if not found or found["partition"] not in HOSTS:
        return {}
    partition, region = found["partition"], found["region"]
    home = f"https://{region}.{HOSTS[partition]}"
    places = {"dataset": run.get("asked", {}).get("dataset"), **{name: run.get(name) for name in _PLACES}}
    jobs = [job["name"] for job in run.get("jobs", ())]
    return {
        "run": f"{home}/states/home?region={region}#/v2/executions/details/{quote(arn, safe=':')}",
        **{name: _in_s3(home, region, uri) for name, uri in places.items() if uri},
        **{f"job {name}": f"{home}/sagemaker/home?region={region}#/jobs/{name}" for name in jobs},
        **{
            f"log of {name}": f"{home}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{_LOG}{name}$252F"
            for name in jobs
        },
    }


def _in_s3(home: str, region: str, uri: str) -> str:
    bucket, key = located(uri)
    kind = "buckets" if key.endswith("/") or not key else "object"
    return f"{home}/s3/{kind}/{bucket}?region={region}&prefix={quote(key)}"
