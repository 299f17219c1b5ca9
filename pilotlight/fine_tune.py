"""[stages.NAME.finetune]: what it must be, and what becomes of it. Pure rules."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, cast

from pilotlight import training_choice, training_hyperparameters
from pilotlight.catalog import LOCAL_MODEL, registry_accounts
from pilotlight.choice import Choice
from pilotlight.config_errors import Problem
from pilotlight.config_file import did_you_mean
from pilotlight.finetune_table import BUILD
from pilotlight.prices import usd_per_hour
from pilotlight.training_choice import evaluation_image_uri, image_uri, trained
from pilotlight.training_file import JumpStartModel, training, training_instances
from pilotlight.training_specs import (
    FineTune,
    InstanceFacts,
    ScriptModel,
    Settings,
    TrainedModel,
    resolve,
)

LONGEST_SETTINGS: Final = 2830
"""Characters of what the functions are told: all variables of a Lambda function have 4 KB together, and the others
take 1.2 KB with the longest names that there can be.
"""


_BUILT_URI: Final = 160
"""Characters of the address of an image that cdk has pushed, and some to spare."""


def problems(choice: Choice) -> Iterator[Problem]:
    """Everything about the fine-tuning that forbids this choice."""
    together = list(training_choice.problems(choice))
    model = trained(choice)
    yield from together
    yield from _image_regions(choice)
    if model is None or together:
        return
    yield from _base_model(choice)
    yield from _jumpstart_region(choice, model)
    yield from _attach_from(choice)
    unknown = list(_instance_types(choice, model))
    yield from unknown
    priced = priced_instances()
    trainable = {} if unknown else {name: priced[name] for name in _types(choice, model)}
    wrong = list(training_hyperparameters.problems(choice, model, trainable))
    yield from wrong
    if choice.region is not None and not wrong:
        yield from _size(choice)


def fine_tune(choice: Choice, *, base_model: str | None, gated: bool) -> FineTune | None:
    """Of a choice without problems; None where the model cannot be fine-tuned, or nobody said with which image."""
    model, table = trained(choice), choice.table.finetune
    if model is None or base_model is None:
        return None
    account = _accounts(model).get(cast(str, choice.region)) if isinstance(model, JumpStartModel) else None
    if (account if isinstance(model, JumpStartModel) else image_uri(choice)) is None:
        return None
    types, hyperparameters = _types(choice, model), dict(table.hyperparameters)
    if choice.target == "local":
        model, hyperparameters = _for_the_embedded_cloud(model, hyperparameters)
    spec = resolve(
        choice.model.name,
        model,
        region=cast(str, choice.region),
        account=account,
        base_model=base_model,
        gated=gated,
        own_image_uri=evaluation_image_uri(choice),
    )
    return FineTune(
        settings=Settings(
            stage=choice.stage,
            spec=spec,
            instance_types=types,
            max_cost_usd=Decimal(str(table.max_cost_usd)),
            min_improvement=table.min_improvement,
            spot=table.spot,
            approve=table.approve,
            approval_hours=table.approval_hours,
            hyperparameters=hyperparameters,
            instances=priced_instances(),
            attach_from=table.attach_from,
        )
    )


def _for_the_embedded_cloud(
    model: TrainedModel, hyperparameters: dict[str, Any]
) -> tuple[TrainedModel, dict[str, Any]]:
    """By the project's container on the embedded cloud: SmolLM2 in place of a program of the user's own, and
    JumpStart's without the hyperparameters that only its script takes.
    """
    if isinstance(model, ScriptModel):
        return training().models[LOCAL_MODEL], {}
    if isinstance(model, JumpStartModel):
        known = {name: value for name, value in hyperparameters.items() if name not in model.hyperparameters}
        return model.model_copy(update={"hyperparameters": {}}), known
    return model, hyperparameters


def priced_instances() -> dict[str, InstanceFacts]:
    """Every type that can be trained on and has a price; training on one is counted at what hosting on it costs."""
    prices = {name: usd_per_hour(name) for name in training_instances()}
    return {
        name: InstanceFacts(gpus=facts.gpus, gpu_memory_gib=facts.gpu_memory_gib, usd_per_hour=usd)
        for name, facts in training_instances().items()
        if (usd := prices[name]) is not None
    }


def _types(choice: Choice, model: TrainedModel) -> tuple[str, ...]:
    """As written, or the model's own that have a price."""
    priced = priced_instances()
    return choice.table.finetune.instance_types or tuple(name for name in model.instance_types if name in priced)


