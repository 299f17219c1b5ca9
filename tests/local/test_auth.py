"""Who is let in, from outside: each refusal, in the one error shape, before anything is called or paid for."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from pilotlight.deployment import Deployment

from .conftest import LocalCloud
from .own_api import OwnApi, own_api, own_key

NO_CACHE: dict[str, Any] = {"authorizerResultTtlInSeconds": 0, "identitySource": ""}
BY_BEARER: dict[str, Any] = {
    "authorizerResultTtlInSeconds": 300,
    "identitySource": "method.request.header.Authorization,context.httpMethod,context.resourcePath",
}


def refused(response: requests.Response, status: int, kind: str) -> str:
    """The message of a refusal, once its shape is the API's."""
    assert response.status_code == status, response.text
    (error,) = response.json().values()
    assert set(error) == {"type", "message", "param", "request_id"}
    assert error["type"] == kind
    assert error["request_id"]
    return str(error["message"])


@pytest.fixture
def deployment(cloud: LocalCloud) -> Deployment:
    return Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)


@pytest.fixture
def key(cloud: LocalCloud) -> Iterator[tuple[str, str]]:
    """(id, value) of a caller's key."""
    with own_key(cloud) as made:
        yield made


@pytest.fixture
def api(cloud: LocalCloud, key: tuple[str, str]) -> Iterator[OwnApi]:
    """Where either header will do; the caller's key and the admin key are in its plan."""
    with own_api(cloud, **NO_CACHE) as made:
        made.admit(key[0])
        made.admit(admin_key_id(cloud))
        yield made


def admin_key_id(cloud: LocalCloud) -> str:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=f"Pilotlight-{cloud.stage}-Api")["Stacks"]
    return str(next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "AdminKeyId"))


def decisions(cloud: LocalCloud) -> int:
    """How often the authorizer was asked."""
    logs = cloud.client("logs")
    groups: list[dict[str, Any]] = logs.describe_log_groups()["logGroups"]
    (group,) = (group["logGroupName"] for group in groups if "KeyAuthorizer" in group["logGroupName"])
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="allowed")
    return sum("allowed" in event["message"] for page in pages for event in page["events"])


class TestTheDeployedStage:
    def test_either_header_will_do(self, cloud: LocalCloud) -> None:
        for headers in (
            {"x-api-key": cloud.api_key},
            {"X-API-Key": cloud.api_key},
            {"Authorization": f"Bearer {cloud.api_key}"},
            {"authorization": f"bearer {cloud.api_key}"},
            {"x-api-key": cloud.api_key, "Authorization": f"Bearer {cloud.api_key}"},
        ):
            assert requests.get(f"{cloud.api_url}/endpoint", headers=headers, timeout=30).status_code == 200

    @pytest.mark.parametrize(
        ("headers", "says"),
        [
            ({}, "no API key"),
            ({"x-api-key": ""}, "no API key"),
            ({"x-api-key": "no-such-key-but-long-enough"}, "no such API key"),
            ({"Authorization": "Bearer no-such-key-but-long-enough"}, "no such API key"),
            ({"Authorization": "Bearer"}, "must be the word Bearer"),
            ({"Authorization": "Basic dXNlcjpwYXNz"}, "must be the word Bearer"),
            ({"x-api-key": "KEY", "Authorization": "Bearer other"}, "different API keys"),
            ({"x-api-key": "KEY, KEY"}, "cannot be one"),
            ({"x-api-key": "KEY" + "y" * 5000}, "cannot be one"),
            ({"x-api-key": "schl\u00fcssel".encode()}, "cannot be one"),
        ],
    )
    def test_whoever_shows_no_good_key_gets_nowhere(
        self, cloud: LocalCloud, headers: dict[str, str | bytes], says: str
    ) -> None:
        before = cloud.invocations()
        sent = {n: v.replace("KEY", cloud.api_key) if isinstance(v, str) else v for n, v in headers.items()}
        body = {"text_inputs": "hi"}
        response = requests.post(f"{cloud.api_url}/generate", json=body, headers=sent, timeout=30)
        assert says in refused(response, 403, "forbidden")
        assert cloud.invocations() == before

    def test_a_header_sent_twice_is_refused(self, cloud: LocalCloud) -> None:
        address = urlsplit(cloud.api_url)
        with closing(HTTPConnection(address.netloc, timeout=30)) as connection:
            connection.putrequest("GET", f"{address.path}/endpoint")
            for _ in range(2):
                connection.putheader("x-api-key", cloud.api_key)
            connection.endheaders()
            assert connection.getresponse().status == 403

    def test_the_keys_are_two_and_the_deployment_knows_both(self, cloud: LocalCloud, deployment: Deployment) -> None:
        assert deployment.takes_keys
        assert deployment.api_key == cloud.api_key != deployment.admin_key
        for auth in (deployment.auth, deployment.admin_auth):
            assert requests.get(f"{cloud.api_url}/endpoint", auth=auth, timeout=30).status_code == 200


