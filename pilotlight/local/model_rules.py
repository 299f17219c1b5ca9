"""The rules by which the model containers judge a request: one for each value, and what is said of a broken one."""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class UnusableRequestError(ValueError):
    """The caller asked for something the model cannot do; the message says what and what is allowed."""


_SURROGATES = re.compile("[\ud800-\udfff]")


class Rule(NamedTuple):
    allowed: str
    holds: Callable[[Any], bool]


def is_integer(value: Any, least: int) -> bool:
    return type(value) is int and value >= least  # JSON's true is an int to isinstance


def is_number(value: Any) -> bool:
    """Whether it fits a finite float: JSON's 1e999 is read as infinity, and an integer may have any size."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_text(value: Any) -> bool:
    """Whether it is a non-empty string that a tokenizer can read: JSON can hold half a surrogate pair."""
    return isinstance(value, str) and value != "" and not _SURROGATES.search(value)


POSITIVE_INTEGER = Rule("a positive integer", lambda value: is_integer(value, 1))
POSITIVE_NUMBER = Rule("a number above 0", lambda value: is_number(value) and value > 0)
BOOLEAN = Rule("true or false", lambda value: isinstance(value, bool))
TEXT = Rule("a non-empty string of valid Unicode", is_text)

SAMPLING_RULES = {
    "do_sample": BOOLEAN,
    # beyond these, the probabilities of a softmax are infinite or all alike, and torch refuses to sample
    "temperature": Rule("a number from 1e-5 to 1e5", lambda value: is_number(value) and 1e-5 <= value <= 1e5),
    "top_k": POSITIVE_INTEGER,
    "top_p": Rule("a number between 0 and 1, both excluded", lambda value: is_number(value) and 0 < value < 1),
    "num_return_sequences": POSITIVE_INTEGER,
    # torch takes no seed outside 64 bits
    "seed": Rule("an integer of 64 bits", lambda value: type(value) is int and -(2**63) <= value < 2**64),
}


def check(values: Mapping[str, Any], rules: Mapping[str, Rule], *, required: str | None = None) -> None:
    if required is not None and required not in values:
        raise UnusableRequestError(f"{required} is missing: it must be {rules[required].allowed}.")
    for name, value in values.items():
        if name not in rules:
            raise UnusableRequestError(f"{name} is unknown: allowed are {', '.join(sorted(rules))}.")
        if not rules[name].holds(value):
            raise UnusableRequestError(f"{name} must be {rules[name].allowed}, not {shown(value)}.")


def shown(value: Any) -> str:
    literal = ascii(value)  # a lone surrogate could not be sent back
    return literal if len(literal) <= 80 else f"{literal[:80]}…"
