"""What the API stack tells the Lambda, read from its environment once per worker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from proxy.window import Window


class Limits(NamedTuple):
    """What turns an endpoint off by itself; None: that trigger is switched off. `schedules` is read by common.schedule,
    which `POST /generate` does not need.
    """

    idle_minutes: float | None
    lifetime_hours: float | None
    monthly_budget_usd: float | None
    schedules: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Limits":
        def number(name: str) -> float | None:
            return float(environ[name]) if environ[name] else None

        return cls(number("IDLE_MINUTES"), number("LIFETIME_HOURS"), number("MONTHLY_BUDGET_USD"), environ["SCHEDULES"])


@dataclass(frozen=True)
class Settings:
    """`usd_per_hour` maps an instance type to USD per instance-hour, without those of unknown price.

    `always_on_usd_per_hour` is that of all instances as configured, None where it is not known.
    `chat_template` is an `openai.template.ChatTemplate` as JSON, empty where the container applies one of its own.
    """

    endpoint_name: str
    endpoint_stack_name: str
    model: str
    model_aliases: tuple[str, ...]
    contract: str
    chat_template: str
    wake_seconds: int
    usd_per_hour: Mapping[str, float]
    always_on_usd_per_hour: float | None
    integration_timeout_seconds: float
    ledger_table: str
    switch_arn: str
    limits: Limits
    wake_on_call: bool
    idempotency_table: str
    overload_latency_seconds: float  # no answer that took as long had to queue; 0 where nobody says so
    finetune_arn: str = ""  # where the model cannot be fine-tuned
    finetune_program: Literal["own", "jumpstart", "script"] = "own"
    finetune_hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # its model's further ones
    window: Window | None = None  # where the catalog does not know it, nothing is checked

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError where a variable is missing, ValueError where one is malformed."""
        return cls(
            endpoint_name=environ["ENDPOINT_NAME"],
            endpoint_stack_name=environ["ENDPOINT_STACK_NAME"],
            model=environ["MODEL"],
            model_aliases=tuple(json.loads(environ["MODEL_ALIASES"])),
            contract=environ["CONTRACT"],
            chat_template=environ["CHAT_TEMPLATE"],
            wake_seconds=int(environ["WAKE_SECONDS"]),
            usd_per_hour=json.loads(environ["USD_PER_HOUR"]),
            always_on_usd_per_hour=json.loads(environ["ALWAYS_ON_USD_PER_HOUR"]),
            integration_timeout_seconds=float(environ["INTEGRATION_TIMEOUT_SECONDS"]),
            ledger_table=environ["LEDGER_TABLE"],
            switch_arn=environ["SWITCH_ARN"],
            limits=Limits.from_environment(environ),
            wake_on_call=environ["WAKE_ON_CALL"] == "true",
            idempotency_table=environ["IDEMPOTENCY_TABLE"],
            overload_latency_seconds=float(environ.get("OVERLOAD_LATENCY_SECONDS", 0)),
            finetune_arn=environ.get("FINETUNE_ARN", ""),
            finetune_program=cast(Literal["own", "jumpstart", "script"], environ.get("FINETUNE_PROGRAM", "own")),
            finetune_hyperparameters=json.loads(environ.get("FINETUNE_HYPERPARAMETERS", "{}")),
            window=Window(**json.loads(environ["WINDOW"])) if environ.get("WINDOW") else None,
        )

    @property
    def models(self) -> list[str]:
        """The names that the one model goes by, its own first."""
        return list(dict.fromkeys((self.model, self.endpoint_name, *self.model_aliases)))
