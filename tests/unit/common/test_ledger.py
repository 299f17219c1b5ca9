"""The ledger over moto's DynamoDB: what is written is read, and of two writers of one version one wins."""

from collections.abc import Iterator

import boto3
import pytest
from common.ledger import Ledger
from moto import mock_aws

TABLE = "pilotlight-test-ledger"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "kind", "KeyType": "HASH"},
                {"AttributeName": "key", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "kind", "AttributeType": "S"},
                {"AttributeName": "key", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Ledger(client, TABLE)


def test_what_is_put_is_got(ledger: Ledger) -> None:
    assert ledger.get("snooze", "endpoint") is None
    ledger.put("snooze", "endpoint", {"until": 17.5, "by": "a person"}, expires_at=99)
    assert ledger.get("snooze", "endpoint") == {"until": 17.5, "by": "a person"}


def test_of_two_writers_of_one_version_one_wins(ledger: Ledger) -> None:
    assert ledger.entry("switch", "lease") == (None, 0)
    assert ledger.put_if("switch", "lease", {"execution": "a"}, version=0)
    assert not ledger.put_if("switch", "lease", {"execution": "b"}, version=0)
    data, version = ledger.entry("switch", "lease")
    assert data == {"execution": "a"}
    assert ledger.put_if("switch", "lease", {"execution": "c"}, version=version)
    assert not ledger.put_if("switch", "lease", {"execution": "d"}, version=version)
    assert ledger.get("switch", "lease") == {"execution": "c"}


def test_a_plain_put_invalidates_what_was_read_before(ledger: Ledger) -> None:
    assert ledger.put_if("switch", "lease", {"execution": "a"}, version=0)
    ledger.put("switch", "lease", {"execution": "b"})
    assert not ledger.put_if("switch", "lease", {"execution": "c"}, version=0)


def test_the_latest_of_a_kind_come_newest_first(ledger: Ledger) -> None:
    for hour in range(5):
        ledger.put("receipt", f"2026-11-22T0{hour}:00:00Z#off", {"hour": hour})
    ledger.put("snooze", "endpoint", {"hour": 9})
    assert [receipt["hour"] for receipt in ledger.latest("receipt", 3)] == [4, 3, 2]


def test_every_entry_of_a_kind_is_found_however_many_pages_they_fill(ledger: Ledger) -> None:
    for number in range(6):
        ledger.put("finetune", f"run-{number}", {"number": number, "filler": "x" * 300_000})  # three fill a page
    ledger.put("snooze", "endpoint", {"number": 9})
    assert [run["number"] for run in ledger.every("finetune")] == list(range(6))
    assert list(ledger.every("nothing")) == []


def test_what_is_written_once_may_expire(ledger: Ledger) -> None:
    assert ledger.put_if("snooze", "used#a", {"at": 1}, version=0, expires_at=100.5)
    assert not ledger.put_if("snooze", "used#a", {"at": 2}, version=0, expires_at=200)
    assert ledger.get("snooze", "used#a") == {"at": 1}


def test_a_secret_is_made_once(ledger: Ledger) -> None:
    assert ledger.key_for("snooze", lambda: "first") == b"first"
    assert ledger.key_for("snooze", lambda: "second") == b"first"
    assert ledger.key_for("another", lambda: "third") == b"third"


def test_of_two_who_make_a_secret_at_once_both_sign_with_the_same(ledger: Ledger) -> None:
    def make() -> str:
        ledger.key_for("snooze", lambda: "the faster one's")
        return "the slower one's"

    assert ledger.key_for("snooze", make) == b"the faster one's"
