"""What a run was asked for: the body of `POST /finetunes`, or the text of a `run.toml` beside a dataset."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Final

from common.shown import shown

from finetune.errors import BadRequest, did_you_mean
from finetune.hyperparameters import RULES, Rules, Scalar
from finetune.programs import checked

MAX_INSTANCES: Final = 16
MAX_COST_USD: Final = 1_000_000
MAX_INSTANCE_TYPES: Final = 5
MAX_TOML_CHARACTERS: Final = 65_536

_DATASET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/((?:[A-Za-z0-9!_.*'()=+@ -]+/)+)")
_LONGEST_URI: Final = 1024
_JOB_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_INSTANCE_TYPE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
ONLY_WITHOUT_ATTACH: Final = ("hyperparameters", "instance_types", "instance_count", "spot")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run as asked for, each value checked by itself; None where the stage's setting holds.

    `attach` is the name of a training job that was started elsewhere: it is evaluated and promoted, not trained.
    A run has `dataset` (`s3://bucket/prefix/`), `attach`, or both: then the dataset evaluates the attached job's model.
    """

    dataset: str | None = None
    hyperparameters: Mapping[str, Scalar] = field(default_factory=dict)
    max_cost_usd: float | None = None
    instance_types: tuple[str, ...] | None = None
    instance_count: int = 1
    spot: bool | None = None
    approve: bool | None = None
    min_improvement: float | None = None
    attach: str | None = None

    @property
    def bucket(self) -> str:
        """The dataset's. Only for a run that has one."""
        return self._located[0]

    @property
    def prefix(self) -> str:
        """The dataset's key prefix, ends with a slash. Only for a run that has one."""
        return self._located[1]

    @property
    def _located(self) -> tuple[str, str]:
        found = _DATASET.fullmatch(self.dataset or "")
        if found is None:
            raise ValueError("This run has no dataset.")
        return found[1], found[2]

    def to_data(self) -> dict[str, Any]:
        """As JSON that `from_body` takes: what was not asked for is left out."""
        unsaid = asdict(Asked())
        return {key: value for key, value in asdict(self).items() if value != unsaid[key]}


def from_body(fields: Mapping[str, object], rules: Rules | None = RULES) -> Asked:
    """The run that a JSON object asks for. `rules` are those of the stage's program (`programs.rules_of`). Raises
    BadRequest for the first thing that is wrong.
    """
    for key in fields:
        if key not in _KEYS:
            raise BadRequest(
                f"A run has no key {shown(key)}{did_you_mean(key, _KEYS)}; it may have {', '.join(_KEYS)}. "
                "Correct its name, or leave it out.",
                param=key,
            )
    asked = Asked(**{key: _KEYS[key](key, value) for key, value in fields.items()})
    checked(asked.hyperparameters, rules)
    if asked.dataset is None and asked.attach is None:
        raise _refused(
            "dataset", "is missing", 'an S3 prefix like "s3://BUCKET/datasets/NAME/", or give `attach`, a job\'s name'
        )
    if asked.attach is not None:
        for key in ONLY_WITHOUT_ATTACH:
            if key in fields:
                raise BadRequest(
                    f"`{key}` has no meaning beside `attach`: that job was started already. Leave it out.",
                    param=key,
                )
    return asked


def from_toml(text: str, *, dataset: str, rules: Rules | None = RULES) -> Asked:
    """The run that a `run.toml` asks for. `dataset` is the prefix that it was found in: the file need not name it,
    and must not name another. Raises BadRequest.
    """
    if len(text) > MAX_TOML_CHARACTERS:
        raise BadRequest(f"run.toml has {len(text)} characters; at most {MAX_TOML_CHARACTERS} are read.")
    try:
        fields = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRequest(f"run.toml is not valid TOML: {error}. Strings stand in quotes.") from error
    if fields.setdefault("dataset", dataset) != dataset:
        raise _refused("dataset", f"is {shown(fields['dataset'])}", f"{dataset}, where run.toml lies, or be left out")
    return from_body(fields, rules)


def _refused(key: str, found: str, allowed: str) -> BadRequest:
    return BadRequest(f"`{key}` {found}; it must be {allowed}.", param=key)


def _text(pattern: re.Pattern[str], allowed: str, longest: int) -> Callable[[str, object], str]:
    def check(key: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
            raise _refused(key, f"is {shown(value)}", allowed)
        return value

    return check


def _number(least: float, most: float, allowed: str) -> Callable[[str, object], float]:
    def check(key: str, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
            raise _refused(key, f"is {shown(value)}", allowed)
        if not least <= value <= most:
            raise _refused(key, f"is {shown(value)}", allowed)
        return float(value)

    return check


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused(key, f"is {shown(value)}", "true or false")
    return value


def _count(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_INSTANCES:
        raise _refused(key, f"is {shown(value)}", f"an integer from 1 to {MAX_INSTANCES}")
    return value


def _instance_types(key: str, value: object) -> tuple[str, ...]:
    allowed = f'an array of 1 to {MAX_INSTANCE_TYPES} different types like "ml.g5.12xlarge", first choice first'
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_INSTANCE_TYPES:
        raise _refused(key, f"is {shown(value)}", allowed)
    for entry in value:
        if not isinstance(entry, str) or not _INSTANCE_TYPE.fullmatch(entry):
            raise _refused(key, f"holds {shown(entry)}", allowed)
    if len(set(value)) < len(value):
        raise _refused(key, "holds a type twice", allowed)
    return tuple(value)


def _hyperparameters(key: str, value: object) -> dict[str, Scalar]:
    if not isinstance(value, Mapping):
        raise _refused(key, f"is {shown(value)}", "an object of hyperparameters")
    return dict(value)


_KEYS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "dataset": _text(_DATASET, 'an S3 prefix that ends with a slash, "s3://BUCKET/datasets/NAME/"', _LONGEST_URI),
    "hyperparameters": _hyperparameters,
    "max_cost_usd": _number(0.01, MAX_COST_USD, f"a number of USD from 0.01 to {MAX_COST_USD}"),
    "instance_types": _instance_types,
    "instance_count": _count,
    "spot": _flag,
    "approve": _flag,
    "min_improvement": _number(
        -1, 1, "a number from -1 to 1, the share by which the evaluation loss must fall (0.05: by 5 percent)"
    ),
    "attach": _text(_JOB_NAME, "the name of a training job: at most 63 letters, digits and inner hyphens", 63),
}
