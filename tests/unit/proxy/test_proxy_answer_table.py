"""The table of kept answers, by DynamoDB's own service model."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber
from moto import mock_aws
from proxy.answer_table import CLIENT_CONFIG, AnswerTable
from proxy.errors import AnswersUnavailable
from proxy.idempotency import RESERVE_SECONDS, Entry, State, Verdict, judge

SESSION = boto3.Session("access-key", "secret-key", region_name="us-east-1")
ENTRY = Entry(request="r", owner="request-1", state=State.RUNNING, lease_until=1030.4, expires_at=1030.4)
ITEM = {
    "id": {"S": "k"},
    "request": {"S": "r"},
    "owner": {"S": "request-1"},
    "state": {"S": "running"},
    "lease_until": {"N": "1030"},
    "expires_at": {"N": "1030"},
}


@pytest.fixture
def stubbed() -> Iterator[tuple[AnswerTable, Stubber]]:
    client = SESSION.client("dynamodb")
    with Stubber(client) as stub:
        yield AnswerTable(lambda: client, "answers"), stub
        stub.assert_no_pending_responses()


def put(item: dict[str, Any], **more: object) -> dict[str, Any]:
    expected = {
        "TableName": "answers",
        "Item": item,
        "ConditionExpression": ANY,
        "ExpressionAttributeNames": ANY,
        "ExpressionAttributeValues": ANY,
    }
    return expected | more


def test_a_claim_on_a_free_key_is_put(stubbed: tuple[AnswerTable, Stubber]) -> None:
    table, stub = stubbed
    stub.add_response("put_item", {}, put(ITEM, ReturnValuesOnConditionCheckFailure="ALL_OLD"))
    assert table.claim("k", ENTRY, now=1000.0) is None


def test_a_claim_on_a_taken_key_returns_what_stands_there(stubbed: tuple[AnswerTable, Stubber]) -> None:
    table, stub = stubbed
    standing = ITEM | {"state": {"S": "answered"}, "answer": {"S": "{}"}, "owner": {"S": "request-0"}}
    stub.add_client_error(
        "put_item",
        "ConditionalCheckFailedException",
        http_status_code=400,
        modeled_fields={"Item": standing},
    )
    assert table.claim("k", ENTRY, now=1000.0) == Entry("r", "request-0", State.ANSWERED, 1030, 1030, "{}")


def test_an_answer_replaces_the_claim_of_its_own_call_only(stubbed: tuple[AnswerTable, Stubber]) -> None:
    table, stub = stubbed
    answered = Entry("r", "request-1", State.ANSWERED, 1030, 1600, "{}")
    item = ITEM | {"state": {"S": "answered"}, "expires_at": {"N": "1600"}, "answer": {"S": "{}"}}
    owner = {":owner": {"S": "request-1"}}
    stub.add_response("put_item", {}, put(item, ExpressionAttributeValues=owner))
    stub.add_client_error("put_item", "ConditionalCheckFailedException", http_status_code=400)
    assert table.keep("k", answered) is True
    assert table.keep("k", answered) is False


def test_a_claim_is_released_by_its_own_call_only(stubbed: tuple[AnswerTable, Stubber]) -> None:
    table, stub = stubbed
    key = {"TableName": "answers", "Key": {"id": {"S": "k"}}}
    condition = {
        "ConditionExpression": "#owner = :owner",
        "ExpressionAttributeNames": {"#owner": "owner"},
        "ExpressionAttributeValues": {":owner": {"S": "request-1"}},
    }
    stub.add_response("delete_item", {}, key | condition)
    stub.add_client_error("delete_item", "ConditionalCheckFailedException", http_status_code=400)
    table.release("k", owner="request-1")
    table.release("k", owner="request-1")


@pytest.fixture
def real() -> Iterator[AnswerTable]:
    """Over moto, which reads the conditions."""
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="answers",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield AnswerTable(lambda: client, "answers")


@pytest.mark.parametrize("owner", ["request-0", "request-1"])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("lease_until", "expires_at"), [(1030, 1030), (1030, 1600), (900, 1600), (900, 900)])
def test_only_what_is_free_can_be_claimed_or_what_is_at_work_for_the_same_call(
    real: AnswerTable, owner: str, state: State, lease_until: float, expires_at: float
) -> None:
    """The latter is a claim that botocore repeats. An answer is nobody's to claim, not even its owner's."""
    standing = Entry("r", owner, state, lease_until, expires_at)
    assert real.claim("k", standing, now=1000.0) is None
    is_free = judge(standing, request="r", now=1000.0) is Verdict.FREE
    is_repeated = owner == ENTRY.owner and state is State.RUNNING
    assert real.claim("k", ENTRY, now=1000.0) == (None if is_free or is_repeated else standing)


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException", "InternalError"])
def test_what_dynamodb_refuses_is_told_by_its_code(stubbed: tuple[AnswerTable, Stubber], code: str) -> None:
    table, stub = stubbed
    stub.add_client_error("put_item", code, http_status_code=400)
    with pytest.raises(AnswersUnavailable, match=code):
        table.claim("k", ENTRY, now=1000.0)


def test_no_connection_is_told_as_well() -> None:
    class Client:
        def put_item(self, **_: object) -> dict[str, Any]:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

        def delete_item(self, **_: object) -> dict[str, Any]:
            raise AssertionError

    with pytest.raises(AnswersUnavailable, match="EndpointConnectionError"):
        AnswerTable(Client, "answers").claim("k", ENTRY, now=1000.0)


def test_the_client_is_made_by_the_first_call_and_once() -> None:
    made = []

    class Client:
        def __init__(self) -> None:
            made.append(self)

        def put_item(self, **_: object) -> dict[str, Any]:
            return {}

        def delete_item(self, **_: object) -> dict[str, Any]:
            return {}

    table = AnswerTable(Client, "answers")
    assert made == []
    table.claim("k", ENTRY, now=1000.0)
    table.release("k", owner="request-1")
    assert len(made) == 1


def test_whatever_the_network_does_an_answer_is_kept_or_given_up_in_the_time_that_is_reserved() -> None:
    """Both attempts connect as late as they may, wait as long as they may, and botocore pauses between them."""
    config = vars(CLIENT_CONFIG)
    assert config["retries"] == {"mode": "legacy", "total_max_attempts": 2}
    known = json.loads((Path(botocore.__file__).parent / "data/_retry.json").read_text(encoding="utf-8"))
    pause = known["retry"]["dynamodb"]["__default__"]["delay"]["base"]
    assert 2 * (config["connect_timeout"] + config["read_timeout"]) + pause <= RESERVE_SECONDS


def test_a_table_that_never_answers_is_given_up_in_that_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = SESSION.client("dynamodb", endpoint_url=url, config=CLIENT_CONFIG)
        started = time.monotonic()
        with pytest.raises(AnswersUnavailable):
            AnswerTable(lambda: client, "answers").keep("k", ENTRY)
        assert 1.1 <= time.monotonic() - started < RESERVE_SECONDS
