"""Short words for JSON Schema (draft 2020-12, which is OpenAPI 3.1's)."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

# At least one character that Python's str.strip leaves.
TEXT: Json = {"type": "string", "pattern": r"[^\s\x1c-\x1f\x85]"}
STRING: Json = {"type": "string"}
BOOLEAN: Json = {"type": "boolean"}
COUNT: Json = {"type": "integer", "minimum": 0}
MOMENT: Json = {"type": "string", "format": "date-time"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Json], *, optional: Iterable[str] = ()) -> Json:
    """An object with these members and no others."""
    left_out = set(optional)
    required = [name for name in properties if name not in left_out]
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def array(items: Json, *, least: int | None = None, most: int | None = None) -> Json:
    bounds = {"minItems": least, "maxItems": most}
    return {"type": "array", "items": items} | {name: bound for name, bound in bounds.items() if bound is not None}


def any_of(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


def nullable(schema: Json) -> Json:
    return any_of(schema, {"type": "null"})


def one_of(values: Iterable[object]) -> Json:
    return {"enum": [str(value) if isinstance(value, str) else value for value in values]}


def said(schema: Json, description: str) -> Json:
    """The schema with words."""
    return schema | {"description": description}


def where(condition: Mapping[str, Json], then: Json) -> Json:
    """If the members of `condition` are all there and like that, the whole must be like `then`."""
    return {"if": {"properties": dict(condition), "required": list(condition)}, "then": then}


def with_members(**members: Json) -> Json:
    """Whatever else it holds, these members are there and like this."""
    return {"properties": members, "required": list(members)}
