"""JSON as the RFC has it: no NaN or Infinity, no name twice, bounded, valid UTF-8."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import NoReturn

from common.shown import shown

from proxy.errors import InvalidParameter, InvalidRequest

JsonObject = dict[str, object]

MAX_OBJECTS = 100  # a body of nothing but objects is the one that takes long to read


def parse_object(text: str, *, max_objects: int = MAX_OBJECTS) -> JsonObject:
    """The JSON object in `text`. Raises InvalidRequest for anything else, saying what and where."""
    try:
        value = json.loads(text, object_pairs_hook=_object_builder(max_objects), parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise InvalidRequest(
            f"The body is not valid JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}."
        ) from exc
    except RecursionError as exc:
        raise InvalidRequest("The body is nested too deeply: no request needs more than five levels.") from exc
    except ValueError as exc:  # Python's own limit on the digits of an integer
        raise InvalidRequest("The body has an integer of more than 4,300 digits.") from exc
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body must be a JSON object, but is {shown(value)}.")
    return value


def checked_unicode(text: str, place: str) -> str:
    """`text`, once it is all characters. Raises InvalidParameter, by its `place` in the body."""
    if not is_unicode(text):
        raise InvalidParameter(
            f"{place} holds half of a surrogate pair (\\ud800 to \\udfff), which is not a character.", param=place
        )
    return text


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8. JSON can escape half of a surrogate pair, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object_builder(max_objects: int) -> Callable[[list[tuple[str, object]]], JsonObject]:
    """What builds each object of one body, as long as they are few and none names a field twice."""
    numbers = count(1)

    def build(pairs: list[tuple[str, object]]) -> JsonObject:
        if next(numbers) > max_objects:
            raise InvalidRequest(f"The body holds more than {max_objects} objects, but a request needs fewer.")
        fields = dict(pairs)
        if len(fields) < len(pairs):
            [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
            raise InvalidRequest(f"The body names {shown(twice)} more than once.", param=twice[:40])
        return fields

    return build


def _refuse_constant(literal: str) -> NoReturn:
    raise InvalidRequest(f"The body holds {literal}, which is not JSON: numbers must be finite.")
