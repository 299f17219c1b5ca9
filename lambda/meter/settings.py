"""What the control stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from meter.facts import Policy


@dataclass(frozen=True)
class Settings:
    """`endpoint_stack_name` and `switch_arn` name the two things that the meter looks at and starts. `finetune_arn` is
    what mends runs, empty where the stage's model cannot be fine-tuned.
    """

    stage: str
    endpoint_name: str
    endpoint_stack_name: str
    variant_name: str
    ledger_table: str
    switch_arn: str
    finetune_arn: str
    notices_topic_arn: str
    policy: Policy

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed.

        A trigger that is switched off is an empty variable, not a missing one.
        """

        def limit(name: str) -> float | None:
            return float(environ[name]) if environ[name] else None

        return cls(
            stage=environ["STAGE"],
            endpoint_name=environ["ENDPOINT_NAME"],
            endpoint_stack_name=environ["ENDPOINT_STACK_NAME"],
            variant_name=environ["VARIANT_NAME"],
            ledger_table=environ["LEDGER_TABLE"],
            switch_arn=environ["SWITCH_ARN"],
            finetune_arn=environ["FINETUNE_ARN"],
            notices_topic_arn=environ["NOTICES_TOPIC_ARN"],
            policy=Policy(
                idle_minutes=limit("IDLE_MINUTES"),
                lifetime_hours=limit("LIFETIME_HOURS"),
                monthly_budget_usd=limit("MONTHLY_BUDGET_USD"),
                usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            ),
        )
