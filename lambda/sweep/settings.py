"""What the control stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`notify` holds the e-mail addresses that should hear of everything."""

    stage: str
    stack_names: tuple[str, ...]
    usd_per_hour: Mapping[str, float]
    ledger_table: str
    notices_topic_arn: str
    notify: tuple[str, ...]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            stage=environ["STAGE"],
            stack_names=tuple(json.loads(environ["STACK_NAMES"])),
            usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            ledger_table=environ["LEDGER_TABLE"],
            notices_topic_arn=environ["NOTICES_TOPIC_ARN"],
            notify=tuple(json.loads(environ["NOTIFY"])),
        )
