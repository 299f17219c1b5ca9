"""A REST API of a test's own, in front of the deployed authorizer: routes, caching and quotas that no stage has."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from .conftest import LocalCloud


def deployed_api(cloud: LocalCloud) -> str:
    return cloud.api_url.rpartition("/")[0].rpartition("/")[2]


@dataclass
class OwnApi:
    """`GET /endpoint` changes nothing and `POST /endpoint` does; both answer 200 to whoever gets there."""

    cloud: LocalCloud
    id: str
    plan: str

    def call(self, method: str, path: str = "/endpoint", **headers: str) -> requests.Response:
        url = f"{self.cloud.aws_endpoint_url}/_aws/execute-api/{self.id}/test{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, url, headers=named, timeout=30)

    def admit(self, key_id: str) -> None:
        """The key into this API's plan."""
        self.cloud.client("apigateway").create_usage_plan_key(usagePlanId=self.plan, keyId=key_id, keyType="API_KEY")

    def dismiss(self, key_id: str) -> None:
        self.cloud.client("apigateway").delete_usage_plan_key(usagePlanId=self.plan, keyId=key_id)


@contextmanager
def own_key(cloud: LocalCloud) -> Iterator[tuple[str, str]]:
    """(id, value) of an API key in no plan."""
    gateway = cloud.client("apigateway")
    key = gateway.create_api_key(name=secrets.token_hex(4), enabled=True, value=secrets.token_hex(20))
    yield key["id"], key["value"]
    gateway.delete_api_key(apiKey=key["id"])


@contextmanager
def own_api(cloud: LocalCloud, *, quota: int | None = None, **authorizer: Any) -> Iterator[OwnApi]:
    """With the deployed stage's gateway responses and authorizer Lambda; `authorizer` as create_authorizer takes it."""
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="test", apiKeySource="AUTHORIZER")["id"]
    try:
        (deployed,) = gateway.get_authorizers(restApiId=deployed_api(cloud))["items"]
        made = gateway.create_authorizer(
            restApiId=api, name="test", type="REQUEST", authorizerUri=deployed["authorizerUri"], **authorizer
        )
        _add_routes(gateway, api, made["id"])
        for refusal in gateway.get_gateway_responses(restApiId=deployed_api(cloud))["items"]:
            if not refusal["defaultResponse"]:
                settings = ("responseType", "statusCode", "responseParameters", "responseTemplates")
                gateway.put_gateway_response(restApiId=api, **{key: refusal[key] for key in settings if key in refusal})
        gateway.create_deployment(restApiId=api, stageName="test")
        limit = {"quota": {"limit": quota, "period": "MONTH"}} if quota else {}
        plan = gateway.create_usage_plan(name="test", apiStages=[{"apiId": api, "stage": "test"}], **limit)["id"]
        yield OwnApi(cloud, api, plan)
        gateway.delete_usage_plan(usagePlanId=plan)
    finally:
        gateway.delete_rest_api(restApiId=api)


def _add_routes(gateway: Any, api: str, authorizer: str) -> None:
    (root,) = gateway.get_resources(restApiId=api)["items"]
    resource = gateway.create_resource(restApiId=api, parentId=root["id"], pathPart="endpoint")["id"]
    for method in ("GET", "POST"):
        where = {"restApiId": api, "resourceId": resource, "httpMethod": method}
        gateway.put_method(**where, authorizationType="CUSTOM", authorizerId=authorizer, apiKeyRequired=True)
        gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_integration_response(**where, statusCode="200")
