"""What the control stack tells the Lambda, read from its environment once per worker."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`api_stack_name` is the stack whose output says where the API is."""

    stage: str
    endpoint_name: str
    api_stack_name: str
    ledger_table: str
    notices_topic_arn: str
    idle_minutes: int
    warning_minutes: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            stage=environ["STAGE"],
            endpoint_name=environ["ENDPOINT_NAME"],
            api_stack_name=environ["API_STACK_NAME"],
            ledger_table=environ["LEDGER_TABLE"],
            notices_topic_arn=environ["NOTICES_TOPIC_ARN"],
            idle_minutes=int(environ["IDLE_MINUTES"]),
            warning_minutes=int(environ["WARNING_MINUTES"]),
        )
