"""Of several executions one acts: ten wakes are one, the newest request wins, and the dead hold nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from switch.lease import Turn, turn
from switch.memory import Memory
from switch.request import Request

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import Machine, lit
from tests.unit.switch.world import MINUTE, Fated, World


def test_ten_wakes_are_one(machine: Machine, world: World, aws: Aws) -> None:
    executions = [machine.start("on", "wake") for _ in range(10)]
    machine.run_out()
    assert [execution.outcome for execution in executions] == ["on"] + ["joined"] * 9
    assert (world.calls, len(aws.receipts), len(aws.sns.published)) == (["update"], 1, 1)


def test_one_that_joins_says_whom(machine: Machine) -> None:
    first = machine.start("on")
    machine.step(first)
    answer = machine.run("on").answer
    assert answer is not None
    assert first.arn in answer["message"]


@pytest.mark.parametrize(
    "asked", [{"extend": True}, {"overrides": {"ModelDataUrl": "s3://tuned/"}}, {"budget_usd": 500.0}]
)
def test_one_that_asks_for_more_takes_over(machine: Machine, world: World, asked: dict[str, object]) -> None:
    first = machine.start("on")
    machine.step(first)
    assert machine.run("on", "manual", **asked).outcome == "on"
    machine.run_out()
    assert first.outcome == "superseded"
    assert world.is_on


def test_a_longer_lifetime_is_something_new_and_a_shorter_one_is_not(machine: Machine, world: World) -> None:
    first = machine.start("on", lifetime_hours=4)
    machine.step(first)
    end = world.parameters["TurnOffAt"]
    assert machine.run("on", lifetime_hours=3).outcome == "joined"
    assert machine.run("on", lifetime_hours=5).outcome == "on"
    assert world.parameters["TurnOffAt"] > end


def test_an_on_takes_over_from_an_off_and_lights_it_again(machine: Machine, world: World) -> None:
    lit(machine)
    off = machine.start("off")
    machine.step(off)
    assert machine.run("on").outcome == "on"
    machine.run_out()
    assert off.outcome == "superseded"
    assert world.is_on


def test_an_off_for_good_is_not_lost_in_an_idle_one(machine: Machine, world: World, aws: Aws) -> None:
    """The idle one would stop where somebody calls."""
    lit(machine)
    machine.step(idle := machine.start("off", "idle"))
    aws.cloudwatch.called = [world.now]
    assert machine.run("off", "budget").outcome == "off"
    machine.run_out()
    assert idle.outcome == "superseded"


def test_an_off_that_takes_over_pays_for_what_the_on_turned_off(machine: Machine, world: World, aws: Aws) -> None:
    """With one fleet the old endpoint goes first; the `on` that saw it writes no receipt."""
    lit(machine)
    [tells] = aws.receipts
    on = machine.start("on", "promotion", overrides={"ModelDataUrl": "s3://tuned/"}, fleets="one")
    while world.endpoint is None or not world.ended or world.endpoint.status != "Creating":
        machine.step(on)
    off = machine.run("off")
    assert (off.outcome, len(world.ended)) == ("off", 2)
    told, *_ = aws.receipts
    hours = sum(gone - created for created, gone, _ in world.ended) / 3600
    assert told["hours_on"] == pytest.approx(hours, abs=0.1)
    assert told["hours_on"] > 1.5
    assert len(told["lives"]) == 2
    assert tells["outcome"] == "on"


def test_so_does_one_that_finds_it_off(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    world.fate = Fated(creation=["no capacity"] * 3)
    on = machine.start("on", "promotion", overrides={"ModelDataUrl": "s3://tuned/"}, fleets="one")
    while not (world.is_off and on.memory.get("resume_at")):
        machine.step(on)
    off = machine.run("off")
    assert (off.outcome, off.calls) == ("off", [])
    assert aws.receipts[0]["hours_on"] > 1.5


@pytest.mark.parametrize("killed", [False, True])
def test_what_an_on_lit_and_lost_since_its_claim_is_paid_for_by_whoever_takes_over(
    machine: Machine, world: World, aws: Aws, killed: bool
) -> None:
    """Along the instance types, none of which has capacity."""
    world.fate = Fated(creation=["no capacity"] * 9)
    on = machine.start("on")
    while len(world.ended) < 2 or world.endpoint is None:
        machine.step(on)
    machine.step(on)  # and sees the third
    if killed:
        machine.kill(on)
    assert machine.run("off").outcome == "off"
    told, *_ = aws.receipts
    assert len(told["lives"]) == len(world.ended) == 3
    hours = sum(gone - created for created, gone, _ in world.ended) / 3600
    assert told["hours_on"] == pytest.approx(hours, abs=0.05)
    assert [life["created"] for life in told["lives"]] == [created for created, _, _ in world.ended]


def test_an_on_that_takes_over_pays_for_what_the_off_turned_off(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    off = machine.start("off")
    while world.endpoint is not None:
        machine.step(off)
    assert machine.run("on").outcome == "on"
    assert aws.receipts[0]["hours_on"] > 1.5
    assert len(aws.receipts[0]["lives"]) == 1


def test_an_idle_off_does_not_take_over_from_a_wake(machine: Machine, world: World) -> None:
    on = machine.start("on")
    machine.step(on)
    assert machine.run("off", "idle").outcome == "not idle any more"
    machine.run_out()
    assert (on.outcome, world.is_on) == ("on", True)


class TestBesideALighting:
    """A conditional off looks on, and of the two one acts."""

    @pytest.mark.parametrize("reason", ["lifetime", "budget", "heartbeat"])
    def test_one_whose_reason_holds_takes_over_to_act(
        self, machine: Machine, world: World, aws: Aws, reason: str
    ) -> None:
        world.fate = Fated(creation=["hangs"])
        on = machine.start("on", lifetime_hours=0.25)
        machine.step(on)
        machine.meter = {"usd_this_month": 100.0, "month": "2026-11", "whole_at": world.now - 60 * MINUTE}
        off = machine.start("off", reason)
        off.at = on.at = world.now + 35 * MINUTE
        machine.step(off)
        lease = aws.ledger.get("switch", "lease")
        assert lease is not None
        assert (off.calls, lease["execution"]) == (["cancel"], off.arn)
        machine.step(on)
        assert (on.outcome, on.calls) == ("superseded", ["update"])
        machine.finish(off)
        assert (off.outcome, world.is_off, len(aws.receipts)) == ("off", True, 1)

    @pytest.mark.parametrize("reason", ["lifetime", "budget", "heartbeat"])
    def test_one_that_finds_nothing_yet_waits_for_what_is_lit(
        self, machine: Machine, world: World, reason: str
    ) -> None:
        """Between two rounds the stack says off, and it is not done."""
        world.fate = Fated(creation=["no capacity"] * 3)
        on = machine.start("on")
        while not (world.is_off and on.memory.get("resume_at")):
            machine.step(on)
        off = machine.start("off", reason)
        machine.step(off)
        assert off in machine.running
        machine.finish(on, off)
        assert (on.outcome, off.outcome, off.calls, world.is_on) == ("on", "not due any more", [], True)


def test_a_dead_holder_is_taken_over_at_once(machine: Machine, world: World) -> None:
    lit(machine)
    dead = machine.start("off")
    machine.step(dead)
    machine.kill(dead)
    assert machine.run("off").outcome == "off"
    assert world.calls == ["update"]


def test_the_lease_of_a_successor_is_not_marked_as_finished(machine: Machine, world: World, aws: Aws) -> None:
    """It may come while the last message is being sent."""
    lit(machine)
    aws.sns.lines.ahead.append(lambda: machine.start_and_step("on"))
    assert machine.run("off").outcome == "off"
    assert machine.run("on").outcome == "joined"
    machine.run_out()
    assert world.is_on


@pytest.mark.parametrize("dead_minutes", [1, 30])
@pytest.mark.parametrize("killed_after", range(1, 20))
def test_an_off_killed_anywhere_is_finished_with_one_receipt(
    machine: Machine, world: World, aws: Aws, killed_after: int, dead_minutes: int
) -> None:
    """Also where its work was done when the next one came, and only the receipt was missing."""
    lit(machine)
    killed = machine.start("off")
    for _ in range(killed_after):
        if killed in machine.running:
            machine.step(killed)
    machine.kill(killed)
    world.advance(world.now + dead_minutes * MINUTE)
    assert machine.run("off").outcome in ("off", "already off")
    assert world.is_off
    assert [receipt["target"] for receipt in aws.receipts] == ["off", "on"]
    assert aws.receipts[0]["usd"] > 0


def test_what_a_claim_took_over_survives_a_step_that_fails_after_it(machine: Machine, world: World, aws: Aws) -> None:
    lit(machine)
    killed = machine.start("off")
    machine.step(killed)
    machine.kill(killed)
    world.advance(world.now + 30 * MINUTE)
    world.fate = Fated(network=["throttled"])  # the message to a person
    assert machine.run("off").outcome == "off"
    assert aws.receipts[0]["target"] == "off"


@pytest.mark.parametrize("killed_after", range(1, 30))
def test_a_wake_killed_anywhere_is_finished_with_one_receipt(
    machine: Machine, world: World, aws: Aws, killed_after: int
) -> None:
    world.fate = Fated(creation=["no capacity"])
    killed = machine.start("on")
    for _ in range(killed_after):
        if killed in machine.running:
            machine.step(killed)
    machine.kill(killed)
    assert machine.run("on").outcome in ("on", "already on")
    assert world.is_on
    assert [receipt["outcome"] for receipt in aws.receipts] == ["on"]


@given(
    asked_at=st.floats(0, 100),
    now=st.floats(0, 100),
    targets=st.tuples(st.sampled_from(("on", "off")), st.sampled_from(("on", "off"))),
    runs=st.booleans(),
    finished=st.booleans(),
    holding=st.booleans(),
)
def test_of_two_executions_never_both_go_on(
    asked_at: float, now: float, targets: tuple[str, str], runs: bool, finished: bool, holding: bool
) -> None:
    lease = {"execution": "other", "target": targets[0], "reason": "manual", "asked_at": asked_at}
    if finished:
        lease["finished_at"] = asked_at
    request = Request("on" if targets[1] == "on" else "off", "manual", "a test")
    got = turn(lease, request, Memory(holding=holding), execution="mine", now=now, holder_runs=runs)
    if holding:
        assert got is Turn.SUPERSEDED
    elif finished or not runs:
        assert got is Turn.CLAIM
    elif asked_at > now:
        assert got is Turn.SUPERSEDED
    else:
        assert got is (Turn.JOINED if targets[0] == targets[1] else Turn.CLAIM)
