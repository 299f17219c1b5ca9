"""What the authorizer adds: `GET /v1/models` on the embedded cloud, called in turns on three REST APIs.

All have the deployed proxy behind them and take the stage's key in `x-api-key`:

* API Gateway alone checks the key;
* the deployed authorizer is asked with every call, as with `key_header = "any"`;
* its answer is cached by that header, method and resource, as with `key_header = "x-api-key"`.

ministack plays API Gateway and Lambda here; what an invocation of the authorizer takes on AWS was not measured.

    python -m bench.authorizer [--calls 300]
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from typing import Any

import requests

from bench.beside import WARM_UP, Call, embedded_cloud, in_turns, table
from pilotlight.local.cloud import State

NO_CACHE: dict[str, Any] = {"authorizerResultTtlInSeconds": 0, "identitySource": ""}
CACHED: dict[str, Any] = {
    "authorizerResultTtlInSeconds": 300,
    "identitySource": "method.request.header.x-api-key,context.httpMethod,context.resourcePath",
}
ALONE, ASKED, REMEMBERED = "no authorizer", "asked with every call", "cached"


def api(cloud: State, authorizer: dict[str, Any] | None) -> str:
    """The URL of a new API's only route; `authorizer` as create_authorizer takes it."""
    gateway = cloud.deployment.client("apigateway")
    deployed = cloud.api_url.rpartition("/")[0].rpartition("/")[2]
    made = gateway.create_rest_api(name="bench", apiKeySource="AUTHORIZER" if authorizer else "HEADER")["id"]
    access = {"authorizationType": "NONE"}
    if authorizer:
        (known,) = gateway.get_authorizers(restApiId=deployed)["items"]
        settings = {"name": "bench", "type": "REQUEST", "authorizerUri": known["authorizerUri"]} | authorizer
        access = {
            "authorizationType": "CUSTOM",
            "authorizerId": gateway.create_authorizer(restApiId=made, **settings)["id"],
        }
    (parent,) = (found["id"] for found in gateway.get_resources(restApiId=made)["items"])
    for part in ("v1", "models"):
        parent = gateway.create_resource(restApiId=made, parentId=parent, pathPart=part)["id"]
    where = {"restApiId": made, "resourceId": parent, "httpMethod": "GET"}
    gateway.put_method(**where, apiKeyRequired=True, **access)
    (theirs,) = (r["id"] for r in gateway.get_resources(restApiId=deployed)["items"] if r["path"] == "/v1/models")
    proxy = gateway.get_integration(restApiId=deployed, resourceId=theirs, httpMethod="GET")
    gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=proxy["uri"])
    gateway.create_deployment(restApiId=made, stageName="bench")
    plan = gateway.create_usage_plan(name="bench", apiStages=[{"apiId": made, "stage": "bench"}])["id"]
    key = cloud.deployment.output("Api", "ApiKeyId")
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    return f"{cloud.aws_endpoint_url}/_aws/execute-api/{made}/bench/v1/models"


def caller(session: requests.Session, url: str, key: str) -> Call:
    def call() -> float:
        started = time.perf_counter()
        response = session.get(url, headers={"x-api-key": key}, timeout=30)
        seconds = time.perf_counter() - started
        if response.status_code != 200:
            raise SystemExit(f"{url} answered {response.status_code}: {response.text[:2000]}")
        return seconds

    return call


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=300)
    calls = parser.parse_args().calls
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        cloud = stack.enter_context(embedded_cloud(f"{folder}/cloud"))
        session = stack.enter_context(requests.Session())
        apis = {ALONE: None, ASKED: NO_CACHE, REMEMBERED: CACHED}
        ways = {name: caller(session, api(cloud, settings), cloud.api_key) for name, settings in apis.items()}
        in_turns(ways, WARM_UP)
        taken = in_turns(ways, calls)
    table("GET /v1/models, end to end", dict(taken), ALONE, 1000)


if __name__ == "__main__":
    main()
