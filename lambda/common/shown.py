"""A value as an error message quotes it."""

import json


def shown(value: object) -> str:
    """A value of JSON or TOML as an error message may quote it: short, and never a whole prompt."""
    match value:
        case list():
            return "an array"
        case dict():
            return "an object"
        case str() if len(value) > 40:
            return json.dumps(value[:40]) + "…"
        case _:
            literal = json.dumps(value, default=str)
            return literal if len(literal) <= 40 else literal[:40] + "…"
