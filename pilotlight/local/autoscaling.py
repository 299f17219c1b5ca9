"""Application Auto Scaling as far as an endpoint's variants go: what is registered, and what that forbids.

Records only: nothing scales here, one process plays every instance. But a registered variant may not change its
instance type, as on AWS.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
Key = tuple[str, str, str]
"""Service namespace, resource id, scalable dimension."""

_TARGET_PREFIX = "AnyScaleFrontendService"
_REQUIRED = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class Refused(ValueError):
    """A refusal in AWS's terms: (code, message)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AutoScaling:
    """Scalable targets and scaling policies of one account in one Region; methods are the API's operations."""

    def __init__(self, *, region: str, account: str) -> None:
        self._arn_prefix = f"arn:aws:autoscaling:{region}:{account}:scalingPolicy"
        self._targets: dict[Key, Record] = {}
        self._policies: dict[tuple[Key, str], Record] = {}

    def registered_variants(self, endpoint_name: str) -> list[str]:
        """The names of the endpoint's variants that are scalable targets."""
        prefix = f"endpoint/{endpoint_name}/variant/"
        return [key[1].removeprefix(prefix) for key in list(self._targets) if key[1].startswith(prefix)]

    def register_scalable_target(self, request: Record) -> Record:
        key = _key(request)
        known = self._targets.get(key, {"CreationTime": datetime.now(UTC).timestamp()})
        merged = known | {name: value for name, value in request.items() if name != "Tags"}
        low, high = merged.get("MinCapacity"), merged.get("MaxCapacity")
        if low is None or high is None or int(low) > int(high):
            raise Refused("ValidationException", f"MinCapacity {low} and MaxCapacity {high} are no range.")
        self._targets[key] = merged | {"MinCapacity": int(low), "MaxCapacity": int(high)}
        return {}

    def deregister_scalable_target(self, request: Record) -> Record:
        key = _key(request)
        if self._targets.pop(key, None) is None:
            raise Refused("ObjectNotFoundException", f"No scalable target found for {' '.join(key)}.")
        for policy in [policy for policy in self._policies if policy[0] == key]:
            del self._policies[policy]  # they go with their target
        return {}

    def describe_scalable_targets(self, request: Record) -> Record:
        return {"ScalableTargets": _matching(self._targets.values(), request)}

    def put_scaling_policy(self, request: Record) -> Record:
        key, name = _key(request), request["PolicyName"]
        if key not in self._targets:
            raise Refused("ObjectNotFoundException", f"No scalable target registered for {' '.join(key)}.")
        arn = f"{self._arn_prefix}:{secrets.token_hex(8)}:resource/{key[0]}/{key[1]}:policyName/{name}"
        known = self._policies.get((key, name), {"PolicyARN": arn, "CreationTime": datetime.now(UTC).timestamp()})
        self._policies[key, name] = known | request
        return {"PolicyARN": known["PolicyARN"], "Alarms": []}

    def delete_scaling_policy(self, request: Record) -> Record:
        if self._policies.pop((_key(request), request["PolicyName"]), None) is None:
            raise Refused("ObjectNotFoundException", f"No scaling policy named {request['PolicyName']} was found.")
        return {}

    def describe_scaling_policies(self, request: Record) -> Record:
        return {"ScalingPolicies": _matching(self._policies.values(), request)}


def install(scaling: AutoScaling) -> None:
    """Extend ministack in process. Call before its server starts."""
    from ministack import app  # noqa: PLC0415  reads its environment when imported
    from ministack.core import router  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    async def handle(_method: str, _path: str, headers: Record, body: bytes, _query: object) -> tuple[int, Any, bytes]:
        return await asyncio.to_thread(_answer, scaling, headers.get("x-amz-target", ""), body)

    app.SERVICE_HANDLERS["application-autoscaling"] = handle
    router.SERVICE_PATTERNS["application-autoscaling"] = {"target_prefixes": [_TARGET_PREFIX], "host_patterns": []}
    provisioners._RESOURCE_HANDLERS.update(
        {
            "AWS::ApplicationAutoScaling::ScalableTarget": _target_resource(scaling),
            "AWS::ApplicationAutoScaling::ScalingPolicy": _policy_resource(scaling),
        }
    )
    provisioners._REPLACING_PROPERTIES.update(
        {
            "AWS::ApplicationAutoScaling::ScalableTarget": _REQUIRED,
            "AWS::ApplicationAutoScaling::ScalingPolicy": ("PolicyName", "ScalingTargetId", *_REQUIRED),
        }
    )


