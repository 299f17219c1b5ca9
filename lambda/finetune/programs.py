"""The three kinds of program that train a model, and what each makes of a run's hyperparameters and instances."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from finetune import free, hyperparameters, memory
from finetune.errors import BadRequest
from finetune.hyperparameters import RULES, Profile, Rules, Scalar
from finetune.sizes import InstanceFacts, Shape


@dataclass(frozen=True, kw_only=True)
class OwnContainer:
    """The project's training container: it speaks the project's contract, so it takes a task, trains on several
    instances, and takes no notice of other files beside the training files.
    """

    profile: Profile
    shape: Shape
    kind: Literal["own"] = "own"


@dataclass(frozen=True, kw_only=True)
class JumpStart:
    """JumpStart's script in JumpStart's image, with the hyperparameters of its Llama 2 training, and further ones."""

    profile: Profile
    shape: Shape
    kind: Literal["jumpstart"] = "jumpstart"


@dataclass(frozen=True, kw_only=True)
class Script:
    """The user's own image, with the user's own script in it or beside it. Its memory is not known, and its
    hyperparameters are its own business. `shape`: where it is known, evaluations are spared types that are too small.
    """

    shape: Shape | None = None
    kind: Literal["script"] = "script"


Program = OwnContainer | JumpStart | Script
Kind = Literal["own", "jumpstart", "script"]


def rules_of(program: Program) -> Rules | None:
    """What its hyperparameters may be, by their names; None of a script, whose are its own business."""
    return None if isinstance(program, Script) else program.profile.rules


def checked(asked: Mapping[str, Scalar], rules: Rules | None) -> dict[str, str]:
    """Each hyperparameter by itself, in its wire form; `rules` are those of `rules_of`. Raises BadRequest."""
    return free.checked(asked) if rules is None else hyperparameters.checked(asked, rules)


def from_data(data: Mapping[str, Any]) -> Program:
    """What `dataclasses.asdict` made of a program. Raises KeyError for anything else."""
    match data["kind"]:
        case "script":
            return Script(shape=Shape(**data["shape"]) if data["shape"] else None)
        case "own":
            return OwnContainer(profile=Profile.from_data(data["profile"]), shape=Shape(**data["shape"]))
        case "jumpstart":
            return JumpStart(profile=Profile.from_data(data["profile"]), shape=Shape(**data["shape"]))
        case other:
            raise KeyError(other)


def completed(program: Program, asked: Mapping[str, Scalar], format: str | None) -> dict[str, str]:
    """What the job is sent. A known program is told all of its table, and the dataset's format; a script gets what was
    asked for and nothing else, as most programs refuse what they do not know. Raises BadRequest.
    """
    match program:
        case OwnContainer() | JumpStart():
            hyperparameters.complete(asked, program.profile)  # what excludes each other does so whatever the dataset is
            return hyperparameters.complete({**asked, **format_of(format)}, program.profile)
        case Script():
            return free.checked(asked)
        case _:
            assert_never(program)


def format_of(format: str | None) -> dict[str, Scalar]:
    """What says so to the project's container and to JumpStart's script; nothing where there is no dataset."""
    if format is None:
        return {}
    return {"instruction_tuned": format == "instruction", "chat_dataset": format == "chat"}


def for_evaluation(program: Program, sent: Mapping[str, str], format: str | None) -> dict[str, str]:
    """What the project's container is told when it evaluates what `program` trained with `sent`: it knows the table."""
    if isinstance(program, Script):
        return hyperparameters.checked(format_of(format))
    return {name: text for name, text in sent.items() if name in RULES}


def check_count(program: Program, model: str, count: int, sent: Mapping[str, str]) -> None:
    """Raises BadRequest where it does not train on so many instances."""
    if count == 1 or isinstance(program, Script):
        return
    if isinstance(program, JumpStart):
        raise BadRequest(
            f"`instance_count` is {count}, but JumpStart's training of {model} runs on 1 instance. Leave it out.",
            param="instance_count",
        )
    if sent["enable_fsdp"] != "True":
        raise BadRequest(
            f"`instance_count` is {count}, but only FSDP trains on several instances. Set enable_fsdp to True, or "
            "leave instance_count out.",
            param="instance_count",
        )


def check_memory(program: Program, sent: Mapping[str, str], name: str, facts: InstanceFacts, count: int) -> None:
    """Raises BadRequest where a training is known not to fit the instance type."""
    if not isinstance(program, Script):
        memory.check_training(program.shape, sent, name, facts, count)


def fits_evaluation(program: Program, name: str, facts: InstanceFacts) -> bool:
    """Whether the instance type holds the model at full precision; where nobody knows the model, it is tried."""
    return facts.gpus > 0 and (program.shape is None or memory.fits_evaluation(program.shape, name, facts))


def uploaded_bytes(program: Program, volume_size_gb: int) -> int:
    """The most that a training leaves. JumpStart's models are served, and so kept, in two bytes a parameter; the
    project's container keeps the precision that the base came in, which may be float32; a script's volume holds
    whatever it likes.
    """
    match program:
        case OwnContainer():
            return 4 * program.shape.parameters
        case JumpStart():
            return 2 * program.shape.parameters
        case Script():
            return volume_size_gb * 10**9
        case _:
            assert_never(program)
