"""What API Gateway itself answers, before or instead of the proxy, in the proxy's error shape."""

from collections.abc import Iterable

from aws_cdk import aws_apigateway as apigateway
from aws_cdk.aws_apigateway import ResponseType

from pilotlight.config import ApiLimits
from stacks.refusals import refusals
from stacks.routes import Route

_HEADERS = {
    "any": "x-api-key: KEY or as Authorization: Bearer KEY",
    "x-api-key": "x-api-key: KEY",
    "authorization": "Authorization: Bearer KEY",
}


def add_gateway_responses(rest_api: apigateway.RestApi, *, limits: ApiLimits, routes: Iterable[Route]) -> None:
    """One gateway response for every way in which API Gateway refuses a request of these routes."""
    how = f"Send one as {_HEADERS[limits.key_header]}; the Api stack's output ApiKeyId names one."
    for refusal in refusals(limits.auth, ", ".join(map(str, routes))):
        # OpenAI's clients try everything from 500 up again, unless told not to: what timed out may have generated.
        headers = _cors_headers(limits) | {"x-should-retry": f"'{str(refusal.soon_over).lower()}'"}
        if refusal.soon_over:
            headers["Retry-After"] = "'1'"
        rest_api.add_gateway_response(
            refusal.response_type.title().replace("_", ""),
            type=ResponseType.of(refusal.response_type),
            status_code=str(refusal.status) if refusal.status else None,
            templates={"application/json": refusal.template.replace("{how}", how)},
            response_headers=headers,
        )


def _cors_headers(limits: ApiLimits) -> dict[str, str]:
    """Parameter mappings, in which a literal stands in quotes of its own.

    A mapping cannot choose among origins, so with several of them every page may read a refusal: what anyone could
    read who sends such a request without a browser.
    """
    if not limits.cors_origins:
        return {}
    origin = limits.cors_origins[0] if len(limits.cors_origins) == 1 else "*"
    return {"Access-Control-Allow-Origin": f"'{origin}'", "Access-Control-Expose-Headers": "'*'"}