def _answer(scaling: AutoScaling, target: str, body: bytes) -> tuple[int, Record, bytes]:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    operations: dict[str, Callable[[Record], Record]] = {
        "RegisterScalableTarget": scaling.register_scalable_target,
        "DeregisterScalableTarget": scaling.deregister_scalable_target,
        "DescribeScalableTargets": scaling.describe_scalable_targets,
        "PutScalingPolicy": scaling.put_scaling_policy,
        "DeleteScalingPolicy": scaling.delete_scaling_policy,
        "DescribeScalingPolicies": scaling.describe_scaling_policies,
    }
    name = target.rpartition(".")[2]
    try:
        if name not in operations:
            raise Refused("ValidationException", f"The embedded cloud has no Application Auto Scaling {name}.")
        return 200, headers, json.dumps(operations[name](json.loads(body or b"{}"))).encode()
    except Refused as error:
        return 400, headers, json.dumps({"__type": error.code, "message": str(error)}).encode()


def _target_resource(scaling: AutoScaling) -> dict[str, Callable[..., Any]]:
    def put(properties: Record) -> tuple[str, Record]:
        scaling.register_scalable_target({k: v for k, v in properties.items() if k != "RoleARN"})
        key = _key(properties)
        made = f"{key[1]}|{key[2]}|{key[0]}"
        return made, {"Id": made}

    def delete(physical_id: str, _properties: Record) -> None:
        resource, dimension, namespace = physical_id.split("|")
        _unless_gone(
            scaling.deregister_scalable_target,
            {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension},
        )

    return _resource(put, delete)


def _policy_resource(scaling: AutoScaling) -> dict[str, Callable[..., Any]]:
    def request(properties: Record) -> Record:
        rest = {name: value for name, value in properties.items() if name != "ScalingTargetId"}
        if "ScalingTargetId" in properties:
            rest |= dict(zip(("ResourceId", "ScalableDimension", "ServiceNamespace"),
                             properties["ScalingTargetId"].split("|"), strict=True))  # fmt: skip
        return rest

    def put(properties: Record) -> tuple[str, Record]:
        arn = scaling.put_scaling_policy(request(properties))["PolicyARN"]
        return arn, {"Arn": arn, "PolicyName": properties["PolicyName"]}

    def delete(_physical_id: str, properties: Record) -> None:
        _unless_gone(scaling.delete_scaling_policy, request(properties))

    return _resource(put, delete)


def _resource(
    put: Callable[[Record], tuple[str, Record]], delete: Callable[[str, Record], None]
) -> dict[str, Callable[..., Any]]:
    return {
        "create": lambda _logical_id, properties, _stack: put(properties),
        "update": lambda _physical_id, _old, properties, _stack: put(properties),
        "delete": delete,
    }


def _unless_gone(operation: Callable[[Record], Record], request: Record) -> None:
    """CloudFormation counts what is gone already as deleted."""
    try:
        operation(request)
    except Refused as error:
        if error.code != "ObjectNotFoundException":
            raise


def _key(request: Record) -> Key:
    if missing := [name for name in _REQUIRED if not request.get(name)]:
        raise Refused("ValidationException", f"{', '.join(missing)}: required.")
    return request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"]


def _matching(records: Any, request: Record) -> list[Record]:
    wanted = {
        name: request[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension") if name in request
    }
    found = [record for record in list(records) if wanted.items() <= record.items()]
    if "ResourceIds" in request:
        found = [record for record in found if record["ResourceId"] in request["ResourceIds"]]
    return found
