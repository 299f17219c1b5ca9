"""Requests and responses of the `sagemaker` control plane, judged by the service model that botocore ships.

A local service that accepts what AWS refuses is worse than none, so nothing here is written by hand: required
members, unknown members and types are botocore's own validation; lengths, patterns and enumerations come from the
same model.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
import regex  # the service model's patterns are Java's, with \p{L} and the like
from botocore import xform_name
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

TARGET_PREFIX = "SageMaker"
_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}


class AwsError(Exception):
    """A refusal in AWS's own terms: `code` and `status` are what botocore shows the caller."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@cache
def service_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


def answer(handlers: Iterable[object], headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Carry one control-plane request to the handlers' method of the same (snake-case) name.

    `headers` have lower-case names. Returns (HTTP status, headers, body) in JSON 1.1, errors included.
    """
    try:
        operation = _operation(headers.get("x-amz-target", ""))
        params = _validated(operation.input_shape, _parsed(body))
        name = xform_name(operation.name)
        method: Callable[..., dict[str, Any]] | None
        method = next((getattr(handler, name) for handler in handlers if hasattr(handler, name)), None)
        if method is None:
            raise AwsError("UnknownOperationException", f"The embedded cloud has no SageMaker {operation.name}.")
        result = _validated(operation.output_shape, method(**params))
    except AwsError as error:
        refusal = {"__type": error.code, "message": str(error)}
        return error.status, dict(_HEADERS), json.dumps(refusal).encode()
    return 200, dict(_HEADERS), json.dumps(result, default=_seconds).encode()


def request(operation_name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation properties as a validated request: the same names, but numbers and booleans may be strings."""
    shape = service_model().operation_model(operation_name).input_shape
    return _validated(shape, _coerced(shape, dict(properties)))


def members(operation_name: str) -> frozenset[str]:
    """What an operation's answer may hold."""
    shape = service_model().operation_model(operation_name).output_shape
    return frozenset(shape.members) if shape else frozenset()


def _operation(target: str) -> OperationModel:
    prefix, _, name = target.partition(".")
    if prefix != TARGET_PREFIX or name not in service_model().operation_names:
        raise AwsError(
            "UnknownOperationException",
            f"{target or 'A request without a target'} is no SageMaker operation.",
        )
    return service_model().operation_model(name)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise AwsError("SerializationException", "The body is not a JSON object")
    return parsed


def _validated(shape: Shape | None, value: dict[str, Any]) -> dict[str, Any]:
    if shape is None:
        return {}
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        raise AwsError("ValidationException", report.generate_report())
    if problems := list(_constraint_problems(shape, value, shape.name)):
        raise AwsError("ValidationException", f"{len(problems)} validation error detected: {'; '.join(problems)}")
    return value


def _constraint_problems(shape: Shape, value: Any, path: str) -> list[str]:
    """What botocore leaves to the server: lengths above, patterns and enumerations, in SageMaker's wording."""
    if isinstance(shape, StructureShape):
        nested = [_constraint_problems(shape.members[key], item, key) for key, item in value.items()]
    elif isinstance(shape, ListShape):
        nested = [_constraint_problems(shape.member, item, path) for item in value]
    elif isinstance(shape, MapShape):
        nested = [_constraint_problems(shape.value, item, f"{path}.{key}") for key, item in value.items()]
    else:
        nested = []
    return [*(_broken_rules(shape, value, path)), *(problem for problems in nested for problem in problems)]


def _broken_rules(shape: Shape, value: Any, path: str) -> list[str]:
    rules = shape.metadata
    size = value if isinstance(value, int | float) else len(value) if hasattr(value, "__len__") else None
    said = f"Value '{value}' at '{path[:1].lower()}{path[1:]}' failed to satisfy constraint: Member must"
    broken = []
    if size is not None and size > rules.get("max", size):
        broken.append(f"{said} be at most {rules['max']}")
    if isinstance(value, str):
        if "pattern" in rules and not regex.fullmatch(rules["pattern"], value, regex.DOTALL):
            broken.append(f"{said} satisfy regular expression pattern: {rules['pattern']}")
        if "enum" in rules and value not in rules["enum"]:
            broken.append(f"{said} satisfy enum value set: [{', '.join(rules['enum'])}]")
    return broken


def _coerced(shape: Shape | None, value: Any) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {key: _coerced(shape.members.get(key), item) for key, item in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_coerced(shape.member, item) for item in value]
    if shape is not None and isinstance(value, str):
        if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", value):
            return int(value)
        if shape.type_name in ("float", "double") and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return float(value)
        if shape.type_name == "boolean" and value in ("true", "false"):
            return value == "true"
    return value


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} has no JSON form on the SageMaker wire")
