"""What API Gateway itself answers, before or instead of the proxy: a table, which the API's document is made of too."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Auth = Literal["key", "iam"]


@dataclass(frozen=True)
class Refusal:
    """The types of errors are the proxy's where it has one; `response_type` is API Gateway's.

    No status: whatever API Gateway gives. No message: its own, or what the authorizer gave.
    """

    response_type: str
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
    Refusal("BAD_REQUEST_BODY", 400, "invalid_request", "The body must be a JSON object."),
    Refusal("THROTTLED", 429, "throttled", "Too many requests a second.", soon_over=True),
    Refusal("REQUEST_TOO_LARGE", 413, "payload_too_large", "The request body is too large."),
    Refusal("UNSUPPORTED_MEDIA_TYPE", 415, "invalid_request", "Send Content-Type: application/json."),
    Refusal("INTEGRATION_TIMEOUT", 504, "deadline_exceeded", "The proxy did not answer within the time limit."),
    Refusal("INTEGRATION_FAILURE", 502, "internal_error", "The proxy could not be reached."),
    Refusal("DEFAULT_4XX", None, "invalid_request"),
    Refusal("DEFAULT_5XX", None, "internal_error"),
)

_WITH_KEYS = (
    Refusal("INVALID_API_KEY", 403, "forbidden", "There is no such API key. {how}"),
    # Where answers are cached, and the header that they are cached by is missing. 403, as the authorizer's own no.
    Refusal("UNAUTHORIZED", 403, "forbidden", "This request has no API key. {how}"),
    # The authorizer's sentences are made to stand between quotation marks.
    Refusal("ACCESS_DENIED", 403, "forbidden", variable='"$context.authorizer.refusal"'),
    Refusal("QUOTA_EXCEEDED", 429, "quota_exceeded", "The quota of this API key is used up."),
    Refusal(
        "AUTHORIZER_FAILURE",
        503,
        "service_unavailable",
        "The API key could not be checked: try again.",
        soon_over=True,
    ),
    Refusal("AUTHORIZER_CONFIGURATION_ERROR", 500, "internal_error", "The API key could not be checked."),
)

_SIGN = "Sign it with Signature Version 4 for the service execute-api."
_WITH_IAM = (
    Refusal(
        "ACCESS_DENIED",
        403,
        "forbidden",
        "The IAM principal that signed this request is not allowed execute-api:Invoke on this route.",
    ),
    Refusal("INVALID_SIGNATURE", 403, "forbidden", f"The signature of this request is not valid. {_SIGN}"),
    Refusal("EXPIRED_TOKEN", 403, "forbidden", "The credentials that signed this request have expired."),
)


def refusals(auth: Auth, routes: str) -> Iterator[Refusal]:
    """Every way in which API Gateway refuses a request; `routes` is what a caller is told there is."""
    yield from _ALWAYS
    yield from _WITH_IAM if auth == "iam" else _WITH_KEYS
    # API Gateway answers an unknown route with this, and where IAM decides also a request without a signature.
    missing = "MISSING_AUTHENTICATION_TOKEN"
    if auth == "iam":
        yield Refusal(missing, 403, "forbidden", f"This request is not signed, or has no such route: {routes}. {_SIGN}")
    else:
        yield Refusal(missing, 404, "not_found", f"No such route. Routes: {routes}.")
