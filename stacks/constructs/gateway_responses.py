"""What API Gateway itself answers, before or instead of the proxy, in the proxy's error shape."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aws_cdk import aws_apigateway as apigateway
from aws_cdk.aws_apigateway import ResponseType

from pilotlight.config import ApiLimits
from stacks.routes import Route

_HEADERS = {
    "any": "x-api-key: KEY or as Authorization: Bearer KEY",
    "x-api-key": "x-api-key: KEY",
    "authorization": "Authorization: Bearer KEY",
}


@dataclass(frozen=True)
class Refusal:
    """The types are the proxy's where it has one. No message: API Gateway's own, or what the authorizer gave."""

    response_type: ResponseType
    status: int | None
    error_type: str
    message: str = ""
    variable: str = "$context.error.messageString"  # a JSON string with its quotation marks
    soon_over: bool = False

    @property
    def template(self) -> str:
        """Not VTL: API Gateway fills in variables and does no more."""
        message = json.dumps(self.message) if self.message else self.variable
        return (
            f'{{"error": {{"type": "{self.error_type}", "message": {message}, '
            '"param": null, "request_id": "$context.requestId"}}'
        )


_ALWAYS = (
    Refusal(ResponseType.BAD_REQUEST_BODY, 400, "invalid_request", "The body must be a JSON object."),
    Refusal(ResponseType.THROTTLED, 429, "throttled", "Too many requests a second.", soon_over=True),
    Refusal(ResponseType.REQUEST_TOO_LARGE, 413, "payload_too_large", "The request body is too large."),
    Refusal(ResponseType.UNSUPPORTED_MEDIA_TYPE, 415, "invalid_request", "Send Content-Type: application/json."),
    Refusal(
        ResponseType.INTEGRATION_TIMEOUT, 504, "deadline_exceeded", "The proxy did not answer within the time limit."
    ),
    Refusal(ResponseType.INTEGRATION_FAILURE, 502, "internal_error", "The proxy could not be reached."),
    Refusal(ResponseType.DEFAULT_4_XX, None, "invalid_request"),
    Refusal(ResponseType.DEFAULT_5_XX, None, "internal_error"),
)

_WITH_KEYS = (
    Refusal(ResponseType.INVALID_API_KEY, 403, "forbidden", "There is no such API key. {how}"),
    # Where answers are cached, and the header that they are cached by is missing. 403, as the authorizer's own no.
    Refusal(ResponseType.UNAUTHORIZED, 403, "forbidden", "This request has no API key. {how}"),
    # The authorizer's sentences are made to stand between quotation marks.
    Refusal(ResponseType.ACCESS_DENIED, 403, "forbidden", variable='"$context.authorizer.refusal"'),
    Refusal(ResponseType.QUOTA_EXCEEDED, 429, "quota_exceeded", "The quota of this API key is used up."),
    Refusal(
        ResponseType.AUTHORIZER_FAILURE,
        503,
        "service_unavailable",
        "The API key could not be checked: try again.",
        soon_over=True,
    ),
    Refusal(ResponseType.AUTHORIZER_CONFIGURATION_ERROR, 500, "internal_error", "The API key could not be checked."),
)

_SIGN = "Sign it with Signature Version 4 for the service execute-api."
_WITH_IAM = (
    Refusal(
        ResponseType.ACCESS_DENIED,
        403,
        "forbidden",
        "The IAM principal that signed this request is not allowed execute-api:Invoke on this route.",
    ),
    Refusal(ResponseType.INVALID_SIGNATURE, 403, "forbidden", f"The signature of this request is not valid. {_SIGN}"),
    Refusal(ResponseType.EXPIRED_TOKEN, 403, "forbidden", "The credentials that signed this request have expired."),
)


def add_gateway_responses(rest_api: apigateway.RestApi, *, limits: ApiLimits, routes: Iterable[Route]) -> None:
    """One gateway response for every way in which API Gateway refuses a request of these routes."""
    how = f"Send one as {_HEADERS[limits.key_header]}; the Api stack's output ApiKeyId names one."
    for refusal in _refusals(limits, ", ".join(map(str, routes))):
        headers = _cors_headers(limits)
        if refusal.soon_over:
            headers["Retry-After"] = "'1'"
        rest_api.add_gateway_response(
            refusal.response_type.response_type.title().replace("_", ""),
            type=refusal.response_type,
            status_code=str(refusal.status) if refusal.status else None,
            templates={"application/json": refusal.template.replace("{how}", how)},
            response_headers=headers or None,
        )


def _refusals(limits: ApiLimits, routes: str) -> Iterator[Refusal]:
    yield from _ALWAYS
    yield from _WITH_IAM if limits.auth == "iam" else _WITH_KEYS
    # API Gateway answers an unknown route with this, and where IAM decides also a request without a signature.
    missing = ResponseType.MISSING_AUTHENTICATION_TOKEN
    if limits.auth == "iam":
        yield Refusal(missing, 403, "forbidden", f"This request is not signed, or has no such route: {routes}. {_SIGN}")
    else:
        yield Refusal(missing, 404, "not_found", f"No such route. Routes: {routes}.")


def _cors_headers(limits: ApiLimits) -> dict[str, str]:
    """Parameter mappings, in which a literal stands in quotes of its own.

    A mapping cannot choose among origins, so with several of them every page may read a refusal: what anyone could
    read who sends such a request without a browser.
    """
    if not limits.cors_origins:
        return {}
    origin = limits.cors_origins[0] if len(limits.cors_origins) == 1 else "*"
    return {"Access-Control-Allow-Origin": f"'{origin}'", "Access-Control-Expose-Headers": "'*'"}