def _base_model(choice: Choice) -> Iterator[Problem]:
    if choice.model.hub and choice.table.model_data_url is None:
        yield Problem(
            key=choice.key("finetune"),
            reason=f"a training starts from files in S3, and {choice.model.name} comes from huggingface.co",
            allowed="this table beside a model_data_url",
            fix="copy the model's files into a bucket of yours and name them as model_data_url, or remove the table",
        )


def _accounts(model: JumpStartModel) -> dict[str, str]:
    """That own its image, by Region."""
    return {name: owner for name, owner in registry_accounts().items() if not model.regions or name in model.regions}


def _image_regions(choice: Choice) -> Iterator[Problem]:
    table = choice.table.finetune
    for name, image in (("image_uri", table.image_uri), ("evaluation_image_uri", table.evaluation_image_uri)):
        if image not in (None, BUILD) and choice.target == "aws" and choice.region not in (None, image.split(".")[3]):
            yield Problem(
                key=choice.key(f"finetune.{name}"),
                value=image,
                reason=f"SageMaker pulls an image from its own Region only, and that is {choice.region}",
                allowed=f"an image in {choice.region}",
                fix="copy the image there",
            )


def _jumpstart_region(choice: Choice, model: TrainedModel) -> Iterator[Problem]:
    if not isinstance(model, JumpStartModel) or "finetune" not in choice.table.model_fields_set:
        return
    if choice.region is not None and choice.region not in _accounts(model):
        yield Problem(
            key=choice.key("finetune"),
            reason=f"JumpStart's training of {choice.model.name} is not known to be in {choice.region}",
            allowed=f"this table in one of the Regions {', '.join(_accounts(model))}",
            fix="choose one of these Regions, or remove the table",
        )


def _instance_types(choice: Choice, model: TrainedModel) -> Iterator[Problem]:
    key, priced = choice.key("finetune.instance_types"), priced_instances()
    names = _types(choice, model)
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


def _attach_from(choice: Choice) -> Iterator[Problem]:
    written = choice.table.finetune.attach_from
    for number, prefix in enumerate(written):
        if within := next((other for other in written if other != prefix and prefix.startswith(other)), None):
            reason = f"it lies within {within}, which is in the list as well"
        elif prefix in written[:number]:
            reason = "a prefix stands in the list twice"
        else:
            continue
        yield Problem(
            key=choice.key(f"finetune.attach_from.{number}"),
            value=prefix,
            reason=reason,
            allowed="prefixes none of which begins with another one",
            fix="remove it, or the wider one: each is read by the endpoint and by evaluations",
        )


def _size(choice: Choice) -> Iterator[Problem]:
    made = fine_tune(choice, base_model=choice.table.model_data_url or choice.model.artifact or "", gated=False)
    length = len(made.with_image("-" * _BUILT_URI).to_json()) if made else 0
    if length > LONGEST_SETTINGS:
        yield Problem(
            key=choice.key("finetune"),
            reason=f"this table makes {length} characters of settings, and a function's environment holds no more",
            allowed=f"at most {LONGEST_SETTINGS} characters, a good half of which the facts of instance types take",
            fix="shorten hyperparameters, environment, metrics or S3 URIs: hyperparameters can come with each run, "
            "pilot finetune DATA --set NAME=VALUE, and the rest can lie in the image or the script",
        )
