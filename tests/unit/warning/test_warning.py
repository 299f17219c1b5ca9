"""The warning's mail: what it says, what its link carries, and that a person is told whatever fails."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from common.ledger import Ledger
from common.link_token import KEY, LinkToken, verified
from warning.handler import Clients, warn
from warning.settings import Settings

from tests.unit.switch.fake_aws import FakeDynamoDB

NOW = 1_795_000_000.0
ENVIRONMENT = {
    "STAGE": "test",
    "ENDPOINT_NAME": "pilotlight-test",
    "API_STACK_NAME": "Pilotlight-test-Api",
    "LEDGER_TABLE": "ledger",
    "NOTICES_TOPIC_ARN": "arn:aws:sns:us-east-1:1:pilotlight-test-notices",
    "IDLE_MINUTES": "60",
    "WARNING_MINUTES": "10",
}
SETTINGS = Settings.from_environment(ENVIRONMENT)
URL = "https://api.example.com/test/"


class Aws:
    """CloudFormation with the API's stack, and SNS. `outputs` is None where there is no such stack."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] | None = {"ApiUrl": URL}
        self.refusal: str | None = None
        self.published: list[Mapping[str, str]] = []

    def describe_stacks(self, **request: Any) -> Mapping[str, Any]:
        assert request == {"StackName": "Pilotlight-test-Api"}
        if self.refusal or self.outputs is None:
            raise ClientError({"Error": {"Code": self.refusal or "ValidationError"}}, "DescribeStacks")
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": listed}]}

    def publish(self, **message: str) -> None:
        self.published.append(message)


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(FakeDynamoDB(), "ledger")


def warned(aws: Aws, ledger: Ledger) -> str:
    """The mail's text."""
    texts = iter(f"random {number}" for number in range(len(aws.published) * 2, 100))
    warn(Clients(aws, aws, ledger), SETTINGS, NOW, random_text=lambda _: next(texts))
    mail = aws.published[-1]
    assert mail["TopicArn"] == SETTINGS.notices_topic_arn
    assert len(mail["Subject"]) < 100
    return mail["Message"]


def link_of(mail: str) -> str | None:
    found = re.search(r"https://\S+", mail)
    return found[0] if found else None


def test_the_link_carries_a_token_that_holds_until_it_is_surely_off(aws: Aws, ledger: Ledger) -> None:
    link = link_of(warned(aws, ledger))
    assert link is not None
    address, _, token = link.partition("?token=")
    assert address == "https://api.example.com/test/snooze"
    found = verified(token, ledger.key_for(KEY, lambda: "never asked for again"), "snooze")
    assert found == LinkToken("snooze", "pilotlight-test", NOW + 25 * 60, found.nonce)


def test_no_two_mails_have_the_same_token_and_one_key_signs_all(aws: Aws, ledger: Ledger) -> None:
    tokens = [str(link_of(warned(aws, ledger))).partition("?token=")[2] for _ in range(2)]
    key = ledger.key_for(KEY, lambda: "never asked for again")
    assert len({verified(token, key, "snooze").nonce for token in tokens}) == 2


def test_it_says_what_happens_and_what_to_do(aws: Aws, ledger: Ledger) -> None:
    mail = warned(aws, ledger)
    assert "Nobody has called for 50 minutes: in 10 the endpoint is turned off." in mail
    assert "pilot snooze 2h --stage test" in mail
    assert "Opening it changes nothing" in mail


@pytest.mark.parametrize(
    ("outputs", "refusal"),
    [(None, None), ({}, None), ({"ApiUrl": URL}, "AccessDenied"), ({"ApiUrl": URL}, "Throttling")],
)
def test_without_a_link_a_person_is_told_all_the_same(
    aws: Aws, ledger: Ledger, outputs: dict[str, str] | None, refusal: str | None
) -> None:
    aws.outputs, aws.refusal = outputs, refusal
    mail = warned(aws, ledger)
    assert link_of(mail) is None
    assert "in 10 the endpoint is turned off" in mail


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_setting_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        Settings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})
