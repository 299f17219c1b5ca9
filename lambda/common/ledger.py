"""The stage's memory: one DynamoDB table of small JSON objects, each under a kind and a key.

What AWS forgets is written here (in service since when, dollars this month), and what several functions must
agree on (who switches, until when it is snoozed). Entries by kind and key, times in epoch seconds:

meter/memory        what the meter carries from tick to tick; the meter alone writes it
snooze/endpoint     {"until", "by"}
snooze/used#NONCE   {"at"}: a mail's token that was used
secret/NAME         {"key"}: a random text that signs, made by the first who needs it
switch/lease        {"target", "reason", "by", "execution", "asked_at"}: the execution that switches now
switch/verified     {"at"}: when the endpoint was last seen to serve as its stack wants it
wake/estimate       {"seconds": [...]}: how long the last ten wakes took
budget/YYYY-MM      {"usd"}: a ceiling for that month in the configured one's place
sweep/latest        {"at", "findings": [sentences for a person], "orphans": [...]}: the last daily sweep
receipt/TIME#target what one change did, and what it cost
dropped/KEY#SEQUENCER  {"run"}: which run a run.toml in the bucket has started
finetune/ID         a run of fine-tuning (finetune.run)
promotion/endpoint  whose turn it is to be promoted, and who waits (finetune.turns)
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

Data = dict[str, Any]


class DynamoDBClient(Protocol):
    """What is used of boto3's `dynamodb` client."""

    def get_item(self, **request: Any) -> Mapping[str, Any]: ...
    def update_item(self, **request: Any) -> Mapping[str, Any]: ...
    def query(self, **request: Any) -> Mapping[str, Any]: ...


class Ledger:
    """Reads are consistent: a decision must see what was written a moment ago."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, kind: str, key: str) -> Data | None:
        return self.entry(kind, key)[0]

    def entry(self, kind: str, key: str) -> tuple[Data | None, int]:
        """The data and its version, which `put_if` takes; (None, 0) where there is none."""
        answer = self._client.get_item(TableName=self._table, Key=_key(kind, key), ConsistentRead=True)
        item = answer.get("Item")
        return (_data(item), int(item["version"]["N"])) if item else (None, 0)

    def put(self, kind: str, key: str, data: Mapping[str, Any], *, expires_at: float | None = None) -> None:
        """Write whatever was there before; DynamoDB removes it some time after `expires_at` (epoch seconds)."""
        self._write(kind, key, data, expires_at, {})

    def put_if(
        self, kind: str, key: str, data: Mapping[str, Any], *, version: int, expires_at: float | None = None
    ) -> bool:
        """Write over exactly this version (0: nothing there yet). False where somebody else was faster."""
        wanted = {":version": {"N": str(version)}} if version else {}
        try:
            self._write(
                kind,
                key,
                data,
                expires_at,
                wanted,
                ConditionExpression="#version = :version" if version else "attribute_not_exists(#version)",
            )
        except ClientError as error:
            if error.response["Error"].get("Code") != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def key_for(self, purpose: str, make: Callable[[], str]) -> bytes:
        """The secret that signs for a purpose; of several who need it first, one makes it."""
        if self.get("secret", purpose) is None:
            self.put_if("secret", purpose, {"key": make()}, version=0)
        return str((self.get("secret", purpose) or {})["key"]).encode()

    def latest(self, kind: str, limit: int) -> list[Data]:
        """The entries of a kind, the greatest key first."""
        answer = self._query(kind, ScanIndexForward=False, Limit=limit)
        return [_data(item) for item in answer["Items"]]

    def every(self, kind: str) -> Iterator[Data]:
        """All entries of a kind, the least key first. DynamoDB answers with a megabyte at a time."""
        more: dict[str, Any] = {}
        while True:
            answer = self._query(kind, **more)
            yield from map(_data, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _query(self, kind: str, **how: Any) -> Mapping[str, Any]:
        return self._client.query(
            TableName=self._table,
            KeyConditionExpression="#kind = :kind",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": {"S": kind}},
            ConsistentRead=True,
            **how,
        )

    def _write(
        self,
        kind: str,
        key: str,
        data: Mapping[str, Any],
        expires_at: float | None,
        values: Mapping[str, Mapping[str, str]],
        **condition: str,
    ) -> None:
        expires = {} if expires_at is None else {":expires": {"N": str(int(expires_at))}}
        self._client.update_item(
            TableName=self._table,
            Key=_key(kind, key),
            UpdateExpression=f"SET #data = :data{', expires_at = :expires' if expires else ''} ADD #version :one",
            ExpressionAttributeNames={"#data": "data", "#version": "version"},
            ExpressionAttributeValues={":data": {"S": _text(data)}, ":one": {"N": "1"}, **expires, **values},
            **condition,
        )


def _key(kind: str, key: str) -> dict[str, dict[str, str]]:
    return {"kind": {"S": kind}, "key": {"S": key}}


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True)


def _data(item: Mapping[str, Any]) -> Data:
    data: Data = json.loads(item["data"]["S"])
    return data
