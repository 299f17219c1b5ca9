"""CloudFormation resource types that ministack lacks, or of which it drops properties.

AWS::Budgets::Budget goes through ministack's own Budgets (a record: nothing is spent here). A table's time to live and
point-in-time recovery, and a state machine's logging configuration, reach their services.
"""

import json
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Handlers = dict[str, Any]


def install() -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415  reads its environment when imported

    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::Budgets::Budget"] = _budget()
    _then(handlers["AWS::DynamoDB::Table"], _set_up_table)
    _then(handlers["AWS::StepFunctions::StateMachine"], _set_up_logging)


def _then(handlers: Handlers, finish: Callable[[str, Record], None]) -> None:
    """Have `finish(physical id, properties)` follow a creation or an update."""
    create, update = handlers["create"], handlers["update"]

    def created(logical_id: str, properties: Record, *others: Any, **more: Any) -> Any:
        made = create(logical_id, properties, *others, **more)
        finish(made[0], properties)
        return made

    def updated(physical_id: str, old: Record, properties: Record, *others: Any, **more: Any) -> Any:
        made = update(physical_id, old, properties, *others, **more)
        finish(made[0], properties)
        return made

    handlers.update(create=created, update=updated)


def _set_up_table(name: str, properties: Record) -> None:
    from ministack.services import dynamodb  # noqa: PLC0415

    live = properties.get("TimeToLiveSpecification") or {}
    if live.get("AttributeName"):
        _accepted(dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": live}))
    recovery = properties.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    _accepted(dynamodb._update_continuous_backups({"TableName": name, "PointInTimeRecoverySpecification": recovery}))


def _set_up_logging(arn: str, properties: Record) -> None:
    """The type's members are in Pascal case, the API's are not."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    if given := properties.get("LoggingConfiguration"):
        stepfunctions._state_machines[arn]["loggingConfiguration"] = _camel(given)


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _camel(item) for key, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _budget() -> Handlers:
    from ministack.services import budgets  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    def create_as(name: str, properties: Record) -> tuple[str, Record]:
        budget = properties["Budget"] | {"BudgetName": name}
        if limit := budget.get("BudgetLimit"):
            budget["BudgetLimit"] = limit | {"Amount": str(limit["Amount"])}
        told = properties.get("NotificationsWithSubscribers") or []
        _accepted(budgets._create_budget({"Budget": budget, "NotificationsWithSubscribers": told}))
        return name, {}

    def create(logical_id: str, properties: Record, stack_name: str) -> tuple[str, Record]:
        name = properties["Budget"].get("BudgetName")
        return create_as(name or provisioners._physical_name(stack_name, logical_id, max_len=100), properties)

    def update(physical_id: str, _old: Record, properties: Record, _stack_name: str) -> tuple[str, Record]:
        delete(physical_id, properties)
        return create_as(physical_id, properties)

    def delete(physical_id: str, _properties: Record) -> None:
        budgets._delete_budget({"BudgetName": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _accepted(answer: tuple[int, Any, bytes]) -> None:
    if answer[0] >= 400:
        raise ValueError(json.loads(answer[2]).get("message", answer[2].decode()))
