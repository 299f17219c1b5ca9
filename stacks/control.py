"""The control stack: what turns the endpoint off and on, counts what it costs, and tells people."""

import json
from decimal import Decimal
from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from pilotlight.config import Stage
from stacks.constructs.alarms import METER_PERIOD, Alarms
from stacks.constructs.control_permissions import ENDPOINT_STACK_TYPES, ControlPermissions
from stacks.constructs.ledger_table import LedgerTable
from stacks.constructs.model_endpoint import PROVISION_SECONDS, VARIANT_NAME
from stacks.constructs.notices import Notices
from stacks.constructs.schedules import Schedules
from stacks.constructs.switch_machine import SwitchMachine
from stacks.constructs.worker import Worker, limits_environment
from stacks.names import Names


class ControlStack(Stack):
    """Costs the same whether the endpoint is on or off, and little: docs/costs.md has it item by item."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, names: Names, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        limits = stage.auto_off
        LedgerTable(self, "Ledger", table_name=names.ledger)
        topic = Notices(
            self,
            "Notices",
            topic_name=names.notices,
            emails=stage.notify,
            monthly_budget_usd=limits.monthly_budget_usd,
        ).topic
        permissions = ControlPermissions(self, names=names, stage=stage, topic_arn=topic.topic_arn)
        prices = json.dumps({kind: float(usd) for kind, usd in _prices(stage).items()})
        environment = {
            "STAGE": stage.name,
            "ENDPOINT_NAME": stage.endpoint_name,
            "ENDPOINT_STACK_NAME": names.stack("Endpoint"),
            "VARIANT_NAME": VARIANT_NAME,
            "LEDGER_TABLE": names.ledger,
            "USD_PER_HOUR": prices,
            **limits_environment(limits),
        }
        stepper = Worker(
            self,
            "Switch",
            package="switch",
            timeout_seconds=60,
            statements=permissions.of_the_switch(),
            environment={
                **environment,
                "NOTICES_TOPIC_ARN": topic.topic_arn,
                "SWITCH_ARN": names.switch_arn,
                "RESOURCE_TYPES": json.dumps(ENDPOINT_STACK_TYPES),
                "INSTANCE_TYPES": json.dumps(stage.instance_types),
                **({"INSTANCE_POOLS": "true"} if stage.instance_pools else {}),
                "PROMOTION": stage.promotion,
                "BAKE_SECONDS": str(stage.bake_seconds),
                "WAKE_LIMIT_SECONDS": str(_wake_limit_seconds(stage)),
            },
        )
        machine = SwitchMachine(self, "Machine", state_machine_name=names.switch, function=stepper.function)
        meter = Worker(
            self,
            "Meter",
            package="meter",
            timeout_seconds=60,
            statements=permissions.of_the_meter(),
            environment={
                **environment,
                "SWITCH_ARN": names.switch_arn,
                "FINETUNE_ARN": names.finetune_arn if stage.finetune else "",
                "NOTICES_TOPIC_ARN": topic.topic_arn,
            },
        )
        sweep = Worker(
            self,
            "Sweep",
            package="sweep",
            timeout_seconds=600,  # every model of the account is asked for its tags
            statements=permissions.of_the_sweep(),
            environment={
                "STAGE": stage.name,
                "STACK_NAMES": json.dumps(names.stacks),
                "USD_PER_HOUR": prices,
                "LEDGER_TABLE": names.ledger,
                "NOTICES_TOPIC_ARN": topic.topic_arn,
                "NOTIFY": json.dumps(stage.notify),
            },
        )
        warning = Worker(
            self,
            "Warning",
            package="warning",
            timeout_seconds=60,
            statements=permissions.of_the_warning(),
            environment={
                "STAGE": stage.name,
                "ENDPOINT_NAME": stage.endpoint_name,
                "API_STACK_NAME": names.stack("Api"),
                "LEDGER_TABLE": names.ledger,
                "NOTICES_TOPIC_ARN": topic.topic_arn,
                **limits_environment(limits),
            },
        )
        events.Rule(
            self,
            "Daily",
            schedule=events.Schedule.rate(Duration.days(1)),
            targets=[targets.LambdaFunction(sweep.function, retry_attempts=2)],
        )
        events.Rule(
            self,
            "Tick",
            schedule=events.Schedule.rate(METER_PERIOD),
            targets=[targets.LambdaFunction(meter.function, retry_attempts=2)],
        )
        Alarms(self, "Alarms", stage=stage, topic=topic, switch=machine.state_machine, warning=warning.function)
        Schedules(self, "Schedules", schedules=limits.schedules, switch=machine.state_machine)
        CfnOutput(self, "SwitchArn", value=machine.state_machine.state_machine_arn)


def _wake_limit_seconds(stage: Stage) -> int:
    """After which a wake is given up: SageMaker's own limits, and ten minutes."""
    provision = PROVISION_SECONDS if stage.instance_pools else 0
    return stage.model_data_download_timeout_seconds + stage.container_startup_timeout_seconds + provision + 600


def _prices(stage: Stage) -> dict[str, Decimal]:
    """USD an hour, of what serves and of what may train: the meter counts both."""
    types = stage.finetune.settings.instances if stage.finetune else {}
    trains = {name: facts.usd_per_hour for name, facts in types.items()}
    return {name: usd for name, usd in {**trains, **stage.usd_per_hour}.items() if usd is not None}
