"""The REST API: who may call it, how often, from which web pages; what a request means is the proxy's business."""

import json
from collections.abc import Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from pilotlight.config import ApiLimits
from stacks.acknowledge import acknowledge
from stacks.constructs.gateway_responses import add_gateway_responses
from stacks.constructs.key_authorizer import KeyAuthorizer
from stacks.routes import Route

_ADMIN_THROTTLE = apigateway.ThrottleSettings(rate_limit=2, burst_limit=10)
"""Routes that change something are called by hand or by a schedule."""

_OPEN_THROTTLE = apigateway.ThrottleSettings(rate_limit=1, burst_limit=5)
"""Of all callers together: a person presses a button, and a scanner looks at it."""

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

_NOBODYS_KEY: Any = {"api_key_required": False, "authorization_type": apigateway.AuthorizationType.NONE}
# Full request data would put prompts, and tokens, into the log.
_LOGGING: Any = {"logging_level": apigateway.MethodLoggingLevel.ERROR, "data_trace_enabled": False}


class TextApi(Construct):
    """The routes, behind API keys with usage plans, or behind IAM.

    `key` and `admin_key` are None where IAM decides.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        proxy: lambda_.IFunction,
        limits: ApiLimits,
        stage_name: str,
        routes: Sequence[Route],
    ) -> None:
        super().__init__(scope, construct_id)
        self.key: apigateway.IApiKey | None = None
        self.admin_key: apigateway.IApiKey | None = None
        if limits.auth == "iam":
            access = apigateway.MethodOptions(authorization_type=apigateway.AuthorizationType.IAM)
        else:
            # Not the API's own add_api_key: that one waits for the stage, which waits for the authorizer.
            self.admin_key = apigateway.ApiKey(self, "AdminKey", description="For routes that change something")
            access = self._access_by_key(routes, limits, self.admin_key)
        self.rest_api = self._rest_api(limits, stage_name, access, routes)
        self._add_routes(proxy, limits, routes)
        add_gateway_responses(self.rest_api, limits=limits, routes=routes)
        if self.admin_key:
            self.key = self.rest_api.add_api_key("Key")
            self._add_plans(limits, self.key, self.admin_key)
        acknowledge(
            self,
            {
                "AwsSolutions-APIG4": "A preflight request carries no credentials; it answers headers and no more.",
                "AwsSolutions-COG4": "Callers are programs: there is no user pool.",
                "AwsSolutions-APIG3": "A web ACL costs at least USD 5 a month, also while the endpoint is off; the "
                "key, the throttle and the proxy's bounds stand in its place.",
                "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]": "The policy that AWS made for this one purpose.",
            },
        )

    def _access_by_key(
        self, routes: Sequence[Route], limits: ApiLimits, admin_key: apigateway.IApiKey
    ) -> apigateway.MethodOptions:
        authorizer = KeyAuthorizer(
            self, "KeyAuthorizer", routes=routes, admin_key=admin_key, key_header=limits.key_header
        ).authorizer
        return apigateway.MethodOptions(
            api_key_required=True, authorizer=authorizer, authorization_type=apigateway.AuthorizationType.CUSTOM
        )

    def _rest_api(
        self, limits: ApiLimits, stage_name: str, access: apigateway.MethodOptions, routes: Sequence[Route]
    ) -> apigateway.RestApi:
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
                **_LOGGING,
                tracing_enabled=True,
                method_options={
                    f"{route.path}/{route.method}": apigateway.MethodDeploymentOptions(
                        throttling_rate_limit=_OPEN_THROTTLE.rate_limit,
                        throttling_burst_limit=_OPEN_THROTTLE.burst_limit,
                        **_LOGGING,
                    )
                    for route in routes
                    if route.is_open
                },
            ),
            # The key is what the authorizer found, in whichever header it came.
            api_key_source_type=apigateway.ApiKeySourceType.AUTHORIZER if limits.auth == "key" else None,
            default_method_options=access,
            default_cors_preflight_options=_preflight(limits),
        )

    def _add_routes(self, proxy: lambda_.IFunction, limits: ApiLimits, routes: Sequence[Route]) -> None:
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
        for route in routes:
            has_body = route.method == "POST" and not route.is_open  # a form is no JSON
            self.rest_api.root.resource_for_path(route.path).add_method(
                route.method,
                integration,
                **(_NOBODYS_KEY if route.is_open else {}),
                request_models={"application/json": json_object} if has_body else None,
                request_validator=body_check if has_body else None,
            )

    def _add_plans(self, limits: ApiLimits, key: apigateway.IApiKey, admin_key: apigateway.IApiKey) -> None:
        """Usage plans are best effort: they bound what a key costs, and who may do what is the authorizer's to say."""
        quota = None
        if limits.quota_requests is not None:
            period = apigateway.Period[limits.quota_period.upper()]
            quota = apigateway.QuotaSettings(limit=limits.quota_requests, period=period)
        throttle = apigateway.ThrottleSettings(
            rate_limit=limits.throttle_rate_per_second, burst_limit=limits.throttle_burst
        )
        plans = {
            key: self.rest_api.add_usage_plan("Plan", throttle=throttle, quota=quota),
            admin_key: self.rest_api.add_usage_plan("AdminPlan", throttle=_ADMIN_THROTTLE),
        }
        for plans_key, plan in plans.items():
            plan.add_api_key(plans_key)
            plan.add_api_stage(stage=self.rest_api.deployment_stage)


def _preflight(limits: ApiLimits) -> apigateway.CorsOptions | None:
    """What OPTIONS answers, without a key: a browser sends none with it."""
    if not limits.cors_origins:
        return None
    return apigateway.CorsOptions(
        allow_origins=list(limits.cors_origins),
        # The asterisk covers every header but this one; clients of OpenAI's API send a dozen of their own.
        allow_headers=["*", "Authorization"],
        max_age=Duration.hours(1),
    )
