"""What the fine-tuning stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """`usd_per_hour` maps an instance type to USD per instance-hour, without those of unknown price; `training` is
    the stage's training spec and the run's defaults, as the plan reads them; `prefix` begins the names of its jobs.
    """

    stage: str
    model: str
    bucket: str
    ledger_table: str
    notices_topic_arn: str
    switch_arn: str
    endpoint_name: str
    endpoint_stack_name: str
    api_stack_name: str
    package_group: str
    usd_per_hour: Mapping[str, float]
    training: Mapping[str, Any]
    code_version: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            stage=environ["STAGE"],
            model=environ["MODEL"],
            bucket=environ["BUCKET"],
            ledger_table=environ["LEDGER_TABLE"],
            notices_topic_arn=environ["NOTICES_TOPIC_ARN"],
            switch_arn=environ["SWITCH_ARN"],
            endpoint_name=environ["ENDPOINT_NAME"],
            endpoint_stack_name=environ["ENDPOINT_STACK_NAME"],
            api_stack_name=environ["API_STACK_NAME"],
            package_group=environ["PACKAGE_GROUP"],
            usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            training=json.loads(environ["TRAINING"]),
            code_version=environ["CODE_VERSION"],
        )
