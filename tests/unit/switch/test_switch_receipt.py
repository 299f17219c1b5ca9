"""What a change cost, to the cent, and what a person reads about it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from common.facts import EndpointFacts, Fleet, VariantFacts
from common.schedule import parse
from hypothesis import given
from hypothesis import strategies as st
from switch import bill
from switch.decision import Case, Outcome
from switch.facts import Facts
from switch.memory import Memory
from switch.receipt import body, receipt, subject
from switch.request import Request

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import SETTINGS, Machine, last_message, lit
from tests.unit.switch.world import MINUTE, START, Fated, World

SCHEDULED = replace(SETTINGS, schedules=parse("on 08:00 MON,THU Europe/Paris"))
PRICES = {"ml.g5.xlarge": 1.41, "ml.g4dn.12xlarge": 4.89}


def seen(created: int, status: str = "InService", count: int | None = None) -> EndpointFacts:
    return EndpointFacts(status, datetime.fromtimestamp(created, UTC), "c", count, None)


@given(
    spans=st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(sorted(PRICES)), st.integers(1, 20)),
        min_size=1,
        max_size=6,
    )
)
def test_a_bill_is_exact_to_the_cent(spans: list[tuple[int, int, str, int]]) -> None:
    """Of each endpoint from its creation until it was seen to be gone, rounded once."""
    written: bill.Bill = ()
    now, expected = int(START), Decimal(0)
    for pause, length, instance_type, count in spans:
        created = now + pause
        now = created + length
        variant = VariantFacts(instance_type, count)
        for at in (created + length // 2, now - 1):
            written = bill.seen(written, seen(created), variant, now=at, usd_per_hour=PRICES)
        for at in (now, now + 5000):  # gone is gone
            written = bill.seen(written, None, None, now=at, usd_per_hour=PRICES)
        expected += Decimal(length) * Decimal(str(PRICES[instance_type])) * count / 3600
    usd = bill.usd(written)
    assert usd is not None
    assert abs(Decimal(str(usd)) - expected) <= Decimal("0.005")
    assert Decimal(str(usd)) == Decimal(str(usd)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert bill.hours(written) == round(sum(length for _, length, _, _ in spans) / 3600, 4)


def test_half_a_cent_is_rounded_upwards() -> None:
    written = bill.seen((), seen(0), VariantFacts("t", 1), now=3600, usd_per_hour={"t": 1.005})
    assert bill.usd(written) == 1.01


def test_an_endpoint_that_is_being_deleted_keeps_its_price() -> None:
    """SageMaker counts its instances down, and its config may be gone before it."""
    written = bill.seen((), seen(0, count=3), VariantFacts("ml.g5.xlarge", 3), now=10, usd_per_hour=PRICES)
    for variant in (VariantFacts("ml.g5.xlarge", 3), None):
        written = bill.seen(written, seen(0, "Deleting", 1), variant, now=3600, usd_per_hour=PRICES)
    assert bill.usd(written) == 4.23


@pytest.mark.parametrize("second", [Fleet(1, "next"), Fleet(1, "next", ("ml.g4dn.12xlarge",))])
def test_a_second_fleet_is_not_taken_for_one_of_the_whole_life(second: Fleet) -> None:
    """Neither where the endpoint is deleted while both are there."""
    one, hour = VariantFacts("ml.g5.xlarge", 1), 3600
    written = bill.seen((), seen(0, count=1), one, now=9 * hour, usd_per_hour=PRICES)
    baking = replace(seen(0, "Updating", 1), second=second)
    written = bill.seen(written, baking, one, now=10 * hour - 60, usd_per_hour=PRICES)
    written = bill.seen(written, seen(0, "Deleting", 1), None, now=10 * hour - 30, usd_per_hour=PRICES)
    written = bill.seen(written, None, None, now=10 * hour, usd_per_hour=PRICES)
    assert bill.usd(written) == 14.10
    assert bill.lives(written)[0]["usd_per_hour"] == 1.41


def test_an_unknown_price_makes_no_number_up() -> None:
    written = bill.seen((), seen(0), VariantFacts("ml.new.large", 1), now=3600, usd_per_hour=PRICES)
    assert (bill.usd(written), bill.hours(written)) == (None, 1.0)
    assert (bill.usd(()), bill.hours(())) == (None, None)


def test_the_receipt_of_an_off(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    assert world.endpoint is not None
    created = world.endpoint.created
    assert machine.run("off", "idle").outcome == "off"
    receipt = aws.receipts[0]
    hours = (receipt["gone_at"] - created) / 3600
    assert 0 <= receipt["gone_at"] - world.ended[0][1] < MINUTE
    assert receipt["at"] >= receipt["gone_at"]
    assert receipt["hours_on"] == round(hours, 4)
    assert receipt["usd"] == float(round(Decimal(str(hours)) * Decimal("1.41"), 2))
    assert {name: receipt[name] for name in ("target", "reason", "by", "outcome", "next", "instance_type")} == {
        "target": "off",
        "reason": "idle",
        "by": "a test",
        "outcome": "off",
        "next": None,
        "instance_type": "ml.g5.xlarge",
    }


def test_a_message_says_that_dollars_are_not_known(aws: Aws) -> None:
    """And no budget is named as what ends it."""
    machine = Machine(aws, replace(SETTINGS, usd_per_hour={}, idle_minutes=None))
    assert machine.run("on").outcome == "on"
    assert (aws.receipts[0]["usd"], aws.receipts[0]["next"]["by"]) == (None, "lifetime")
    assert "what that cost is not known" in last_message(aws)
    assert "is not counted in the month's budget" in last_message(aws)
    assert "an unknown price" in last_message(aws)


def test_the_key_of_a_receipt_is_its_time_and_target(machine: Machine, aws: Aws) -> None:
    machine.run("on")
    at = datetime.fromtimestamp(aws.receipts[0]["at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert aws.ledger.get("receipt", f"{at}#on") == aws.receipts[0]


def test_an_on_says_what_turns_it_off_next(machine: Machine, aws: Aws) -> None:
    machine.run("on")
    receipt = aws.receipts[0]
    assert receipt["next"] == {"target": "off", "by": "idle", "at": receipt["at"] + 60 * MINUTE}
    assert "turned off next by idle" in last_message(aws)
    assert "if nobody calls it" in last_message(aws)


def test_where_idle_is_switched_off_the_lifetime_is_next_and_then_the_hard_stop(world: World, aws: Aws) -> None:
    """A quarter of an hour before the hard stop, where a request has moved that as well."""
    settings = replace(SETTINGS, idle_minutes=None)
    without = replace(settings, lifetime_hours=None)
    for limits, hours, by, at in (
        (settings, None, "lifetime", 12 * 3600),
        (settings, 2, "lifetime", 2 * 3600),
        (without, 2, "hard_stop", 2 * 3600 + 15 * MINUTE),
    ):
        Machine(aws).run("off")
        begun = world.now
        asked: dict[str, Any] = {"lifetime_hours": hours} if hours else {}
        Machine(aws, limits).run("on", **asked)
        assert aws.receipts[0]["next"]["by"] == by
        assert 0 <= aws.receipts[0]["next"]["at"] - (begun + at) < MINUTE


def test_a_budget_that_is_nearly_spent_comes_first(machine: Machine, aws: Aws) -> None:
    machine.meter = {"usd_this_month": 100 - 1.41 / 4, "month": "2026-11"}
    machine.run("on")
    receipt = aws.receipts[0]
    assert (receipt["next"]["by"], round(receipt["next"]["at"] - receipt["at"])) == ("budget", 15 * MINUTE)


def test_what_was_called_a_while_ago_idles_sooner(machine: Machine, world: World, aws: Aws) -> None:
    """An end that is moved is no use of the endpoint."""
    lit(machine)
    called = world.now - 20 * MINUTE
    machine.meter = {"in_service_since": world.now - 80 * MINUTE, "last_call": called}
    machine.run("on", extend=True)
    assert aws.receipts[0]["next"] == {"target": "off", "by": "idle", "at": called + 60 * MINUTE}


def test_a_receipt_of_an_off_says_when_a_schedule_lights_it_again(aws: Aws) -> None:
    """Lit on a Wednesday, 2026-11-18 at noon in Paris."""
    machine = Machine(aws, SCHEDULED)
    lit(machine)
    machine.run("off", "idle")
    at = datetime(2026, 11, 19, 7, tzinfo=UTC).timestamp()
    assert aws.receipts[0]["next"] == {"target": "on", "by": "schedule", "at": at}
    assert "It is turned on next by schedule, at 2026-11-19T07:00:00Z" in last_message(aws)


def test_no_schedule_lights_it_while_the_months_money_is_spent(aws: Aws) -> None:
    machine = Machine(aws, SCHEDULED)
    lit(machine)
    machine.meter = {"usd_this_month": 100.0, "month": "2026-11"}
    machine.run("off", "manual")
    at = datetime(2026, 12, 3, 7, tzinfo=UTC).timestamp()
    assert aws.receipts[0]["next"] == {"target": "on", "by": "schedule", "at": at}


def test_a_stack_that_could_not_be_read_promises_nothing(aws: Aws) -> None:
    step = {"request": {"target": "off"}, "execution": "arn", "now": "2026-11-18T12:00:00+00:00"}
    Machine(aws, SCHEDULED).switch.step({**step, "failure": {"Error": "States.Timeout"}})
    assert aws.receipts[0]["next"] is None


def test_a_failed_wake_tells_what_it_cost(machine: Machine, world: World, aws: Aws) -> None:
    world.fate = Fated(creation=["breaks"])
    machine.run("on")
    [receipt] = aws.receipts
    assert (receipt["outcome"], receipt["next"]) == ("failed", None)
    assert 0.1 < receipt["usd"] < 0.3
    assert f"USD {receipt['usd']:.2f}" in last_message(aws)


def test_a_price_that_is_not_known_any_more_is_told_as_it_was() -> None:
    """As the bill counts it: instance pools may have grown by a type without a price."""
    created = datetime.fromtimestamp(START - 3600, UTC)
    entry = {"created": START - 3600, "until": START, "instance_type": "ml.g5.xlarge", "usd_per_hour": 1.41}
    facts = Facts(None, EndpointFacts("InService", created, "c", 1, None), VariantFacts("ml.unknown", 1))
    case = Case(Request("off", "manual", "a test"), facts, Memory(bill=(entry,)), START, SETTINGS)
    told = receipt(case, Outcome.FAILED, "It is still there.")
    assert (told["usd"], told["usd_per_hour"]) == (1.41, 1.41)
    assert "cost USD 1.41 at USD 1.41 an hour" in body(told, "test")


def test_a_message_says_what_why_and_how_much(machine: Machine, aws: Aws) -> None:
    lit(machine)
    machine.run("off", "schedule")
    [message] = aws.sns.published
    assert message["Subject"] == "Pilotlight test: the endpoint is off (schedule)"
    assert "Asked for by a test, reason: schedule" in message["Message"]
    assert "which cost USD" in message["Message"]
    assert "`pilot on` turns it on." in message["Message"]


@given(
    reason=st.text() | st.just("x" * 200),
    target=st.sampled_from(("on", "off")),
    outcome=st.sampled_from(("on", "off", "failed")),
)
def test_a_subject_is_what_sns_takes(reason: str, target: str, outcome: str) -> None:
    written = subject({"reason": reason, "target": target, "outcome": Outcome(outcome)}, "test")
    assert written.isascii()
    assert written.isprintable()
    assert 0 < len(written) < 100
