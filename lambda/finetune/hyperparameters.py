"""The hyperparameters of a training job: which there are, what each may be, how they fit each other.

Names, bounds and defaults are those of JumpStart's Llama 2 training spec; the project's own container takes the same.
Another training of JumpStart's may have further ones, which its model's profile describes. On the wire all of them are
strings, `True` and `False` and `None` spelled as Python does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, Literal

from common.shown import shown

from finetune.errors import BadRequest, did_you_mean

Scalar = str | int | float | bool
Kind = Literal["integer", "number", "flag", "text"]

MAX_INTEGER: Final = 2**31 - 1
LONGEST_VALUE: Final = 2500
"""Characters that SageMaker takes."""
ONE_LINE: Final = re.compile("[^\\n\\r\\x85\\u2028\\u2029\\ud800-\\udfff]*")
"""SageMaker's pattern is `.*`, and no dot is a line break. Half of a surrogate pair is no text."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Rule:
    """What one hyperparameter may be: a range with its ends, and a value beside it, `also`, that means "by itself".
    A text may be any one line, or one of its `options`.
    """

    kind: Kind
    default: str
    least: float = 0
    most: float = MAX_INTEGER
    also: str | None = None
    options: Sequence[str] = ()

    @property
    def allowed(self) -> str:
        """Completes "… must be"."""
        if self.kind == "flag":
            return "True or False"
        if self.kind == "text":
            return " or ".join(self.options) or f"a text of at most {LONGEST_VALUE} characters in one line"
        noun = "an integer" if self.kind == "integer" else "a number"
        return f"{noun}{self._bounds}" + (f", or {self.also}" if self.also else "")

    @property
    def _bounds(self) -> str:
        if self.most < MAX_INTEGER:
            ends = f"from {self.least:g} to" if self.least > -MAX_INTEGER else "of at most"
            return f" {ends} {self.most:g}"
        return f" of at least {self.least:g}" if self.least > -MAX_INTEGER else ""

    def wire(self, value: object) -> str | None:
        """The value as SageMaker is sent it; None where it is not allowed."""
        if self.kind == "text":
            return self._text(value)
        text = value.strip() if isinstance(value, str) else str(value)
        if self.kind == "flag":
            return {"true": "True", "false": "False"}.get(text.lower())
        if self.also is not None and text == self.also:
            return text
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        return self._integer(text) if self.kind == "integer" else self._number(text)

    def _text(self, value: object) -> str | None:
        """As it is: blanks at its ends may mean something."""
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not ONE_LINE.fullmatch(value):
            return None
        return value if not self.options or value in self.options else None

    def _integer(self, text: str) -> str | None:
        if not _INTEGER.fullmatch(text):
            return None
        return str(int(text)) if self.least <= int(text) <= self.most else None

    def _number(self, text: str) -> str | None:
        if not _NUMBER.fullmatch(text):
            return None
        number = float(text)
        return repr(number) if isfinite(number) and self.least <= number <= self.most else None


Rules = Mapping[str, Rule]

RULES: Final[Rules] = {
    "epoch": Rule("integer", "5", 1, 1000),
    "learning_rate": Rule("number", "0.0001", 1e-8, 1),
    "instruction_tuned": Rule("flag", "False"),
    "chat_dataset": Rule("flag", "False"),
    "add_input_output_demarcation_key": Rule("flag", "True"),
    "per_device_train_batch_size": Rule("integer", "4", 1, 1000),
    "per_device_eval_batch_size": Rule("integer", "1", 1, 1000),
    "max_train_samples": Rule("integer", "-1", 1, also="-1"),
    "max_val_samples": Rule("integer", "-1", 1, also="-1"),
    "max_input_length": Rule("integer", "-1", 1, also="-1"),
    "validation_split_ratio": Rule("number", "0.2", 0, 1),
    "train_data_split_seed": Rule("integer", "0", 0),
    "preprocessing_num_workers": Rule("integer", "None", 1, also="None"),
    "lora_r": Rule("integer", "8", 1),
    "lora_alpha": Rule("integer", "32", 1),
    "lora_dropout": Rule("number", "0.05", 0, 1),
    "int8_quantization": Rule("flag", "False"),
    "enable_fsdp": Rule("flag", "True"),
    "seed": Rule("integer", "10", 1, 1000),
}


