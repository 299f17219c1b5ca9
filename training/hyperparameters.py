"""The hyperparameters: their names, defaults and bounds are those of SageMaker JumpStart's Llama 2 training.

Source: JumpStart's spec of meta-textgeneration-llama-2-7b 3.0.0, and its documentation for the exclusions.
On the wire every value is a string.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from training.errors import TrainingError

TASKS = ("train", "evaluate")


@dataclass(frozen=True)
class Hyperparameters:
    """One run's. -1 of a number of samples means all of them, of `max_input_length` 1024 or the model's limit."""

    pilotlight_task: str = "train"
    epoch: int = 5
    learning_rate: float = 1e-4
    instruction_tuned: bool = False
    chat_dataset: bool = False
    add_input_output_demarcation_key: bool = True
    per_device_train_batch_size: int = 4
    per_device_eval_batch_size: int = 1
    max_train_samples: int = -1
    max_val_samples: int = -1
    max_input_length: int = -1
    validation_split_ratio: float = 0.2
    train_data_split_seed: int = 0
    preprocessing_num_workers: int | None = None
    lora_r: int = 8
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    int8_quantization: bool = False
    enable_fsdp: bool = True
    seed: int = 10

    def to_data(self) -> dict[str, Any]:
        return asdict(self)


class _RefusedError(ValueError):
    """Says what is allowed."""


def _whole(low: int, high: int | None = None, *, or_all: bool = False) -> Callable[[str], int]:
    allowed = f"a whole number from {low} to {high}" if high is not None else f"a whole number of at least {low}"
    allowed = f"-1 or {allowed}" if or_all else allowed

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError as exc:
            raise _RefusedError(allowed) from exc
        if not (low <= value and (high is None or value <= high)) and not (or_all and value == -1):
            raise _RefusedError(allowed)
        return value

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as exc:
            raise _RefusedError(f"a number from {low:g} to {high:g}") from exc
        if not math.isfinite(value) or not low <= value <= high:
            raise _RefusedError(f"a number from {low:g} to {high:g}")
        return value

    return read


def _truth(text: str) -> bool:
    if text not in ("True", "False"):
        raise _RefusedError("True or False")
    return text == "True"


def _task(text: str) -> str:
    if text not in TASKS:
        raise _RefusedError(" or ".join(TASKS))
    return text


def _workers(text: str) -> int | None:
    try:
        return None if text == "None" else _whole(1)(text)
    except _RefusedError as exc:
        raise _RefusedError(f"None or {exc}") from exc


_READERS: Mapping[str, Callable[[str], Any]] = {
    "pilotlight_task": _task,
    "epoch": _whole(1, 1000),
    "learning_rate": _number(1e-8, 1),
    "instruction_tuned": _truth,
    "chat_dataset": _truth,
    "add_input_output_demarcation_key": _truth,
    "per_device_train_batch_size": _whole(1, 1000),
    "per_device_eval_batch_size": _whole(1, 1000),
    "max_train_samples": _whole(1, or_all=True),
    "max_val_samples": _whole(1, or_all=True),
    "max_input_length": _whole(1, or_all=True),
    "validation_split_ratio": _number(0, 1),
    "train_data_split_seed": _whole(0),
    "preprocessing_num_workers": _workers,
    "lora_r": _whole(1),
    "lora_alpha": _whole(1),
    "lora_dropout": _number(0, 1),
    "int8_quantization": _truth,
    "enable_fsdp": _truth,
    "seed": _whole(1, 1000),
}

OF_THE_PLATFORM = "sagemaker_"
"""SageMaker's SDK adds hyperparameters of its own, which are no business of the training."""


def read(given: Mapping[str, Any]) -> Hyperparameters:
    """The hyperparameters of a job, missing ones by their defaults.

    Raises:
        TrainingError: one is unknown, not a string, out of its bounds, or excludes another.
    """
    values = {name: _value(name, text) for name, text in given.items() if not name.startswith(OF_THE_PLATFORM)}
    if values.get("int8_quantization"):
        values.setdefault("enable_fsdp", False)  # each excludes the other, so asking for one is enough
    asked = Hyperparameters(**values)
    for one, other in (("instruction_tuned", "chat_dataset"), ("int8_quantization", "enable_fsdp")):
        if getattr(asked, one) and getattr(asked, other):
            raise TrainingError(f"Hyperparameters {one} and {other} are both True: one of them at most may be.")
    return asked


def _value(name: str, text: Any) -> Any:
    if name not in _READERS:
        near = difflib.get_close_matches(name, _READERS, n=1)
        hint = (
            f"did you mean {near[0]}"
            if near
            else f"known are {', '.join(field.name for field in fields(Hyperparameters))}"
        )
        raise TrainingError(
            f"Hyperparameter {name} is unknown: {hint}?" if near else f"Hyperparameter {name} is unknown: {hint}."
        )
    if not isinstance(text, str):
        raise TrainingError(f"Hyperparameter {name} is {text!r}: SageMaker's hyperparameters are strings.")
    try:
        return _READERS[name](text.strip())
    except _RefusedError as exc:
        raise TrainingError(f"Hyperparameter {name} is {text!r}: it must be {exc}.") from exc
