"""What the fine-tuning stack tells the Lambda, read from its environment once per worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from finetune import spec


@dataclass(frozen=True)
class Settings:
    """`training` is the stage's training spec and the defaults of a run; `role_arn` is what its jobs run as.
    `monthly_budget_usd` is the endpoint's, in which training counts; None where nothing bounds a month.
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
    serving_image: str
    role_arn: str
    monthly_budget_usd: Decimal | None
    training: spec.Settings
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
            serving_image=environ["SERVING_IMAGE"],
            role_arn=environ["TRAINING_ROLE_ARN"],
            monthly_budget_usd=Decimal(usd) if (usd := environ["MONTHLY_BUDGET_USD"]) else None,
            training=spec.Settings.from_json(environ["TRAINING"]),
            code_version=environ["CODE_VERSION"],
        )
