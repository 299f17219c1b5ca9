"""Names that more than one stack, or a caller, must know; all follow from the stage's.

Stacks never import each other's exports, as an export blocks deletion and change: they agree on these names instead.
"""

from dataclasses import dataclass

from aws_cdk import Aws

from pilotlight.deployment import ALL_ROLES, finetune_name, ledger_name, stack_name, switch_name

METRICS_NAMESPACE = "Pilotlight"
"""Of every stage's own metrics."""


@dataclass(frozen=True)
class Names:
    """The names of one stage in one Region."""

    stage: str
    region: str

    def stack(self, role: str) -> str:
        return stack_name(self.stage, role)

    @property
    def stacks(self) -> list[str]:
        """The names of all of them."""
        return [self.stack(role) for role in ALL_ROLES]

    @property
    def switch(self) -> str:
        """The state machine's name."""
        return switch_name(self.stage)

    @property
    def switch_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:states:{self.region}:{Aws.ACCOUNT_ID}:stateMachine:{self.switch}"

    @property
    def finetune(self) -> str:
        """The name of the state machine that fine-tunes, and of the group of what it registers."""
        return finetune_name(self.stage)

    @property
    def finetune_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:states:{self.region}:{Aws.ACCOUNT_ID}:stateMachine:{self.finetune}"

    @property
    def ledger(self) -> str:
        """The table's name."""
        return ledger_name(self.stage)

    @property
    def notices(self) -> str:
        """The topic's name."""
        return f"pilotlight-{self.stage}-notices"

    @property
    def notices_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:sns:{self.region}:{Aws.ACCOUNT_ID}:{self.notices}"

    def role(self, purpose: str) -> str:
        """IAM is global, so the Region is part of a role's name."""
        return f"pilotlight-{self.stage}-{purpose}-{self.region}"

    def role_arn(self, purpose: str) -> str:
        return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/{self.role(purpose)}"
