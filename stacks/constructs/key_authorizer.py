"""The authorizer in front of every route: an API key in either header, and the admin key where something changes."""

import json
from collections.abc import Iterable
from typing import Literal

from aws_cdk import Arn, ArnComponents, ArnFormat, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.packaged_function import packaged_function
from stacks.routes import Route

CACHED_SECONDS = 300
_SPELLED = {"authorization": "Authorization"}  # as AWS's examples have it, should the case count


class KeyAuthorizer(Construct):
    """A REQUEST authorizer, and the Lambda that may read one API key's value: the admin key's.

    A caching authorizer refuses a request that lacks any of its identity sources, without asking the Lambda, and
    answers one that has them all from the cache. So two headers of which one will do cannot be identity sources; and
    what all callers send, like their address, is no secret: cached by that, the answer to one would let the next in.
    Hence with `key_header` "any" nothing is cached. One header that all agree on is cached by, together with method and
    resource, as the answer is about one route.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        routes: Iterable[Route],
        admin_key: apigateway.IApiKey,
        key_header: Literal["any", "x-api-key", "authorization"],
    ) -> None:
        super().__init__(scope, construct_id)
        function = packaged_function(
            self,
            package="authorizer",
            statements=[iam.PolicyStatement(actions=["apigateway:GET"], resources=[self._key_arn(admin_key.key_id)])],
            memory_mb=512,  # for the import of boto3 before the first admin call
            timeout_seconds=10,
            environment={
                "KEY_HEADER": key_header,
                "OPEN_ROUTES": json.dumps([str(route) for route in routes if route.takes_any_key]),
                "ADMIN_KEY_ID": admin_key.key_id,
            },
        )
        source = apigateway.IdentitySource
        cached_by = [
            source.header(_SPELLED.get(key_header, key_header)),
            source.context("httpMethod"),
            source.context("resourcePath"),
        ]
        cached = key_header != "any"
        self.authorizer = apigateway.RequestAuthorizer(
            self,
            # One of its own: an update that takes identity sources away leaves the old ones (aws/aws-cdk issue 2561).
            "CachingAuthorizer" if cached else "Authorizer",
            handler=function,
            identity_sources=cached_by if cached else [],
            results_cache_ttl=Duration.seconds(CACHED_SECONDS if cached else 0),
        )

    def _key_arn(self, key_id: str) -> str:
        return Arn.format(
            ArnComponents(
                service="apigateway",
                account="",
                resource="/apikeys",
                resource_name=key_id,
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            ),
            Stack.of(self),
        )
