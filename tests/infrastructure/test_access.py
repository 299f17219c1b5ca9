"""Who may call the REST API, as the templates promise it."""

import json
from typing import Any

import pytest
from authorizer.handler import Settings
from aws_cdk.assertions import Template

from stacks.routes import ROUTES, Route, routes_of
from tests.unit.proxy.fakes import Api, event

from .conftest import Synthesis

KEYED = ("falcon", "strict")
TUNABLE = "llama2"
"""The one stage here whose model can be fine-tuned."""


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """By logical id."""
    return {name: dict(resource["Properties"]) for name, resource in template.find_resources(kind).items()}


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    return found


def routes(template: Template) -> list[dict[str, Any]]:
    """Every method but preflight."""
    methods = resources(template, "AWS::ApiGateway::Method").values()
    return [method for method in methods if method["HttpMethod"] != "OPTIONS"]


def refusals(template: Template) -> dict[str, dict[str, Any]]:
    """Gateway responses by their type."""
    return {r["ResponseType"]: r for r in resources(template, "AWS::ApiGateway::GatewayResponse").values()}


def authorizer_function(template: Template) -> dict[str, Any]:
    functions = resources(template, "AWS::Lambda::Function").values()
    (found,) = (function for function in functions if function["Handler"] == "authorizer.handler.lambda_handler")
    return found


