"""ministack's private names of API Gateway, used as the plug-in uses them."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pilotlight.local import gateway

POLICY = {"Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "arn:*"}]}


def theirs() -> Any:
    from ministack.services import apigateway_v1

    return apigateway_v1


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    """In process, for the tests of this module only."""
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    module, handlers = theirs(), _RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]
    before, create = dict(vars(module)), handlers["create"]
    gateway.install()
    yield
    vars(module).update(before)
    handlers["create"] = create


def test_cloudformation_keeps_the_key_source() -> None:
    from ministack.services.cloudformation.provisioners import _provision_resource

    for properties, source in (({"ApiKeySourceType": "AUTHORIZER"}, "AUTHORIZER"), ({}, "HEADER")):
        api, _ = _provision_resource("AWS::ApiGateway::RestApi", "Api", {"Name": "api", **properties}, "Stack")
        assert theirs()._rest_apis[api]["apiKeySource"] == source


def test_the_policy_is_what_is_cached_and_evaluated() -> None:
    """All that an answer holds beside its policy travels inside it."""
    source = inspect.getsource(theirs()._authorize_request_v1.__closure__[0].cell_contents)
    assert "_evaluate_policy(policy_doc, method_arn)" in source
    assert "_invoke_authorizer_lambda(" in source
    assert "_request_identity_sources(" in source
    arn = "arn:aws:execute-api:us-east-1:000000000000:api/test/GET/endpoint"
    answer = gateway.with_policy_extended({"policyDocument": POLICY, "usageIdentifierKey": "key"})
    assert theirs()._evaluate_policy(answer["policyDocument"], arn) == "Allow"
    assert theirs()._evaluate_policy(POLICY, arn) == "Allow"


@pytest.mark.parametrize("as_text", [False, True])
def test_an_answer_keeps_its_members(as_text: bool) -> None:
    given = {"principalId": "p", "policyDocument": POLICY, "usageIdentifierKey": "key", "context": {"refusal": "No."}}
    answer = gateway.with_policy_extended(json.dumps(given) if as_text else given)
    assert {name: answer[name] for name in ("principalId", "usageIdentifierKey", "context")} == {
        name: given[name] for name in ("principalId", "usageIdentifierKey", "context")
    }
    assert answer["policyDocument"]["Statement"] == POLICY["Statement"]


@pytest.mark.parametrize("body", [None, 7, "oops", b"\xff", [], {}, {"policyDocument": "text"}])
def test_what_is_no_answer_is_left_for_ministack_to_refuse(body: object) -> None:
    assert gateway.with_policy_extended(body) == body


def test_an_identity_source_of_the_context_is_present_only_while_there_is_a_request() -> None:
    assert theirs()._request_identity_sources("context.httpMethod", {}, {}, {}) == (False, [""])
    present, values = theirs()._request_identity_sources(
        "method.request.header.a, method.request.header.b", {"A": "1"}, {}, {}
    )
    assert (present, values) == (False, ["1", ""])
    assert theirs()._request_identity_sources("", {}, {}, {}) == (True, [])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"type": "REQUEST"}, 400),
        ({"type": "REQUEST", "identitySource": ""}, 400),
        ({"type": "REQUEST", "authorizerResultTtlInSeconds": 1}, 400),
        ({"type": "REQUEST", "authorizerResultTtlInSeconds": 0}, 404),
        ({"type": "REQUEST", "identitySource": "method.request.header.a"}, 404),
        ({"type": "TOKEN"}, 404),
    ],
)
def test_caching_by_nothing_is_refused_before_anything_else(data: dict[str, Any], status: int) -> None:
    assert theirs()._create_authorizer("no-such-api", data)[0] == status


def test_a_gateway_response_without_an_authorizer_has_no_hole() -> None:
    request = {"api_id": "a", "stage": {}, "headers": {}, "query_params": {}, "path_params": {}, "stage_name": "s"}
    request |= {"request_id": "1", "resource_path": "/"}
    theirs()._gateway_responses["a"] = {
        "ACCESS_DENIED": {"responseTemplates": {"application/json": '{"m": "$context.authorizer.refusal"}'}}
    }
    error = theirs()._gw_error("ACCESS_DENIED", "no")
    _, _, body = theirs()._gateway_error_response(error, request)
    assert json.loads(body) == {"m": ""}
    del theirs()._gateway_responses["a"]
