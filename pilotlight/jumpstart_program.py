"""A training of JumpStart's that is no row of the lock file, as a program of the user's own: what a stage's
[stages.NAME.finetune] says of it, as TOML. Pure.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pilotlight.jumpstart import LockError
from pilotlight.jumpstart_training import Training

_LONGEST_HYPERPARAMETERS: Final = 600
"""Characters of fine_tune.LONGEST_SETTINGS, beside what the longest ids and instance types take."""


class OwnProgram(NamedTuple):
    """[stages.NAME.finetune] with the training as a program of the user's own, and what is left for a dataset's
    run.toml: many hyperparameters do not fit into a stage's settings.
    """

    table: Mapping[str, Any]
    run: Mapping[str, Any]


def own_program(training: Training, *, region: str, accounts: Mapping[str, str]) -> OwnProgram:
    """Raises LockError where its image is not in the Region."""
    if region not in (accounts if training.image_regions is None else training.image_regions):
        raise LockError(f"The image that trains {training.model_id} is not known to be in {region}: choose --region.")
    program = training.program
    table = {
        "program": "script",
        "image_uri": program.image.format(account=accounts[region], region=region),
        "script_url": program.script.format(region=region),
        "entry_point": program.fixed_hyperparameters.get("sagemaker_program", "transfer_learning.py"),
        "base_model_url": f"s3://{program.artifact_bucket}/{training.artifact_key}".format(region=region),
        "instance_types": list(training.instance_types[:5]),
        "volume_size_gb": program.volume_size_gb,
        "network_isolation": training.network_isolation,
        "environment": dict(program.environment),
        "metrics": [{"name": metric.Name, "regex": metric.Regex} for metric in training.metrics],
    }
    table = {name: value for name, value in table.items() if value not in ({}, [])}
    told = {"hyperparameters": {name: _scalar(one["default"]) for name, one in training.said.items()}}
    fits = len(json.dumps(told)) <= _LONGEST_HYPERPARAMETERS
    return OwnProgram(table | told, {}) if fits else OwnProgram(table, told)


def _scalar(value: object) -> object:
    return value if isinstance(value, int | float | str) else str(value)


def to_toml(table: Mapping[str, Any]) -> str:
    """Its keys, a line each."""
    return "\n".join(f"{_key(name)} = {_value(value)}" for name, value in table.items())


def _value(value: object) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + " }"
        case list():
            return "[" + ", ".join(_value(one) for one in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)  # of a text, a number or a flag it is TOML's form too


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)