class TestRoutesThatChangeSomething:
    def test_a_callers_key_opens_only_what_changes_nothing(self, api: OwnApi, key: tuple[str, str]) -> None:
        for headers in ({"x_api_key": key[1]}, {"Authorization": f"Bearer {key[1]}"}):
            assert api.call("GET", **headers).status_code == 200
            assert "admin key" in refused(api.call("POST", **headers), 403, "forbidden")

    @pytest.mark.parametrize("path", ["/endpoint/", "//endpoint", "/%65ndpoint"])
    def test_another_spelling_is_no_way_in(self, api: OwnApi, key: tuple[str, str], path: str) -> None:
        assert api.call("POST", path, x_api_key=key[1]).status_code in (403, 404)

    def test_the_admin_key_opens_all(self, api: OwnApi, deployment: Deployment) -> None:
        for method in ("GET", "POST"):
            assert api.call(method, x_api_key=deployment.admin_key).status_code == 200
            assert api.call(method, Authorization=f"Bearer {deployment.admin_key}").status_code == 200

    def test_a_key_that_does_not_exist_opens_nothing(self, api: OwnApi) -> None:
        for method in ("GET", "POST"):
            refused(api.call(method, x_api_key="no-such-key-but-long-enough"), 403, "forbidden")

    def test_without_a_key_nothing_opens(self, api: OwnApi) -> None:
        for method in ("GET", "POST"):
            assert "no API key" in refused(api.call(method), 403, "forbidden")


class TestPlans:
    def test_a_key_outside_the_plan_is_no_key(self, api: OwnApi, key: tuple[str, str]) -> None:
        api.dismiss(key[0])
        assert "no such API key" in refused(api.call("GET", x_api_key=key[1]), 403, "forbidden")

    def test_a_quota_is_counted_for_each_key_whichever_header_it_came_in(
        self, cloud: LocalCloud, key: tuple[str, str]
    ) -> None:
        with own_api(cloud, quota=2, **NO_CACHE) as api, own_key(cloud) as other:
            api.admit(key[0])
            api.admit(other[0])
            assert api.call("GET", x_api_key=key[1]).status_code == 200
            assert api.call("GET", Authorization=f"Bearer {key[1]}").status_code == 200
            exhausted = api.call("GET", x_api_key=key[1])
            refused(exhausted, 429, "quota_exceeded")
            assert "Retry-After" not in exhausted.headers  # a month is nothing to wait for
            assert api.call("GET", x_api_key=other[1]).status_code == 200

    def test_what_the_authorizer_refuses_uses_up_no_quota(self, cloud: LocalCloud, key: tuple[str, str]) -> None:
        with own_api(cloud, quota=1, **NO_CACHE) as api:
            api.admit(key[0])
            for _ in range(3):
                refused(api.call("POST", x_api_key=key[1]), 403, "forbidden")
            assert api.call("GET", x_api_key=key[1]).status_code == 200


class TestCaching:
    """The plug-in's part, and what the stack relies on where one header is agreed on."""

    @pytest.fixture
    def api(self, cloud: LocalCloud, key: tuple[str, str]) -> Iterator[OwnApi]:
        with own_api(cloud, **BY_BEARER) as made:
            made.admit(key[0])
            yield made

    def test_the_authorizer_is_asked_once_for_each_header_and_route(
        self, cloud: LocalCloud, api: OwnApi, key: tuple[str, str]
    ) -> None:
        before = decisions(cloud)
        for _ in range(3):
            assert api.call("GET", Authorization=f"Bearer {key[1]}").status_code == 200
        assert decisions(cloud) == before + 1
        api.call("GET", Authorization="Bearer another")
        assert decisions(cloud) == before + 2

    def test_the_answer_for_one_route_opens_no_other(self, api: OwnApi, key: tuple[str, str]) -> None:
        bearer = f"Bearer {key[1]}"
        assert api.call("GET", Authorization=bearer).status_code == 200
        for _ in range(2):
            assert "admin key" in refused(api.call("POST", Authorization=bearer), 403, "forbidden")
        assert api.call("GET", Authorization=bearer).status_code == 200

    def test_the_keys_plan_is_looked_at_every_time(self, api: OwnApi, key: tuple[str, str]) -> None:
        bearer = f"Bearer {key[1]}"
        assert api.call("GET", Authorization=bearer).status_code == 200
        api.dismiss(key[0])
        assert "no such API key" in refused(api.call("GET", Authorization=bearer), 403, "forbidden")

    def test_without_the_header_the_authorizer_is_not_asked(
        self, cloud: LocalCloud, api: OwnApi, key: tuple[str, str]
    ) -> None:
        before = decisions(cloud)
        assert "no API key" in refused(api.call("GET", x_api_key=key[1]), 403, "forbidden")
        assert decisions(cloud) == before

    def test_caching_by_nothing_is_refused_as_on_aws(self, cloud: LocalCloud) -> None:
        with (
            pytest.raises(ClientError, match="Invalid request input"),
            own_api(cloud, authorizerResultTtlInSeconds=300),
        ):
            pass


def test_an_api_with_the_other_key_source_takes_x_api_key_as_ever(cloud: LocalCloud, key: tuple[str, str]) -> None:
    gateway = cloud.client("apigateway")
    with own_api(cloud, **NO_CACHE) as api:
        api.admit(key[0])
        patch = [{"op": "replace", "path": "/apiKeySource", "value": "HEADER"}]
        gateway.update_rest_api(restApiId=api.id, patchOperations=patch)
        assert api.call("GET", x_api_key=key[1]).status_code == 200
        refused(api.call("GET", Authorization=f"Bearer {key[1]}"), 403, "forbidden")
