"""What a caller asks for in `POST /generate`, checked and independent of any model's contract."""

from collections.abc import Mapping
from typing import NamedTuple

from common.shown import shown

from proxy.errors import InvalidParameter
from proxy.parameters import RULES, Parameters, check_parameters, sequences
from proxy.strict_json import checked_unicode
from proxy.window import Side

MAX_INPUTS = 64

_OWN_FIELDS = ("text_inputs", "clm", "trim_at", "truncate", "split")


class Generation(NamedTuple):
    """`is_batch` tells an array of one from a string; `clm` is None where the contract is to choose.

    `truncate` and `split` say what becomes of an input that is longer than the window: cut at that side, or sent
    in parts. At most one of them is set.
    """

    inputs: tuple[str, ...]
    is_batch: bool
    parameters: Parameters
    clm: bool | None = None
    trim_at: str | None = None
    truncate: Side | None = None
    split: bool = False

    @property
    def texts_expected(self) -> int:
        """Texts that a complete answer holds."""
        return len(self.inputs) * sequences(self.parameters)


def check_generation(fields: Mapping[str, object]) -> Generation:
    """The generation that a request body asks for. Raises InvalidParameter naming the field at fault."""
    _refuse_unknown(fields)
    truncate, split = check_choice(fields)
    return Generation(
        inputs=_inputs(fields),
        is_batch=isinstance(fields["text_inputs"], list),
        parameters=check_parameters({name: value for name, value in fields.items() if name in RULES}),
        clm=_clm(fields),
        trim_at=_trim_at(fields),
        truncate=truncate,
        split=split,
    )


def check_choice(fields: Mapping[str, object]) -> tuple[Side | None, bool]:
    """`truncate` and `split` of a request, seen beside its parameters. Raises InvalidParameter for what is none."""
    truncate = _truncate(fields)
    return truncate, _split(fields, truncate)


def _refuse_unknown(fields: Mapping[str, object]) -> None:
    allowed = (*_OWN_FIELDS, *RULES)
    for name in fields:
        if name not in allowed:
            raise InvalidParameter(f"{shown(name)} is not a parameter. Allowed: {', '.join(allowed)}.", param=name[:40])


def _inputs(fields: Mapping[str, object]) -> tuple[str, ...]:
    if "text_inputs" not in fields:
        raise InvalidParameter("text_inputs is missing: give a string or an array of strings.", param="text_inputs")
    given = fields["text_inputs"]
    if isinstance(given, str):
        return (check_text(given, "text_inputs"),)
    if not isinstance(given, list):
        raise InvalidParameter(
            f"text_inputs is {shown(given)}, but must be a string or an array of strings.", param="text_inputs"
        )
    if not 1 <= len(given) <= MAX_INPUTS:
        raise InvalidParameter(
            f"text_inputs has {len(given)} inputs, but must have from 1 to {MAX_INPUTS}.", param="text_inputs"
        )
    return tuple(check_text(value, f"text_inputs[{index}]") for index, value in enumerate(given))


def check_text(value: object, name: str) -> str:
    """`value` as a text for the model. Raises InvalidParameter, by `name`, for what is none."""
    if not isinstance(value, str):
        raise InvalidParameter(f"{name} is {shown(value)}, but must be a string.", param=name)
    if not value.strip():
        raise InvalidParameter(f"{name} is empty: it needs more than whitespace.", param=name)
    return checked_unicode(value, name)


def _clm(fields: Mapping[str, object]) -> bool | None:
    return _flag(fields, "clm") if "clm" in fields else None


def _flag(fields: Mapping[str, object], name: str) -> bool:
    value = fields[name]
    if not isinstance(value, bool):
        raise InvalidParameter(f"{name} is {shown(value)}, but must be true or false.", param=name)
    return value


def _truncate(fields: Mapping[str, object]) -> Side | None:
    value = fields.get("truncate", "none")
    allowed = ("none", *Side)
    if value not in allowed:
        raise InvalidParameter(
            f"truncate is {shown(value)}, but must be one of {', '.join(allowed)}.", param="truncate"
        )
    return None if value == "none" else Side(str(value))


def _split(fields: Mapping[str, object], truncate: Side | None) -> bool:
    """Whether to split, which gives one text from one: no batch, no several answers, and nothing to cut."""
    if "split" not in fields or not _flag(fields, "split"):
        return False
    beside = {
        "truncate": truncate is not None,
        "text_inputs": isinstance(fields.get("text_inputs"), list),
        "num_return_sequences": fields.get("num_return_sequences", 1) != 1,
    }
    for name, is_there in beside.items():
        if is_there:
            raise InvalidParameter(
                f"split joins the answers to the parts of one text, so it excludes {name} = {shown(fields[name])}.",
                param=name,
            )
    return True


def _trim_at(fields: Mapping[str, object]) -> str | None:
    if "trim_at" not in fields:
        return None
    value = fields["trim_at"]
    if not isinstance(value, str) or not value:
        raise InvalidParameter(f"trim_at is {shown(value)}, but must be a non-empty string.", param="trim_at")
    return checked_unicode(value, "trim_at")
