"""A deployed stage, found by its stacks: the same way on AWS and on the embedded cloud."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, NoCredentialsError
from requests.auth import AuthBase

from pilotlight.api_auth import IamAuth, KeyAuth

ROLES = ("Foundation", "Control", "Endpoint", "Api")
"""The stacks that every stage has, in the order in which they are deployed."""
ALL_ROLES = (*ROLES, "FineTune")
"""With the one that only a stage has whose model can be fine-tuned."""

_LOCAL_CREDENTIALS = Credentials("test", "test")  # the embedded cloud asks for some, not for the right ones


class NotDeployedError(Exception):
    """The stage has no stacks where they were looked for."""


def stack_name(stage: str, role: str) -> str:
    return f"Pilotlight-{stage}-{role}"


def switch_name(stage: str) -> str:
    return f"pilotlight-{stage}-switch"


def finetune_name(stage: str) -> str:
    """The state machine that fine-tunes, and the group of what it registers."""
    return f"pilotlight-{stage}-finetune"


def job_prefix(stage: str) -> str:
    """How the names of the stage's training jobs begin."""
    return f"pilotlight-{stage}-"


def ledger_name(stage: str) -> str:
    return f"pilotlight-{stage}-ledger"


@cache
def _session_without_profile() -> Any:
    """A session in which neither AWS_PROFILE nor a file of the user's has a say."""
    unsaid = (None, None, None, None)
    return boto3.Session(
        botocore_session=botocore.session.Session(session_vars={"profile": unsaid, "config_file": unsaid})
    )


