"""The runs of a stage as `pilot finetune` reads them from its ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from common.ledger import Ledger
from moto import mock_aws

from pilotlight.deployment import Deployment, ledger_name
from pilotlight.finetune import FineTunes


@dataclass(frozen=True)
class Deployed(Deployment):
    """A stage in moto's account."""

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=ledger_name("dev"),
            KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "key", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "key")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Ledger(client, ledger_name("dev"))


def test_the_newest_run_is_the_first_however_many_pages_there_are_and_whatever_it_is_called(ledger: Ledger) -> None:
    """A megabyte fills a page, and a run that a dropped file started has a hash for its name."""
    for name, begun in (("20261124-170000-aa", 1.0), ("20261125-170000-bb", 3.0), ("r0123456789ab", 2.0)):
        ledger.put("finetune", name, {"id": name, "begun_at": begun, "filler": "x" * 390_000})
    found = FineTunes(Deployed("dev", "us-east-1")).latest(2)
    assert [record["begun_at"] for record in found] == [3.0, 2.0]