@dataclass(frozen=True)
class Profile:
    """What one model adds to the table. `fsdp` and `neither`: whether it may be sharded, and whether it may be trained
    with neither FSDP nor int8 (JumpStart's Llama 2 wants exactly one). `defaults` are in their wire form. `further` are
    hyperparameters that the table does not have, as JSON of what `Rule` takes.
    """

    model: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    fsdp: bool = True
    neither: bool = False
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Profile":
        return cls(data["model"], data["defaults"], data["fsdp"], data["neither"], data["further"])

    @property
    def rules(self) -> Rules:
        """The table, and what the model has beside it."""
        return rules_with(self.further)


def rules_with(further: Mapping[str, Mapping[str, Any]]) -> Rules:
    """The table, and `further` as a profile has them."""
    return {**RULES, **{name: Rule(**said) for name, said in further.items()}}


def complete(asked: Mapping[str, Scalar], profile: Profile) -> dict[str, str]:
    """Every hyperparameter that the model has, as asked or by default, in its wire form.

    What is asked moves the default it excludes: `int8_quantization` alone switches FSDP off, and the other way round.
    Completing a completed set changes nothing. Raises BadRequest naming parameter, value and what is allowed.
    """
    rules = profile.rules
    given = checked(asked, rules)
    completed = {name: given.get(name, profile.defaults.get(name, rule.default)) for name, rule in rules.items()}
    for name, other in (("int8_quantization", "enable_fsdp"), ("enable_fsdp", "int8_quantization")):
        if other in given or name not in given:
            continue
        if given[name] == "True":
            completed[other] = "False"
        elif not profile.neither and (profile.fsdp or name == "enable_fsdp"):
            completed[other] = "True"
    _check_together(completed, profile)
    return completed


def checked(asked: Mapping[str, Scalar], rules: Rules = RULES) -> dict[str, str]:
    """Only what is asked, each value by itself in its wire form. Raises BadRequest."""
    for name in asked:
        if name not in rules:
            raise BadRequest(
                f"There is no hyperparameter {shown(name)}{did_you_mean(name, rules)}; there are {', '.join(rules)}. "
                "Correct its name, or leave it out.",
                param=name,
            )
    wire = {name: rules[name].wire(value) for name, value in asked.items()}
    for name, text in wire.items():
        if text is None:
            raise _refused(name, asked[name], f"must be {rules[name].allowed}")
    return {name: text for name, text in wire.items() if text is not None}


def _check_together(completed: Mapping[str, str], profile: Profile) -> None:
    def on(name: str) -> bool:
        return completed[name] == "True"

    if on("instruction_tuned") and on("chat_dataset"):
        raise _refused(
            "chat_dataset", "True", "must be False where instruction_tuned is True: a dataset has one format"
        )
    if on("enable_fsdp") and not profile.fsdp:
        raise _refused("enable_fsdp", "True", f"must be False for {profile.model}: set int8_quantization to True")
    if on("int8_quantization") and on("enable_fsdp"):
        raise _refused("int8_quantization", "True", "must be False where enable_fsdp is True: set one of them to False")
    if not (on("int8_quantization") or on("enable_fsdp") or profile.neither):
        raise _refused(
            "int8_quantization",
            "False",
            f"must be True where enable_fsdp is False: {profile.model} is trained with exactly one of them",
        )


def _refused(name: str, value: object, why: str) -> BadRequest:
    return BadRequest(f"The hyperparameter {name} is {shown(value)}, but {why}.", param=name)