@dataclass(frozen=True)
class Deployment:
    """One stage in one account and Region. `aws_endpoint_url` is the embedded cloud's, None on AWS."""

    stage: str
    region: str
    aws_endpoint_url: str | None = None

    @property
    def place(self) -> str:
        return "the embedded cloud" if self.aws_endpoint_url else f"AWS in {self.region}"

    @property
    def stack_names(self) -> list[str]:
        return [self.stack_name(role) for role in ALL_ROLES if role in ROLES or self.stack_status(role)]

    def client(self, service: str) -> Any:
        """A boto3 client of this place."""
        config = Config(retries={"mode": "standard"})
        if not self.aws_endpoint_url:
            return boto3.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]
        return _session_without_profile().client(
            service,
            region_name=self.region,
            endpoint_url=self.aws_endpoint_url,
            aws_access_key_id=_LOCAL_CREDENTIALS.access_key,
            aws_secret_access_key=_LOCAL_CREDENTIALS.secret_key,
            config=config,
        )

    def stack_name(self, role: str) -> str:
        return stack_name(self.stage, role)

    @cached_property
    def switch_arn(self) -> str:
        return self.output("Control", "SwitchArn")

    def receipts(self, limit: int) -> list[dict[str, Any]]:
        """What the last changes of the endpoint did and cost, the latest first."""
        items = self.client("dynamodb").query(
            TableName=ledger_name(self.stage),
            KeyConditionExpression="#kind = :kind",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": {"S": "receipt"}},
            ScanIndexForward=False,
            Limit=limit,
        )["Items"]
        return [json.loads(item["data"]["S"]) for item in items]

    def ledger_entry(self, kind: str, key: str) -> dict[str, Any]:
        """What the stage remembers under this kind and key (lambda/common/ledger.py); empty where nothing."""
        answer = self.client("dynamodb").get_item(
            TableName=ledger_name(self.stage), Key={"kind": {"S": kind}, "key": {"S": key}}, ConsistentRead=True
        )
        found: dict[str, Any] = json.loads(answer["Item"]["data"]["S"]) if "Item" in answer else {}
        return found

    def remember(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        """Write an entry of the ledger over whatever was there before."""
        self.client("dynamodb").update_item(
            TableName=ledger_name(self.stage),
            Key={"kind": {"S": kind}, "key": {"S": key}},
            UpdateExpression="SET #data = :data ADD #version :one",
            ExpressionAttributeNames={"#data": "data", "#version": "version"},
            ExpressionAttributeValues={":data": {"S": json.dumps(data, sort_keys=True)}, ":one": {"N": "1"}},
        )

    def now(self) -> datetime:
        """The cloud's time, in UTC to the second: the laptop's may be wrong, and the embedded cloud's is simulated.

        From the Date header of an answer that needs no permission.
        """
        headers = self.client("sts").get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)

    @property
    def ends(self) -> datetime | None:
        """When the hard stop falls; None while the endpoint is meant to be off."""
        parameters = {p["ParameterKey"]: p["ParameterValue"] for p in self.describe_stack("Endpoint")["Parameters"]}
        stated = parameters.get("TurnOffAt")
        return datetime.fromisoformat(stated).replace(tzinfo=UTC) if stated else None

    @cached_property
    def endpoint_name(self) -> str:
        return self.output("Endpoint", "EndpointName")

    @cached_property
    def api_url(self) -> str:
        """The API's address, without a slash at the end."""
        public = self.output("Api", "ApiUrl").rstrip("/")
        if not self.aws_endpoint_url:
            return public
        address = urlsplit(public)
        api_id = address.netloc.partition(".")[0]
        return f"{self.aws_endpoint_url}/_aws/execute-api/{api_id}{address.path}"

    @cached_property
    def takes_keys(self) -> bool:
        """Whether the API knows its callers by keys; else by IAM."""
        return self.output("Api", "ApiAuth") == "key"

    @cached_property
    def api_key(self) -> str:
        """The key itself; needs `apigateway:GET` on it. Empty where there are no keys."""
        return self._key("ApiKeyId")

    @cached_property
    def admin_key(self) -> str:
        """As `api_key`, for the routes that change something."""
        return self._key("AdminKeyId")

    @cached_property
    def auth(self) -> AuthBase:
        """For `requests`: as any caller."""
        return KeyAuth(self.api_key) if self.takes_keys else self._iam_auth()

    @cached_property
    def admin_auth(self) -> AuthBase:
        """For `requests`: as one who may change something."""
        return KeyAuth(self.admin_key) if self.takes_keys else self._iam_auth()

    def _key(self, output: str) -> str:
        if not self.takes_keys:
            return ""
        key = self.client("apigateway").get_api_key(apiKey=self.output("Api", output), includeValue=True)
        return str(key["value"])

    def _iam_auth(self) -> AuthBase:
        """Raises NoCredentialsError where there are none."""
        credentials = _LOCAL_CREDENTIALS if self.aws_endpoint_url else boto3.Session().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return IamAuth(credentials, self.region)

    def stack_status(self, role: str) -> str | None:
        """CloudFormation's word for it; None where there is no such stack."""
        try:
            return str(self.describe_stack(role)["StackStatus"])
        except NotDeployedError:
            return None

    def stacks_left(self) -> list[str]:
        """The names of the stage's stacks that exist."""
        return [self.stack_name(role) for role in ALL_ROLES if self.stack_status(role)]

    def stack_resources(self, role: str) -> list[dict[str, Any]]:
        """As ListStackResources tells; none where there is no such stack."""
        if not self.stack_status(role):
            return []
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return [
            resource
            for page in pages.paginate(StackName=self.stack_name(role))
            for resource in page["StackResourceSummaries"]
        ]

    def describe_stack(self, role: str) -> dict[str, Any]:
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stack_name(role))["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise NotDeployedError(
                f"Stage {self.stage!r} is not deployed on {self.place}: "
                f"there is no stack {self.stack_name(role)}. "
                f"Deploy it with `pilot local up --stage {self.stage}`, or on AWS with "
                f"`pilot deploy --stage {self.stage}`. Another Region: --region."
            ) from error
        found: dict[str, Any] = stacks[0]
        return found

    def output(self, role: str, key: str) -> str:
        """Of the stack of that role. Raises NotDeployedError where it has none."""
        outputs = {item["OutputKey"]: item["OutputValue"] for item in self.describe_stack(role).get("Outputs", [])}
        if key not in outputs:
            raise NotDeployedError(
                f"The stack {self.stack_name(role)} has no output {key}: its last deploy did not finish. Deploy again."
            )
        return str(outputs[key])
