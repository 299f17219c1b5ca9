"""SageMaker, plugged into ministack: its service table, its router and its CloudFormation provisioners.

Every name used here is private to ministack, so the exact version is asserted and each seam has a contract test
(`tests/local/test_seams.py`).
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

from pilotlight.local.sagemaker import wire
from pilotlight.local.sagemaker.control import SageMaker
from pilotlight.local.sagemaker.endpoints import Endpoints
from pilotlight.local.sagemaker.records import Record
from pilotlight.local.sagemaker.runtime import Answer, Runtime
from pilotlight.local.stacks import Cancelled, EndpointWaits, is_cancelled

MINISTACK_VERSION = "1.5.33"
_INVOCATIONS = re.compile(r"/endpoints/([^/]+)/invocations")

Created = tuple[str, dict[str, str]]
"""What a provisioner returns: the physical id (what `Ref` gives) and the attributes (what `Fn::GetAtt` gives)."""
Response = tuple[int, dict[str, str], Any]


def install(sagemaker: SageMaker, runtime: Runtime, waits: EndpointWaits) -> None:
    """Extend ministack in process. Call before its server starts."""
    found = version("ministack")
    if found != MINISTACK_VERSION:
        raise RuntimeError(
            f"ministack {found} is installed, but the plug-in reaches into private names of {MINISTACK_VERSION}: "
            "run `make setup`."
        )
    from ministack import app  # noqa: PLC0415  reads its environment when imported: the caller sets it first
    from ministack.core import router  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners, stacks  # noqa: PLC0415

    app.SERVICE_HANDLERS["sagemaker"] = _handler(sagemaker, runtime)
    # Both sagemaker and sagemaker-runtime sign as "sagemaker".
    router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": [wire.TARGET_PREFIX], "host_patterns": []}
    resources = _resource_handlers(sagemaker, waits)
    provisioners._RESOURCE_HANDLERS.update(resources)
    provisioners._REPLACING_PROPERTIES.update(
        {
            "AWS::SageMaker::Model": _properties("CreateModel"),
            "AWS::SageMaker::EndpointConfig": _properties("CreateEndpointConfig"),
            "AWS::SageMaker::Endpoint": ("EndpointName",),
            "AWS::SageMaker::ModelPackageGroup": _properties("CreateModelPackageGroup"),
        }
    )
    blocks = stacks._runs_on_worker_thread
    # An endpoint takes as long as its container takes to load: on the event loop it would freeze the whole cloud.
    stacks._runs_on_worker_thread = lambda resource_type: resource_type in resources or blocks(resource_type)


def _handler(sagemaker: SageMaker, runtime: Runtime) -> Callable[..., Any]:
    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, _query: object) -> Response:
        invoked = _INVOCATIONS.fullmatch(path)
        if invoked and method == "POST":
            content_type = headers.get("content-type", "application/octet-stream")
            answer = await asyncio.to_thread(runtime.invoke, unquote(invoked[1]), body, content_type)
            return _response(answer)
        return await asyncio.to_thread(wire.answer, sagemaker.operations, headers, body)

    return handle


def _response(answer: Answer) -> Response:
    if not answer.cut:
        return answer.status, answer.headers, answer.body
    from ministack.core.responses import StreamingResponse  # noqa: PLC0415

    async def half(send: Callable[..., Any], _receive: object) -> None:
        # Promised in full by Content-Length, sent by half, never finished: the server closes the connection.
        sent = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": sent, "more_body": True})

    return answer.status, answer.headers | {"Content-Length": str(len(answer.body))}, StreamingResponse(half)


def _properties(operation_name: str) -> tuple[str, ...]:
    """CloudFormation's properties of a type as far as a request has them: of a type that is replaced whatever changes,
    all are in its create request.
    """
    shape = wire.service_model().operation_model(operation_name).input_shape
    assert shape is not None  # noqa: S101  every create operation has an input
    return tuple(name for name in shape.members if name != "Tags")


def _resource_handlers(sagemaker: SageMaker, waits: EndpointWaits) -> dict[str, dict[str, Callable[..., Any]]]:
    return {
        "AWS::SageMaker::Model": _named_resource("Model", sagemaker.models.create_model, sagemaker.models.delete_model),
        "AWS::SageMaker::EndpointConfig": _named_resource(
            "EndpointConfig", sagemaker.models.create_endpoint_config, sagemaker.models.delete_endpoint_config
        ),
        "AWS::SageMaker::ModelPackageGroup": _named_resource(
            "ModelPackageGroup",
            sagemaker.packages.create_model_package_group,
            sagemaker.packages.delete_model_package_group,
        ),
        "AWS::SageMaker::Endpoint": _endpoint_resource(sagemaker.endpoints, waits),
    }


def _named_resource(
    kind: str, create: Callable[..., Record], delete: Callable[..., Record]
) -> dict[str, Callable[..., Any]]:
    """Records that exist as soon as they are created."""
    name_key, arn_key = f"{kind}Name", f"{kind}Arn"

    names: dict[str, str] = {}  # by ARN, which is in lower case

    def provision(logical_id: str, properties: Record, stack_name: str) -> Created:
        # As CloudFormation names what the template does not: a suffix of its own for every replacement.
        generated = f"{logical_id[:24]}-{secrets.token_hex(6)}"
        name = properties.get(name_key) or f"{stack_name[: 62 - len(generated)]}-{generated}"
        arn = create(**wire.request(f"Create{kind}", properties | {name_key: name}))[arn_key]
        names[arn] = name
        return arn, {name_key: name, arn_key: arn}

    def remove(physical_id: str, _properties: Record) -> None:
        _unless_gone(lambda: delete(**{name_key: names[physical_id]}))

    return {"create": provision, "delete": remove}


def _endpoint_resource(endpoints: Endpoints, waits: EndpointWaits) -> dict[str, Callable[..., Any]]:
    names: dict[str, str] = {}
    changeable = _properties("UpdateEndpoint")
    only_in_updates = ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig")

    def expect_in_service(name: str, stack_name: str, *, cancellable: bool = False) -> None:
        endpoint = waits.settle(name, stack_name, cancellable=cancellable)
        if endpoint is None or endpoint.status != "InService" or endpoint.failure:
            reason = endpoint.failure if endpoint else "it was deleted meanwhile"
            raise ValueError(f"Endpoint {name} did not reach InService: {reason}")

    def provision(logical_id: str, properties: Record, stack_name: str) -> Created:
        name = properties.get("EndpointName") or f"{stack_name}-{logical_id}"[:63]
        asked = {key: value for key, value in properties.items() if key not in only_in_updates}
        created = endpoints.create_endpoint(**wire.request("CreateEndpoint", asked | {"EndpointName": name}))
        names[created["EndpointArn"]] = name
        try:
            expect_in_service(name, stack_name, cancellable=True)
        except (ValueError, TimeoutError):
            remove(
                created["EndpointArn"], properties
            )  # a failed creation is rolled back, and the stack knows no id for it
            raise
        return created["EndpointArn"], {"EndpointName": name}

    def update(physical_id: str, _old: Record, properties: Record, stack_name: str) -> Created:
        name, config = names[physical_id], properties["EndpointConfigName"]
        before = endpoints.describe_endpoint(EndpointName=name)["EndpointConfigName"]

        def change(config: str) -> None:
            asked = {key: value for key, value in properties.items() if key in changeable}
            named = asked | {"EndpointName": name, "EndpointConfigName": config}
            endpoints.update_endpoint(**wire.request("UpdateEndpoint", named))
            expect_in_service(name, stack_name)

        if before != config:
            change(config)
            if is_cancelled(stack_name):  # SageMaker has no way to stop an update: it is undone when it is done
                change(before)
                raise Cancelled("Resource update cancelled")
        return physical_id, {"EndpointName": name}

    def remove(physical_id: str, _properties: Record) -> None:
        name = names[physical_id]
        _unless_gone(lambda: endpoints.delete_endpoint(EndpointName=name))
        endpoints.settle(name)

    return {"create": provision, "update": update, "delete": remove}


def _unless_gone(delete: Callable[[], object]) -> None:
    """CloudFormation counts what is gone already as deleted."""
    try:
        delete()
    except wire.AwsError as error:
        if not str(error).startswith("Could not find"):
            raise
