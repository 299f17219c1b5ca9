"""The hyperparameters of [stages.NAME.finetune], held to what the stage's program takes. Pure rules."""

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

from finetune.hyperparameters import LONGEST_VALUE

from pilotlight.choice import Choice
from pilotlight.config_errors import Problem
from pilotlight.training_file import JumpStartModel, OwnModel
from pilotlight.training_specs import (
    RULES,
    BadRequest,
    InstanceFacts,
    ScriptModel,
    TrainedModel,
    check_length,
    check_training,
    complete,
    free,
    profile,
    shape,
)

_FREELY_ALLOWED: Final = (
    f"at most {free.MOST} names of 1 to {free.LONGEST_NAME} characters, with texts, numbers or flags of at most "
    f"{LONGEST_VALUE}, each in one line; {' and '.join(free.RESERVED)} are not among them"
)


def problems(choice: Choice, model: TrainedModel, instances: Mapping[str, InstanceFacts]) -> Iterator[Problem]:
    """What forbids the hyperparameters by themselves, or on one of `instances`, those that the stage may train on."""
    written = choice.table.finetune.hyperparameters
    match model:
        case OwnModel() | JumpStartModel():
            known = profile(choice.model.name, model)
            try:
                completed = complete(written, known)
            except BadRequest as refused:
                rule = known.rules.get(refused.param or "")
                yield _refused(choice, refused, rule.allowed if rule else ", ".join(known.rules))
                return
            try:
                check_length(shape(model), completed)
            except BadRequest as refused:
                yield _refused(choice, refused, RULES["max_input_length"].allowed)
                return
            yield from _memory(choice, model, completed, instances)
        case ScriptModel():
            try:
                free.checked(written)
            except BadRequest as refused:
                yield _refused(choice, refused, _FREELY_ALLOWED)
        case _:
            assert_never(model)


def _refused(choice: Choice, refused: BadRequest, allowed: str) -> Problem:
    written, name = choice.table.finetune.hyperparameters, refused.param or ""
    one = name in written
    return Problem(
        key=choice.key(f"finetune.hyperparameters.{name}" if one or name in RULES else "finetune.hyperparameters"),
        value=written.get(name) if one or name in RULES else len(written),
        reason=refused.message,
        allowed=allowed,
        fix="correct it, or remove it",
    )


def _memory(
    choice: Choice,
    model: OwnModel | JumpStartModel,
    completed: Mapping[str, str],
    instances: Mapping[str, InstanceFacts],
) -> Iterator[Problem]:
    for name, facts in instances.items():
        try:
            check_training(shape(model), completed, name, facts, 1)
        except BadRequest as refused:
            yield Problem(
                key=choice.key("finetune.instance_types"),
                value=name,
                reason=refused.message,
                allowed="instance types with enough GPU memory",
                fix="name another type, or lower what the hyperparameters ask for",
            )