class TestKeys:
    @pytest.mark.parametrize("stage", KEYED)
    def test_every_route_asks_the_authorizer_and_then_for_a_key(self, synthesis: Synthesis, stage: str) -> None:
        template = synthesis.template(stage, "Api")
        (authorizer_id,) = template.find_resources("AWS::ApiGateway::Authorizer")
        found = routes(template)
        assert len(found) == len(routes_of(fine_tunes=False))
        keyed = [method for method in found if method["AuthorizationType"] != "NONE"]
        assert len(keyed) == len([route for route in ROUTES if not route.is_open])
        for method in keyed:
            assert (method["AuthorizationType"], method["AuthorizerId"]) == ("CUSTOM", {"Ref": authorizer_id})
            assert method["ApiKeyRequired"] is True
        assert only(template, "AWS::ApiGateway::RestApi")["ApiKeySourceType"] == "AUTHORIZER"

    @pytest.mark.parametrize(
        ("stage", "pages"),
        [*((stage, ["snooze"]) for stage in (*KEYED, "iam")), (TUNABLE, ["approve", "snooze"])],
    )
    def test_the_pages_behind_mails_links_take_no_key_and_are_throttled(
        self, synthesis: Synthesis, stage: str, pages: list[str]
    ) -> None:
        template = synthesis.template(stage, "Api")
        paths = {
            name: resource["PathPart"] for name, resource in resources(template, "AWS::ApiGateway::Resource").items()
        }
        opened = [method for method in routes(template) if method["AuthorizationType"] == "NONE"]
        assert sorted((paths[method["ResourceId"]["Ref"]], method["HttpMethod"]) for method in opened) == [
            (page, method) for page in pages for method in ("GET", "POST")
        ]
        assert all(method["ApiKeyRequired"] is False for method in opened)
        settings = only(template, "AWS::ApiGateway::Stage")["MethodSettings"]
        throttled = [setting for setting in settings if setting["ResourcePath"] in {f"/~1{page}" for page in pages}]
        assert len(throttled) == len(opened)
        assert all(setting["ThrottlingRateLimit"] <= 1 for setting in throttled)
        assert not any(setting["DataTraceEnabled"] for setting in throttled)

    def test_where_either_header_will_do_nothing_is_cached(self, synthesis: Synthesis) -> None:
        """Whatever could be cached by is either not always sent or no secret."""
        authorizer = only(synthesis.template("falcon", "Api"), "AWS::ApiGateway::Authorizer")
        assert (authorizer["Type"], authorizer["AuthorizerResultTtlInSeconds"]) == ("REQUEST", 0)
        assert authorizer["IdentitySource"] == ""

    def test_answers_are_cached_by_the_one_header_and_the_route(self, synthesis: Synthesis) -> None:
        """Without the route, an open route's answer would open one that changes something."""
        template = synthesis.template("strict", "Api")
        authorizer = only(template, "AWS::ApiGateway::Authorizer")
        assert authorizer["AuthorizerResultTtlInSeconds"] == 300
        assert set(authorizer["IdentitySource"].split(",")) == {
            "method.request.header.Authorization",
            "context.httpMethod",
            "context.resourcePath",
        }
        assert authorizer_function(template)["Environment"]["Variables"]["KEY_HEADER"] == "authorization"

    @pytest.mark.parametrize("stage", KEYED)
    def test_each_key_has_a_plan_of_its_own(self, synthesis: Synthesis, stage: str) -> None:
        template = synthesis.template(stage, "Api")
        (stage_id,) = template.find_resources("AWS::ApiGateway::Stage")
        plans = resources(template, "AWS::ApiGateway::UsagePlan")
        links = resources(template, "AWS::ApiGateway::UsagePlanKey").values()
        by_key = {link["KeyId"]["Ref"]: plans[link["UsagePlanId"]["Ref"]] for link in links}
        outputs = template.to_json()["Outputs"]
        callers, admins = (by_key[outputs[name]["Value"]["Ref"]] for name in ("ApiKeyId", "AdminKeyId"))
        assert len(by_key) == len(plans) == 2
        for plan in (callers, admins):
            assert [found["Stage"] for found in plan["ApiStages"]] == [{"Ref": stage_id}]
        assert admins["Throttle"]["RateLimit"] < callers["Throttle"]["RateLimit"]
        assert "Quota" not in admins

    def test_a_quota_is_the_callers_and_only_there_where_it_is_asked_for(self, synthesis: Synthesis) -> None:
        quotas = {
            stage: [
                plan["Quota"] for plan in resources(template, "AWS::ApiGateway::UsagePlan").values() if "Quota" in plan
            ]
            for stage in KEYED
            for template in [synthesis.template(stage, "Api")]
        }
        assert quotas == {"falcon": [], "strict": [{"Limit": 1000, "Period": "DAY"}]}

    def test_the_authorizer_knows_the_routes_that_change_nothing(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        variables = authorizer_function(template)["Environment"]["Variables"]
        settings = Settings.from_environment(variables)
        assert settings.open_routes == {str(route) for route in ROUTES if route.takes_any_key}
        assert variables["ADMIN_KEY_ID"] == template.to_json()["Outputs"]["AdminKeyId"]["Value"]

    def test_the_authorizer_may_read_that_one_key_and_nothing_else(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        role = authorizer_function(template)["Role"]["Fn::GetAtt"][0]
        assert "ManagedPolicyArns" not in resources(template, "AWS::IAM::Role")[role]
        policies = resources(template, "AWS::IAM::Policy").values()
        (policy,) = (policy for policy in policies if policy["Roles"] == [{"Ref": role}])
        logs, key = policy["PolicyDocument"]["Statement"]
        assert set(logs["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
        assert key["Action"] == "apigateway:GET"
        admin_key = template.to_json()["Outputs"]["AdminKeyId"]["Value"]
        assert key["Resource"]["Fn::Join"][1] == ["arn:aws:apigateway:us-east-1::/apikeys/", admin_key]

    def test_no_keys_value_is_in_a_template(self, synthesis: Synthesis) -> None:
        for key in resources(synthesis.template("falcon", "Api"), "AWS::ApiGateway::ApiKey").values():
            assert "Value" not in key

    def test_a_refusal_names_the_headers_that_count(self, synthesis: Synthesis) -> None:
        for stage, names in (("falcon", ("x-api-key", "Authorization")), ("strict", ("Authorization",))):
            found = refusals(synthesis.template(stage, "Api"))
            for kind in ("INVALID_API_KEY", "UNAUTHORIZED"):
                said = found[kind]["ResponseTemplates"]["application/json"]
                assert [name for name in ("x-api-key", "Authorization") if name in said] == list(names)
                assert found[kind]["StatusCode"] == "403"

    def test_the_authorizers_own_sentence_is_what_a_denied_caller_reads(self, synthesis: Synthesis) -> None:
        template = refusals(synthesis.template("falcon", "Api"))["ACCESS_DENIED"]["ResponseTemplates"]
        filled = template["application/json"].replace("$context.authorizer.refusal", "No.")
        assert json.loads(filled)["error"]["message"] == "No."

    def test_an_authorizer_that_fails_is_no_way_in_and_no_riddle(self, synthesis: Synthesis) -> None:
        found = refusals(synthesis.template("falcon", "Api"))
        assert found["AUTHORIZER_FAILURE"]["StatusCode"] == "503"
        assert found["AUTHORIZER_CONFIGURATION_ERROR"]["StatusCode"] == "500"


class TestIam:
    def test_every_route_is_signed_for_and_there_are_no_keys(self, synthesis: Synthesis) -> None:
        template = synthesis.template("iam", "Api")
        signed = [method for method in routes(template) if method["AuthorizationType"] == "AWS_IAM"]
        assert len(signed) == len([route for route in ROUTES if not route.is_open])
        assert not any(method.get("ApiKeyRequired") for method in routes(template))
        for kind in ("ApiKey", "UsagePlan", "Authorizer"):
            assert not template.find_resources(f"AWS::ApiGateway::{kind}")
        assert set(template.to_json()["Outputs"]) >= {"ApiUrl", "ApiAuth"}
        assert "ApiKeyId" not in template.to_json()["Outputs"]

    def test_a_request_without_a_signature_is_told_so(self, synthesis: Synthesis) -> None:
        """API Gateway has one refusal for it and for an unknown route."""
        missing = refusals(synthesis.template("iam", "Api"))["MISSING_AUTHENTICATION_TOKEN"]
        assert missing["StatusCode"] == "403"
        said = missing["ResponseTemplates"]["application/json"]
        assert "Signature Version 4" in said
        assert "POST /generate" in said


class TestBrowsers:
    def test_without_origins_there_is_no_preflight_and_no_header(self, synthesis: Synthesis) -> None:
        template = synthesis.template("falcon", "Api")
        assert len(routes(template)) == len(template.find_resources("AWS::ApiGateway::Method"))
        assert "Access-Control" not in json.dumps(template.to_json())

    @pytest.mark.parametrize("stage", ["strict", "iam"])
    def test_preflight_needs_no_key_and_calls_nobody(self, synthesis: Synthesis, stage: str) -> None:
        template = synthesis.template(stage, "Api")
        methods = resources(template, "AWS::ApiGateway::Method").values()
        preflight = [method for method in methods if method["HttpMethod"] == "OPTIONS"]
        assert len(preflight) >= len({route.path for route in routes_of(fine_tunes=False)})
        for method in preflight:
            assert (method["AuthorizationType"], method["ApiKeyRequired"]) == ("NONE", False)
            assert method["Integration"]["Type"] == "MOCK"
            (response,) = method["Integration"]["IntegrationResponses"]
            headers = response["ResponseParameters"]
            assert headers["method.response.header.Access-Control-Allow-Headers"] == "'*,Authorization'"
            assert "method.response.header.Access-Control-Allow-Credentials" not in headers

    def test_the_origins_are_the_configured_ones(self, synthesis: Synthesis) -> None:
        for stage, origins in (
            ("strict", ["https://app.example.com"]),
            ("iam", ["https://one.example.com", "https://two.example.com"]),
        ):
            methods = resources(synthesis.template(stage, "Api"), "AWS::ApiGateway::Method").values()
            for method in methods:
                if method["HttpMethod"] == "OPTIONS":
                    said = json.dumps(method["Integration"]["IntegrationResponses"])
                    assert all(origin in said for origin in origins)
                    assert "'*'" not in said

    @pytest.mark.parametrize(("stage", "origin"), [("strict", "'https://app.example.com'"), ("iam", "'*'")])
    def test_a_page_can_read_what_the_gateway_refuses(self, synthesis: Synthesis, stage: str, origin: str) -> None:
        for refusal in refusals(synthesis.template(stage, "Api")).values():
            headers = refusal["ResponseParameters"]
            assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == origin

    def test_the_proxy_knows_the_origins_and_whether_to_log_prompts(self, synthesis: Synthesis) -> None:
        found = {}
        for stage in KEYED:
            functions = resources(synthesis.template(stage, "Api"), "AWS::Lambda::Function").values()
            (proxy,) = (f for f in functions if f["Handler"] == "proxy.handler.lambda_handler")
            variables = proxy["Environment"]["Variables"]
            found[stage] = (json.loads(variables["CORS_ORIGINS"]), json.loads(variables["LOG_PROMPTS"]))
        assert found == {"falcon": ([], False), "strict": (["https://app.example.com"], True)}


@pytest.mark.parametrize("stage", [*KEYED, "iam"])
def test_no_refusal_of_the_gateway_is_left_in_anothers_shape(synthesis: Synthesis, stage: str) -> None:
    for refusal in refusals(synthesis.template(stage, "Api")).values():
        template = refusal["ResponseTemplates"]["application/json"]
        filled = template.replace("$context.error.messageString", '"said so"').replace("$context", "")
        assert set(json.loads(filled)["error"]) == {"type", "message", "param", "request_id"}


def test_prompts_in_the_log_are_told_at_synth(synthesis: Synthesis) -> None:
    metadata = (synthesis.folder / "Pilotlight-strict-Endpoint.metadata.json").read_text()
    assert "stages.strict.api.log_prompts = true" in metadata


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" not in route.path and not route.is_open], ids=str)
def test_the_proxy_knows_every_route_that_the_gateway_hands_it(route: Route) -> None:
    assert Api().send(event(route.method, route.path, {})).status not in (404, 405)
