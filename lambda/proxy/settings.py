"""What the API stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`usd_per_hour` maps an instance type to USD per instance-hour, without those of unknown price."""

    endpoint_name: str
    endpoint_stack_name: str
    model: str
    contract: str
    wake_seconds: int
    usd_per_hour: Mapping[str, float]
    integration_timeout_seconds: float

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            endpoint_name=environ["ENDPOINT_NAME"],
            endpoint_stack_name=environ["ENDPOINT_STACK_NAME"],
            model=environ["MODEL"],
            contract=environ["CONTRACT"],
            wake_seconds=int(environ["WAKE_SECONDS"]),
            usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            integration_timeout_seconds=float(environ["INTEGRATION_TIMEOUT_SECONDS"]),
        )
