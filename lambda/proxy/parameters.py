"""The ten generation parameters of the AlexaTM 20B API and what each may be.

Beyond the reference's own ranges, integers are bounded so that no container is handed what it cannot hold.
"""

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from common.shown import shown

from proxy.errors import InvalidParameter

MAX_TOKENS = 2**20  # wider than any model's window
MAX_SEQUENCES = 64
MAX_INT32 = 2**31 - 1

Parameters = Mapping[str, bool | int | float]


class Rule(NamedTuple):
    """What a parameter may be: as a test, in words that complete "… must be", and as JSON Schema.

    To JSON Schema 1.0 is an integer, and to the test it is none.
    """

    allows: Callable[[object], bool]
    allowed: str
    schema: Mapping[str, object]


def integer(at_least: int, at_most: int) -> Rule:
    def allows(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and at_least <= value <= at_most

    schema = {"type": "integer", "minimum": at_least, "maximum": at_most}
    return Rule(allows, f"an integer from {at_least} to {at_most}", schema)


def number(above: float, below: float, allowed: str) -> Rule:
    # Comparing, rather than converting first, also holds for integers that no float can hold.
    def allows(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and above < value < below

    return Rule(allows, allowed, {"type": "number", "exclusiveMinimum": above, "exclusiveMaximum": below})


_BOOLEAN = Rule(lambda value: isinstance(value, bool), "true or false", {"type": "boolean"})

RULES: Mapping[str, Rule] = {
    "max_length": integer(1, MAX_TOKENS),
    "num_return_sequences": integer(1, MAX_SEQUENCES),
    "num_beams": integer(1, MAX_SEQUENCES),
    "no_repeat_ngram_size": integer(2, MAX_INT32),
    "temperature": number(0, sys.float_info.max, "a finite number greater than 0"),
    "early_stopping": _BOOLEAN,
    "do_sample": _BOOLEAN,
    "top_k": integer(1, MAX_INT32),
    "top_p": number(0, 1, "a number greater than 0 and less than 1"),
    "seed": integer(-(2**63), 2**64 - 1),  # what torch.manual_seed takes
}


def check_parameters(given: Mapping[str, object]) -> Parameters:
    """The parameters as given, once each of them and all of them together are valid.

    Raises InvalidParameter naming the parameter, its value and what is allowed. `given` holds names
    of RULES only.
    """
    checked: dict[str, bool | int | float] = {}
    for name, value in given.items():
        rule = RULES[name]
        if not (isinstance(value, bool | int | float) and rule.allows(value)):
            raise InvalidParameter(f"{name} is {shown(value)}, but must be {rule.allowed}.", param=name)
        checked[name] = value
    _check_sequences(checked)
    return checked


def sequences(parameters: Parameters) -> int:
    """How many texts are asked for each input."""
    return int(parameters.get("num_return_sequences", 1))


def _check_sequences(parameters: Parameters) -> None:
    """Several texts need several beams or sampling: transformers refuses them of a greedy search."""
    wanted = sequences(parameters)
    beams = parameters.get("num_beams")
    if beams is not None and beams < wanted:
        raise InvalidParameter(
            f"num_beams is {beams}, but must be at least num_return_sequences, which is {wanted}.",
            param="num_beams",
        )
    if wanted > 1 and beams is None and not parameters.get("do_sample"):
        raise InvalidParameter(
            f"num_return_sequences is {wanted}, but greedy search has only one result: "
            f"set do_sample to true, or num_beams to {wanted} or more where the model has beam search.",
            param="num_return_sequences",
        )
