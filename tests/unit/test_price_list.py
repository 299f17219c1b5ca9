"""The AWS Price List API's answer: what is taken from it, and what is refused before anything is written.

The items are written after public code that reads them; none was recorded on AWS.
"""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from pilotlight import price_list, prices
from pilotlight.cli import price_refresh
from pilotlight.price_list import BadPriceListError, Change, Row, changes, merged, parse, rendered


def item(name: str = "ml.g5.2xlarge", usd: object = "1.5150000000", **attributes: Any) -> dict[str, Any]:
    dimension = {"unit": attributes.pop("unit", "Hrs"), "pricePerUnit": {"USD": usd}, "description": "…"}
    known = {"instanceName": name, "component": "Hosting", "regionCode": "us-east-1", "operation": "RunInstance"}
    return {
        "product": {"productFamily": "ML Instance", "sku": "S", "attributes": known | attributes},
        "serviceCode": "AmazonSageMaker",
        "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.D": dimension}, "sku": "S"}}},
        "version": "20261120000000",
        "publicationDate": "2026-11-20T00:00:00Z",
    }


def parsed(*items: object) -> dict[str, Decimal]:
    return parse([json.dumps(each) for each in items], "us-east-1")


def test_instances_that_host_have_a_price_by_the_hour() -> None:
    assert parsed(item(), item("ml.p5.48xlarge", "63.296")) == {
        "ml.g5.2xlarge": Decimal("1.515"),
        "ml.p5.48xlarge": Decimal("63.296"),
    }


@pytest.mark.parametrize(
    "other",
    [
        item("ml.g5.4xlarge", component="Training"),
        item("", usd="0.016", unit="GB"),
        item("ml.g5.4xlarge", usd="0.0000000000"),
        {**item("ml.g5.4xlarge"), "terms": {"Reserved": {}}},
    ],
)
def test_what_is_no_instance_for_hire_by_the_hour_is_left_out(other: dict[str, Any]) -> None:
    assert list(parsed(item(), other)) == ["ml.g5.2xlarge"]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("null", "TypeError"),
        (json.dumps({"product": {}}), "attributes"),
        (json.dumps(item(unit="Quantity")), "Quantity"),
        (json.dumps(item(usd="a lot")), "a lot"),
        (json.dumps(item(usd="NaN")), "NaN"),
        (json.dumps(item(usd="-1")), "-1"),
        (json.dumps(item(usd="1000000")), "1000000"),
        (json.dumps(item(usd=None)), "TypeError"),
        (json.dumps(item(regionCode="eu-west-1")), "eu-west-1"),
        (json.dumps({**item(), "terms": {"OnDemand": {"S.T": {}}}}), "priceDimensions"),
        (json.dumps(item("ml.g5.xlarge", "2.5")), "several prices for ml.g5.xlarge: 1.4, 2.5"),
    ],
)
def test_an_odd_answer_is_refused_whole(odd: str, said: str) -> None:
    with pytest.raises(BadPriceListError, match=said):
        parse([json.dumps(item("ml.g5.xlarge", "1.4")), odd], "us-east-1")


@pytest.mark.parametrize("items", [[], [item(component="Training")]])
def test_an_answer_without_prices_is_no_list(items: list[Any]) -> None:
    with pytest.raises(BadPriceListError, match="us-east-1"):
        parsed(*items)


BEFORE = {"ml.g5.xlarge": Row(Decimal("1.4084"), "P"), "ml.old.xlarge": Row(Decimal(1), "Z")}


def test_the_differences_name_new_changed_and_missing_types() -> None:
    found = {"ml.g5.xlarge": Decimal("1.41"), "ml.new.xlarge": Decimal(2)}
    assert changes(BEFORE, found) == [
        Change("ml.g5.xlarge", Decimal("1.4084"), Decimal("1.41")),
        Change("ml.new.xlarge", None, Decimal(2)),
        Change("ml.old.xlarge", Decimal(1), None),
    ]
    assert changes(BEFORE, {name: row.usd_per_hour for name, row in BEFORE.items()}) == []


NAMES = st.from_regex(r"ml\.[a-z][a-z0-9]{1,4}\.(x|[0-9]{1,2}x)large", fullmatch=True)


@given(st.dictionaries(NAMES, st.decimals(Decimal("0.0001"), 999, places=4), min_size=1))
def test_what_is_written_is_what_was_found_and_what_was_not_listed(found: dict[str, Decimal]) -> None:
    text = rendered(merged(BEFORE, found, "us-east-1"), region="us-east-1", on=date(2026, 12, 1))
    body = [line.split(",") for line in text.splitlines() if not line.startswith("#")][1:]
    assert {name: (Decimal(usd), source) for name, usd, source in body} == {
        **{name: (row.usd_per_hour, row.source) for name, row in BEFORE.items()},
        **{name: (usd, "A us-east-1") for name, usd in found.items()},
    }
    assert "Collected 2026-12-01" in text


@pytest.mark.parametrize(
    ("region", "asked"),
    [
        ("us-west-2", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("sa-east-1", "us-east-1"),
    ],
)
def test_one_of_the_three_regions_that_answer_is_asked(region: str, asked: str) -> None:
    assert price_list.endpoint_for(region) == asked


class TestRefresh:
    """The command, with botocore's own judgement of request and answer."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        copy = tmp_path / "prices.csv"
        copy.write_text(prices.PRICE_LIST.read_text())
        return copy

    @pytest.fixture
    def api(self) -> Iterator[Stubber]:
        client = boto3.client(
            "pricing",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  nobody checks it
        )
        with Stubber(client) as stubber:
            yield stubber
            stubber.assert_no_pending_responses()

    def answer(self, api: Stubber, items: list[Any], **more: str) -> None:
        asked: dict[str, Any] = {
            "ServiceCode": "AmazonSageMaker",
            "FormatVersion": "aws_v1",
            "Filters": [
                {"Type": "TERM_MATCH", "Field": "component", "Value": "Hosting"},
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
            ],
        }
        headers = {"ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 01 Dec 2026 10:00:00 GMT"}}}
        texts = [json.dumps(each) for each in items]
        api.add_response("get_products", {"PriceList": texts, **more, **headers}, asked | self.following)
        self.following = {"NextToken": more["NextToken"]} if more else {}

    following: dict[str, str] = {}  # noqa: RUF012  replaced, never changed

    def test_every_page_is_written_with_its_date(self, api: Stubber, file: Path) -> None:
        self.answer(api, [item("ml.g5.xlarge", "1.41")], NextToken="2")
        self.answer(api, [item("ml.brand.new", "3")])
        price_refresh.update(api.client, file, region="us-east-1", yes=True, as_json=False)
        assert "ml.g5.xlarge,1.41,A us-east-1\n" in file.read_text()
        assert "ml.brand.new,3,A us-east-1\n" in file.read_text()
        assert "ml.g4dn.12xlarge,4.89,Z G P\n" in file.read_text()
        assert "Collected 2026-12-01" in file.read_text()
        assert list(file.parent.iterdir()) == [file]

    def test_a_bad_answer_leaves_the_file_as_it_was(self, api: Stubber, file: Path) -> None:
        before = file.read_bytes()
        self.answer(api, [item(), item(usd="a lot")])
        with pytest.raises(BadPriceListError):
            price_refresh.update(api.client, file, region="us-east-1", yes=True, as_json=False)
        assert file.read_bytes() == before
