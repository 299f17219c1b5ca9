"""API Gateway's REST authorizers as ministack has them, with what they lack.

ministack asks a REQUEST authorizer, caches its answer and evaluates its policy. But it takes API keys from `x-api-key`
only, whatever `apiKeySource` says (which its CloudFormation does not even set), drops what an authorizer says beside a
denial, and knows no identity source from the request's context. From AWS's documentation, not seen:

* With `apiKeySource` AUTHORIZER the key is the `usageIdentifierKey` of the answer, cached or not, and it is checked
  against the usage plans after the policy, with every call.
* `$context.authorizer.NAME` in a gateway response is the answer's context, also where its policy denies.
* A caching authorizer without identity sources is refused when it is made.

All that an answer holds beside its policy travels inside the policy, as that is what ministack caches and evaluates.
"""

import json
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Response = tuple[int, dict[str, str], bytes]

_BESIDE = "pilotlight"  # a member of the policy document; its evaluation looks at Statement only
_AUTHORIZER_VARIABLE = re.compile(rb"\$\{?context\.authorizer\.(\w+)\}?")


@dataclass
class Request:
    """What is known of the request under way. `key` is None until an authorizer has given one."""

    api_id: str = ""
    method: str = ""
    resource_path: str = ""
    key: str | None = None
    context: dict[str, str] = field(default_factory=dict)


_under_way: ContextVar[Request | None] = ContextVar("request", default=None)


def _request() -> Request:
    return _under_way.get() or Request()


def install() -> None:
    """Extend ministack's REST APIs in process. Call before its server starts."""
    from ministack.services import apigateway_v1 as gateway  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    _create_apis_with_their_key_source(gateway, provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"])
    _begin_each_request(gateway)
    _keep_what_authorizers_answer(gateway)
    _take_keys_from_authorizers(gateway)
    _know_identity_sources_of_the_context(gateway)
    _refuse_caching_by_nothing(gateway)
    _fill_in_authorizer_variables(gateway)


def _create_apis_with_their_key_source(gateway: Any, handlers: dict[str, Any]) -> None:
    """CloudFormation's create drops the property, and its update does not."""
    create = handlers["create"]

    def created(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        made = create(logical_id, properties, stack_name)
        gateway._rest_apis[made[0]]["apiKeySource"] = properties.get("ApiKeySourceType", "HEADER")
        return made

    handlers["create"] = created


def _begin_each_request(gateway: Any) -> None:
    authorize = gateway._authorize_request_v1

    async def begin(
        api_id: str, stage: str, method_obj: object, method: str, path: str, resource: dict[str, Any], *rest: Any
    ) -> Any:
        _under_way.set(Request(api_id, method, resource["path"]))
        return await authorize(api_id, stage, method_obj, method, path, resource, *rest)

    gateway._authorize_request_v1 = begin


def _keep_what_authorizers_answer(gateway: Any) -> None:
    ask, evaluate = gateway._invoke_authorizer_lambda, gateway._evaluate_policy

    async def keep(*arguments: Any) -> Any:
        result = await ask(*arguments)
        if result is not None and not result.get("error"):
            result = result | {"body": with_policy_extended(result.get("body"))}
        return result

    def recall(policy: Any, method_arn: str) -> Any:
        request, beside = _request(), policy.get(_BESIDE, {})
        request.key = beside.get("usageIdentifierKey")
        request.context = gateway._stringify_context(beside.get("context"))
        return evaluate(policy, method_arn)

    gateway._invoke_authorizer_lambda = keep
    gateway._evaluate_policy = recall


def with_policy_extended(body: Any) -> Any:
    """An authorizer's answer whose policy carries the rest of it; what is no such answer is left as it is."""
    try:
        answer = json.loads(body) if isinstance(body, str | bytes) else body
    except ValueError:
        return body
    if not isinstance(answer, dict) or not isinstance(answer.get("policyDocument"), dict):
        return body
    beside = {name: answer.get(name) for name in ("usageIdentifierKey", "context")}
    return answer | {"policyDocument": answer["policyDocument"] | {_BESIDE: beside}}


def _take_keys_from_authorizers(gateway: Any) -> None:
    from_header = gateway._api_key_from_request

    def from_source(headers: Any) -> Any:
        request = _request()
        api = gateway._rest_apis.get(request.api_id) or {}
        return request.key if api.get("apiKeySource") == "AUTHORIZER" else from_header(headers)

    gateway._api_key_from_request = from_source


def _know_identity_sources_of_the_context(gateway: Any) -> None:
    resolve = gateway._request_identity_sources

    def resolve_all(identity_source: str | None, headers: Any, query: Any, stage: Any) -> tuple[bool, list[str]]:
        request = _request()
        known = {"context.httpMethod": request.method, "context.resourcePath": request.resource_path}
        present, values = True, []
        for source in filter(None, (part.strip() for part in (identity_source or "").split(","))):
            if source in known:
                found, value = bool(known[source]), [known[source]]
            else:
                found, value = resolve(source, headers, query, stage)
            present = present and found
            values += value
        return present, values

    gateway._request_identity_sources = resolve_all


def _refuse_caching_by_nothing(gateway: Any) -> None:
    create = gateway._create_authorizer

    def checked(api_id: str, data: dict[str, Any]) -> Response:
        caches = int(data.get("authorizerResultTtlInSeconds", gateway._DEFAULT_AUTHORIZER_TTL)) > 0
        if data.get("type") == "REQUEST" and caches and not data.get("identitySource"):
            refused: Response = gateway._v1_error("BadRequestException", "Invalid request input", 400)
            return refused
        made: Response = create(api_id, data)
        return made

    gateway._create_authorizer = checked


def _fill_in_authorizer_variables(gateway: Any) -> None:
    render = gateway._gateway_error_response

    def filled(error: object, request: object) -> Response:
        status, headers, body = render(error, request)
        known = _request().context
        return status, headers, _AUTHORIZER_VARIABLE.sub(lambda m: known.get(m[1].decode(), "").encode(), body)

    gateway._gateway_error_response = filled
