"""[stages.NAME.finetune]: what it must be, and what becomes of it. Pure rules."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, cast

from pilotlight.catalog import registry_accounts
from pilotlight.choice import Choice
from pilotlight.config_errors import Problem
from pilotlight.config_file import did_you_mean
from pilotlight.prices import usd_per_hour
from pilotlight.training_specs import (
    RULES,
    BadRequest,
    FineTune,
    InstanceFacts,
    Settings,
    TrainedModel,
    check_training,
    complete,
    profile,
    resolve,
    shape,
    training,
    training_instances,
)

LOCAL_IMAGE: Final = "pilotlight.local/training"
"""Stands for the training container on the embedded cloud, which runs none."""


def problems(choice: Choice) -> Iterator[Problem]:
    """Everything about the fine-tuning that forbids this choice."""
    facts = _facts(choice)
    if facts is None:
        yield from _not_trainable(choice)
        return
    yield from _image(choice, facts)
    unknown = list(_instance_types(choice, facts))
    yield from unknown
    yield from _hyperparameters(choice, () if unknown else _types(choice, facts))


def fine_tune(choice: Choice, *, base_model: str, gated: bool) -> FineTune | None:
    """Of a choice without problems; None where the model cannot be fine-tuned, or nobody said with which image."""
    facts, table = _facts(choice), choice.table.finetune
    image = _image_uri(choice)
    account = registry_accounts().get(cast(str, choice.region))
    if facts is None or (image if facts.program == "own" else account) is None:
        return None
    spec = resolve(
        choice.model.name,
        region=cast(str, choice.region),
        account=account,
        base_model=base_model,
        gated=gated,
        own_image_uri=image,
    )
    return FineTune(
        settings=Settings(
            stage=choice.stage,
            spec=spec,
            instance_types=_types(choice, facts),
            max_cost_usd=Decimal(str(table.max_cost_usd)),
            min_improvement=table.min_improvement,
            spot=table.spot,
            approve=table.approve,
            approval_hours=table.approval_hours,
            hyperparameters=dict(table.hyperparameters),
            instances=priced_instances(),
        )
    )


def priced_instances() -> dict[str, InstanceFacts]:
    """Every type that can be trained on and has a price; training on one is counted at what hosting on it costs."""
    prices = {name: usd_per_hour(name) for name in training_instances()}
    return {
        name: InstanceFacts(gpus=facts.gpus, gpu_memory_gib=facts.gpu_memory_gib, usd_per_hour=usd)
        for name, facts in training_instances().items()
        if (usd := prices[name]) is not None
    }


def _facts(choice: Choice) -> TrainedModel | None:
    return training().models.get(choice.model.name)


def _types(choice: Choice, facts: TrainedModel) -> tuple[str, ...]:
    """As written, or the model's own that have a price."""
    priced = priced_instances()
    return choice.table.finetune.instance_types or tuple(name for name in facts.instance_types if name in priced)


def _image_uri(choice: Choice) -> str | None:
    return choice.table.finetune.image_uri or (LOCAL_IMAGE if choice.target == "local" else None)


def _not_trainable(choice: Choice) -> Iterator[Problem]:
    if "finetune" in choice.table.model_fields_set:
        yield Problem(
            key=choice.key("finetune"),
            reason=f"nobody has said how {choice.model.name} is trained",
            allowed=f"this table beside one of the models {', '.join(training().models)}",
            fix="remove the table, or describe the model's training in pilotlight/data/training.toml",
        )


def _image(choice: Choice, facts: TrainedModel) -> Iterator[Problem]:
    image = choice.table.finetune.image_uri
    written = "finetune" in choice.table.model_fields_set
    if facts.program == "own" and written and _image_uri(choice) is None:
        yield Problem(
            key=choice.key("finetune.image_uri"),
            reason=f"this key is missing, and {choice.model.name} is trained with the project's own container",
            allowed="an image in Amazon ECR, in the Region of the stage",
            fix=f'write image_uri = "ACCOUNT.dkr.ecr.{choice.region}.amazonaws.com/REPOSITORY:TAG", the container\'s',
        )
    if image is not None and choice.target == "aws" and choice.region not in (None, image.split(".")[3]):
        yield Problem(
            key=choice.key("finetune.image_uri"),
            value=image,
            reason=f"SageMaker pulls an image from its own Region only, and that is {choice.region}",
            allowed=f"an image in {choice.region}",
            fix="copy the image there",
        )
    if facts.program == "jumpstart" and written and choice.region not in (None, *registry_accounts()):
        yield Problem(
            key=choice.key("finetune"),
            reason=f"JumpStart's training of {choice.model.name} is not known to be in {choice.region}",
            allowed=f"this table in one of the Regions {', '.join(registry_accounts())}",
            fix="choose one of these Regions, or remove the table",
        )


def _instance_types(choice: Choice, facts: TrainedModel) -> Iterator[Problem]:
    key, priced = choice.key("finetune.instance_types"), priced_instances()
    names = _types(choice, facts)
    for name in names:
        if name not in training_instances():
            yield Problem(
                key=key,
                value=name,
                reason=f"no facts to check this type against{did_you_mean(name, training_instances())}",
                allowed=", ".join(priced),
                fix="name one of these, or add the type's facts to pilotlight/data/training_instances.csv",
            )
        elif name not in priced:
            yield Problem(
                key=key,
                value=name,
                reason="no price is known for this type, so max_cost_usd could not be kept",
                allowed=", ".join(priced),
                fix="name one of these, or fetch its price with pilot prices refresh",
            )
    if len(set(names)) < len(names):
        yield Problem(
            key=key,
            value=names,
            reason="a type stands in the list twice",
            allowed="different types, first choice first",
            fix="remove the repetition",
        )


def _hyperparameters(choice: Choice, types: tuple[str, ...]) -> Iterator[Problem]:
    written, table = choice.table.finetune.hyperparameters, profile(choice.model.name)
    try:
        completed = complete(written, table)
    except BadRequest as refused:
        name = refused.param or ""
        yield Problem(
            key=choice.key(f"finetune.hyperparameters.{name}"),
            value=written.get(name),
            reason=refused.message,
            allowed=RULES[name].allowed if name in RULES else ", ".join(RULES),
            fix="correct it, or remove it",
        )
        return
    for name in types:
        try:
            check_training(shape(choice.model.name), completed, name, priced_instances()[name], 1)
        except BadRequest as refused:
            yield Problem(
                key=choice.key("finetune.instance_types"),
                value=name,
                reason=refused.message,
                allowed="instance types with enough GPU memory",
                fix="name another type, or lower what the hyperparameters ask for",
            )
