"""The adapter to the DynamoDB table of kept answers."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from proxy.errors import AnswersUnavailable
from proxy.idempotency import Entry, State

# Twice at most, as a connection that was idle may be closed: 1.95 s when all goes wrong, within RESERVE_SECONDS. The
# legacy mode waits 0.05 s between two attempts on DynamoDB, the standard one up to a second.
CLIENT_CONFIG = Config(
    connect_timeout=0.4,
    read_timeout=0.55,
    retries={"total_max_attempts": 2, "mode": "legacy"},
)

# `judge` in DynamoDB's words; the last is for a claim that botocore repeats because its first answer was lost.
_IS_FREE = (
    "attribute_not_exists(id) OR expires_at <= :now OR (#state = :running AND (lease_until <= :now OR #owner = :owner))"
)


class DynamoDBClient(Protocol):
    """What is used of boto3's `dynamodb` client."""

    def put_item(self, **request: Any) -> Mapping[str, Any]: ...
    def delete_item(self, **request: Any) -> Mapping[str, Any]: ...


class AnswerTable:
    """Entries by their key's id. The client is made by the first call that brings a key: others pay nothing."""

    def __init__(self, make_client: Callable[[], DynamoDBClient], table: str) -> None:
        self._make_client = make_client
        self._table = table

    @cached_property
    def _client(self) -> DynamoDBClient:
        return self._make_client()

    def claim(self, key_id: str, entry: Entry, *, now: float) -> Entry | None:
        refusal = self._call(
            self._client.put_item,
            Item=_item(key_id, entry),
            ConditionExpression=_IS_FREE,
            ExpressionAttributeNames={"#state": "state", "#owner": "owner"},
            ExpressionAttributeValues={
                ":now": _number(now),
                ":running": {"S": State.RUNNING},
                ":owner": {"S": entry.owner},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return None if refusal is None else _entry(refusal["Item"])

    def keep(self, key_id: str, entry: Entry) -> bool:
        return self._call(self._client.put_item, Item=_item(key_id, entry), **_if_owner(entry.owner)) is None

    def release(self, key_id: str, *, owner: str) -> None:
        self._call(self._client.delete_item, Key={"id": {"S": key_id}}, **_if_owner(owner))

    def _call(self, operation: Callable[..., object], **request: Any) -> Mapping[str, Any] | None:
        """None once it is done; the refusal where the condition does not hold."""
        try:
            operation(TableName=self._table, **request)
        except ClientError as exc:
            if exc.response["Error"].get("Code") == "ConditionalCheckFailedException":
                return exc.response
            raise _unavailable(exc.response["Error"].get("Code", "")) from exc
        except BotoCoreError as exc:
            raise _unavailable(type(exc).__name__) from exc
        return None


def _unavailable(why: str) -> AnswersUnavailable:
    return AnswersUnavailable(
        f"The table of kept answers cannot be reached ({why}), so nothing was sent to the model: try again, or "
        "without Idempotency-Key.",
        retry_after_seconds=1,
    )


def _if_owner(owner: str) -> dict[str, object]:
    return {
        "ConditionExpression": "#owner = :owner",
        "ExpressionAttributeNames": {"#owner": "owner"},
        "ExpressionAttributeValues": {":owner": {"S": owner}},
    }


def _item(key_id: str, entry: Entry) -> dict[str, dict[str, str]]:
    item = {
        "id": {"S": key_id},
        "request": {"S": entry.request},
        "owner": {"S": entry.owner},
        "state": {"S": str(entry.state)},
        "lease_until": _number(entry.lease_until),
        "expires_at": _number(entry.expires_at),
    }
    return item if entry.answer is None else item | {"answer": {"S": entry.answer}}


def _entry(item: Mapping[str, Mapping[str, str]]) -> Entry:
    return Entry(
        request=item["request"]["S"],
        owner=item["owner"]["S"],
        state=State(item["state"]["S"]),
        lease_until=float(item["lease_until"]["N"]),
        expires_at=float(item["expires_at"]["N"]),
        answer=item["answer"]["S"] if "answer" in item else None,
    )


def _number(seconds: float) -> dict[str, str]:
    return {"N": str(round(seconds))}
