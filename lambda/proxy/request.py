"""One request as API Gateway's REST proxy integration delivers it (payload version 1.0)."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from proxy.errors import InvalidRequest, PayloadTooLarge
from proxy.strict_json import MAX_OBJECTS, JsonObject, is_unicode, parse_object

MAX_BODY_BYTES = 2**20
MAX_FORM_CHARACTERS = 4096

_PARAMETER = re.compile(r"\{(\w+)\+?\}")
_YEAR_10000_MILLISECONDS = 253_402_300_800_000  # past what a datetime holds


class Request(NamedTuple):
    """`start_epoch` is when API Gateway received it, in seconds since 1970; None where that is not stated.

    Names of `headers` are in lower case. `caller` tells callers apart and is None where nothing does: it may be a
    credential, so it is hashed before it goes anywhere.
    """

    id: str
    method: str
    path: str
    start_epoch: float | None
    headers: Mapping[str, str]
    caller: str | None
    body: str
    is_base64: bool
    query: Mapping[str, str]

    @classmethod
    def from_event(cls, event: object, context: object) -> "Request":
        """Any event gives a request: what is missing or of the wrong type counts as not given."""
        fields = _mapping(event)
        about = _mapping(fields.get("requestContext"))
        headers = {str(name).lower(): _text(value) for name, value in _mapping(fields.get("headers")).items()}
        return cls(
            id=_text(about.get("requestId")) or _text(getattr(context, "aws_request_id", "")) or "unknown",
            method=_text(fields.get("httpMethod")).upper(),
            path=_path(fields),
            start_epoch=_epoch_seconds(about.get("requestTimeEpoch")),
            headers=headers,
            caller=_caller(about, headers),
            body=_text(fields.get("body")),
            is_base64=fields.get("isBase64Encoded") is True,
            query={str(k): _text(v) for k, v in _mapping(fields.get("queryStringParameters")).items()},
        )

    def form_field(self, name: str) -> str:
        """A field of a form's body, empty where it has none. Raises PayloadTooLarge, or InvalidRequest."""
        if len(self.body) > MAX_FORM_CHARACTERS:
            raise PayloadTooLarge(f"The form is larger than {MAX_FORM_CHARACTERS} characters.")
        text = _decoded(self.body) if self.is_base64 else self.body
        return parse_qs(text, keep_blank_values=True).get(name, [""])[0]

    def json_object(self, *, max_objects: int = MAX_OBJECTS) -> JsonObject:
        """The body's JSON object. Raises InvalidRequest, or PayloadTooLarge before anything is decoded."""
        if len(self.body) > 2 * MAX_BODY_BYTES:  # too large in any encoding: do not even decode it
            raise _too_large()
        text = _decoded(self.body) if self.is_base64 else self.body
        if not is_unicode(text):
            raise InvalidRequest("The body is not valid UTF-8.")
        if len(text.encode()) > MAX_BODY_BYTES:
            raise _too_large()
        if not text.strip():
            raise InvalidRequest("The body is empty, but must be a JSON object.")
        return parse_object(text, max_objects=max_objects)


def _decoded(body: str) -> str:
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise InvalidRequest("The body is not base64 of UTF-8 text, as its event says it is.") from exc


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes: send shorter or fewer inputs.")


def _caller(about: Mapping[str, object], headers: Mapping[str, str]) -> str | None:
    """Who API Gateway says it is. The embedded cloud's does not, so the credential that it accepted stands in."""
    identity, authorizer = _mapping(about.get("identity")), _mapping(about.get("authorizer"))
    known = {
        "key": identity.get("apiKeyId"),
        "iam": identity.get("userArn"),
        "principal": authorizer.get("principalId"),
        "x-api-key": headers.get("x-api-key"),
        "authorization": headers.get("authorization"),
    }
    return next((f"{kind}:{value}" for kind, value in known.items() if _text(value)), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _path(fields: Mapping[str, object]) -> str:
    """The route's own path. Unlike `path`, `resource` with its parameters is free of a custom domain's base path."""
    resource = _text(fields.get("resource"))
    given = _mapping(fields.get("pathParameters"))
    path = _PARAMETER.sub(lambda name: _text(given.get(name[1])) or name[0], resource)
    return _text(fields.get("path")) if "{" in path or not path else path


def _epoch_seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 < milliseconds < _YEAR_10000_MILLISECONDS else None
