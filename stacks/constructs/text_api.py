"""The REST API: keys, throttles and error shape; what a request means is the proxy's business."""

import json
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from pilotlight.config import ApiLimits
from stacks.acknowledge import acknowledge


@dataclass(frozen=True)
class _Refusal:
    """What the gateway itself answers, before the proxy is asked; the types are the proxy's where it has one."""

    response_type: apigateway.ResponseType
    status: int | None
    error_type: str
    message: str


_REFUSALS = (
    _Refusal(apigateway.ResponseType.BAD_REQUEST_BODY, 400, "invalid_request", "The body must be a JSON object."),
    _Refusal(
        apigateway.ResponseType.INVALID_API_KEY,
        403,
        "forbidden",
        "A valid API key is needed in the header x-api-key; the Api stack's output ApiKeyId names one.",
    ),
    # API Gateway calls an unknown route this.
    _Refusal(
        apigateway.ResponseType.MISSING_AUTHENTICATION_TOKEN,
        404,
        "not_found",
        "No such route; POST /generate, GET /endpoint, GET /tasks, POST /tasks/{task} and OpenAI's "
        "POST /v1/chat/completions, POST /v1/completions and GET /v1/models exist.",
    ),
    _Refusal(apigateway.ResponseType.THROTTLED, 429, "throttled", "Too many requests per second for this API key."),
    _Refusal(apigateway.ResponseType.QUOTA_EXCEEDED, 429, "quota_exceeded", "The quota of this API key is used up."),
    _Refusal(apigateway.ResponseType.REQUEST_TOO_LARGE, 413, "payload_too_large", "The request body is too large."),
    _Refusal(
        apigateway.ResponseType.UNSUPPORTED_MEDIA_TYPE,
        415,
        "invalid_request",
        "Send Content-Type: application/json.",
    ),
    _Refusal(
        apigateway.ResponseType.INTEGRATION_TIMEOUT,
        504,
        "deadline_exceeded",
        "The proxy did not answer within the time limit.",
    ),
    _Refusal(apigateway.ResponseType.INTEGRATION_FAILURE, 502, "internal_error", "The proxy could not be reached."),
    _Refusal(apigateway.ResponseType.DEFAULT_4_XX, None, "invalid_request", ""),
    _Refusal(apigateway.ResponseType.DEFAULT_5_XX, None, "internal_error", ""),
)

_ACCESS_LOG_FIELDS = {
    "request_id": apigateway.AccessLogField.context_request_id(),
    "requested_at": apigateway.AccessLogField.context_request_time_epoch(),
    "source_ip": apigateway.AccessLogField.context_identity_source_ip(),
    "api_key_id": apigateway.AccessLogField.context_identity_api_key_id(),
    "method": apigateway.AccessLogField.context_http_method(),
    "path": apigateway.AccessLogField.context_resource_path(),
    "status": apigateway.AccessLogField.context_status(),
    "latency_ms": apigateway.AccessLogField.context_response_latency(),
    "integration_latency_ms": apigateway.AccessLogField.context_integration_latency(),
    "error": apigateway.AccessLogField.context_error_response_type(),
}


class TextApi(Construct):
    """`POST /generate`, `GET /endpoint`, the tasks and OpenAI's routes behind an API key with a usage plan."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        proxy: lambda_.IFunction,
        limits: ApiLimits,
        stage_name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.rest_api = self._rest_api(limits, stage_name)
        self._add_routes(proxy, limits)
        self._shape_errors()
        self.key = self.rest_api.add_api_key("Key")
        throttle = apigateway.ThrottleSettings(
            rate_limit=limits.throttle_rate_per_second, burst_limit=limits.throttle_burst
        )
        plan = self.rest_api.add_usage_plan("Plan", throttle=throttle)
        plan.add_api_key(self.key)
        plan.add_api_stage(stage=self.rest_api.deployment_stage)
        acknowledge(
            self,
            {
                "AwsSolutions-APIG4": "Callers are known by an API key; these routes change nothing.",
                "AwsSolutions-COG4": "Callers are programs: there is no user pool.",
                "AwsSolutions-APIG3": "A web ACL costs at least USD 5 a month, also while the endpoint is off; the "
                "key, the throttle and the proxy's bounds stand in its place.",
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]": "The policy that AWS made for this one purpose.",
            },
        )

    def _rest_api(self, limits: ApiLimits, stage_name: str) -> apigateway.RestApi:
        access_log = logs.LogGroup(
            self, "AccessLog", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        return apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=f"pilotlight-{stage_name}",
            description="A language model on Amazon SageMaker, behind Pilotlight's proxy",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # The account's one role for API Gateway logs: without it a fresh account refuses a stage that logs.
            cloud_watch_role=True,
            deploy_options=apigateway.StageOptions(
                stage_name=stage_name,
                throttling_rate_limit=limits.throttle_rate_per_second,
                throttling_burst_limit=limits.throttle_burst,
                access_log_destination=apigateway.LogGroupLogDestination(access_log),
                access_log_format=apigateway.AccessLogFormat.custom(
                    json.dumps({name: str(field) for name, field in _ACCESS_LOG_FIELDS.items()})
                ),
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                # Full request data would put prompts into the log.
                data_trace_enabled=False,
                tracing_enabled=True,
            ),
            default_method_options=apigateway.MethodOptions(api_key_required=True),
        )

    def _add_routes(self, proxy: lambda_.IFunction, limits: ApiLimits) -> None:
        integration = apigateway.LambdaIntegration(
            proxy,
            timeout=Duration.seconds(limits.integration_timeout_seconds),
            # The console's test button would be a way past the key.
            allow_test_invoke=False,
        )
        json_object = self.rest_api.add_model(
            "JsonObject",
            content_type="application/json",
            schema=apigateway.JsonSchema(type=apigateway.JsonSchemaType.OBJECT),
        )
        body_check = self.rest_api.add_request_validator(
            "BodyIsJsonObject", validate_request_body=True, validate_request_parameters=True
        )
        self.rest_api.root.add_resource("generate").add_method(
            "POST",
            integration,
            request_models={"application/json": json_object},
            request_validator=body_check,
        )
        self.rest_api.root.add_resource("endpoint").add_method("GET", integration)
        tasks = self.rest_api.root.add_resource("tasks")
        tasks.add_method("GET", integration)
        tasks.add_resource("{task}").add_method(
            "POST",
            integration,
            request_models={"application/json": json_object},
            request_validator=body_check,
        )
        v1 = self.rest_api.root.add_resource("v1")  # OpenAI's names
        for parent, name in ((v1.add_resource("chat"), "completions"), (v1, "completions")):
            parent.add_resource(name).add_method(
                "POST",
                integration,
                request_models={"application/json": json_object},
                request_validator=body_check,
            )
        v1.add_resource("models").add_method("GET", integration)

    def _shape_errors(self) -> None:
        for refusal in _REFUSALS:
            message = json.dumps(refusal.message) if refusal.message else "$context.error.messageString"
            template = (
                f'{{"error": {{"type": "{refusal.error_type}", "message": {message}, '
                '"param": null, "request_id": "$context.requestId"}}'
            )
            self.rest_api.add_gateway_response(
                refusal.response_type.response_type.title().replace("_", ""),
                type=refusal.response_type,
                status_code=str(refusal.status) if refusal.status else None,
                templates={"application/json": template},
                # A parameter mapping, in which a literal stands in quotes of its own.
                response_headers={"Retry-After": "'1'"} if refusal.status == 429 else None,
            )
