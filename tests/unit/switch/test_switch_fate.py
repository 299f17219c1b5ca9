"""The switch against everything at once: whatever fails, it ends where it was sent or a person knows, and nothing bills
in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from botocore.exceptions import ClientError
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from tests.unit.switch.fake_aws import Aws
from tests.unit.switch.machine import SETTINGS, Execution, Machine, lit
from tests.unit.switch.world import FINGERPRINT, MINUTE, Fated, World

LONG = settings(deadline=None, max_examples=600)
OFF_LIMIT = 2 * 60 * MINUTE
ON_LIMIT = 8 * 60 * MINUTE
LIMITS = {"on": ON_LIMIT, "promotion": 2 * ON_LIMIT, "rollback": 2 * ON_LIMIT}
# Triggers, of which each may find that its reason does not hold.
TRIGGERS = ("idle", "budget", "lifetime", "heartbeat")
OVER_BUDGET = {"usd_this_month": 250.0, "month": "2026-11"}
BROKEN = ("ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_FAILED", "REVIEW_IN_PROGRESS", None)
# What others do to the same stack and endpoint, in no order that makes sense.
DISTURBANCES = ("minutes", "hours", "on", "on", "off", "promote", "delete", "cancel")
INTERLUDES = (
    "forget",
    "kill",
    "on",
    "off",
    "promote",
    "delete",
    "cancel",
    "deploy",
    "rival on",
    "rival off",
    *(f"rival {trigger}" for trigger in TRIGGERS),
    "rival promotion",
    "rival rollback",
    "overtake",
    "call",
    "spend",
    "silence",
)


@dataclass
class Chance:
    """Each thing that may go wrong does so with `probability`, until `faults` have happened."""

    random: Random
    probability: float
    faults: int
    happened: list[str] = field(default_factory=list)

    def __call__(self, what: str, good: str, /, *bad: str) -> str:
        if self.faults == 0 or self.random.random() >= self.probability:
            return good
        self.faults -= 1
        chosen = self.random.choice(bad)
        self.happened.append(f"{what}: {chosen}")
        return chosen


# A seed does not shrink, but the number of faults and of interludes does.
chances = st.builds(
    Chance,
    random=st.builds(Random, st.integers(0, 2**32)),
    probability=st.sampled_from((0.1, 0.3, 0.6, 0.9)),
    faults=st.integers(0, 12),
)


bakes = st.sampled_from((0, 600))  # of an update, in seconds


def changed(world: World, **values: str) -> None:
    """A person's own UpdateStack, which may well be refused."""
    ends = {"TurnOffAt": "2027-01-01T00:00:00", "DeleteAt": "2027-01-01T00:30:00"}
    try:
        world.update_stack({**world.parameters, **ends, **values})
    except ClientError:
        return


def disturb(world: World, what: str) -> None:
    match what:
        case "hours":
            world.advance(world.now + 180 * MINUTE)
        case "minutes":
            world.advance(world.now + 3 * MINUTE)
        case "on" | "off":
            changed(world, EndpointState=what)
        case "promote":
            override = {"ModelDataUrl": f"s3://tuned/{len(world.calls)}/", "OverrideFor": FINGERPRINT}
            changed(world, EndpointState="on", **override)
        case "delete":
            world.delete_directly()
        case "deploy" if world.is_settled:
            world.deploy_another()
        case "cancel" if world.status == "UPDATE_IN_PROGRESS":
            world.cancel_update()


def some_machine(chance: Chance, bake_seconds: float) -> Machine:
    return Machine(Aws(some_world(chance, bake_seconds)), replace(SETTINGS, bake_seconds=bake_seconds))


def some_world(chance: Chance, bake_seconds: float) -> World:
    """A world in some state that can be reached; in a few the stack is beyond what the switch may repair."""
    world, random = World(chance, bake_minutes=bake_seconds / MINUTE), chance.random
    for what in random.choices(DISTURBANCES, k=random.randrange(6)):
        disturb(world, what)
    if random.random() < 0.1:
        world.break_stack(random.choice(BROKEN))
    return world


def live(machine: Machine, first: Execution, interludes: int) -> Execution:
    """Run `first`, and a successor where it was killed, while others act. The one that ended is returned."""
    world, execution = machine.aws.world, first
    random = world.fate.random  # type: ignore[attr-defined]
    while execution in machine.running:
        world.advance(execution.at)
        what = "nothing"
        if interludes and random.random() < 0.2:
            what, interludes = random.choice(INTERLUDES), interludes - 1
            note(f"{world.now}: {what}")
        if what == "kill":
            machine.kill(execution)
            execution = machine.start(str(execution.request["target"]))
        elif what == "overtake":
            other = "on" if execution.request["target"] == "off" else "off"
            machine.aws.lines.ahead.append(partial(machine.start_and_step, other))
        elif what.startswith("rival"):
            rival = what.split()[1]
            ask(machine, rival)
        elif what in ("call", "spend", "silence"):
            change_reasons(machine, what)
        else:
            disturb(world, what)
        if what == "forget":
            machine.step(execution, forgets=True)
        machine.step_all()
    return execution


def change_reasons(machine: Machine, what: str) -> None:
    """What makes a trigger's reason come or go: a call, the month's money spent, a meter that dies."""
    match what:
        case "call":
            machine.aws.cloudwatch.called.append(machine.aws.world.now - MINUTE)
        case "spend":
            machine.meter = OVER_BUDGET
        case "silence":
            machine.meter = None


def ask(machine: Machine, what: str) -> Execution:
    """Start the switch for `what`: on (for long, or for a quarter of an hour), a reason to turn off, or a promotion or
    the way back from one with either number of fleets.
    """
    random = machine.aws.world.fate.random  # type: ignore[attr-defined]
    if what == "on":
        return machine.start("on", what, lifetime_hours=random.choice((None, 0.25)))
    if what not in ("promotion", "rollback"):
        return machine.start("off", what)
    number = len(machine.executions)
    promoted = f"s3://promoted/{number}/{'model.tar.gz' if number % 2 else ''}"
    override = {"ModelDataUrl": promoted if what == "promotion" else ""}
    return machine.start("on", what, overrides=override, fleets=random.choice(("one", "two")))


def said(aws: Aws, execution: Execution) -> str:
    """The message of an execution that failed, once it is sure that a person has it."""
    assert execution.answer is not None
    message = str(execution.answer["message"])
    assert any(message in published["Message"] for published in aws.sns.published)
    assert any(receipt["message"] == message and receipt["outcome"] == "failed" for receipt in aws.receipts)
    return message


def check_manners(executions: Sequence[Execution]) -> None:
    """Of each kind of forceful call there are few, however long it takes. A forgotten step may repeat one."""
    for execution in executions:
        assert execution.calls.count("delete") <= 3 + execution.forgotten
        assert execution.calls.count("cancel") <= 1 + execution.forgotten
        assert execution.calls.count("continue") <= 2 + execution.forgotten


NOT_DUE = ("not idle any more", "not due any more")
GOALS = {"on": ("on",), "already on": ("on",), "off": ("off",), "already off": ("off",)}


def check_ends(machine: Machine) -> None:
    """Nothing says that it got there unless it did, and nothing else ends unsaid."""
    machine.run_out()
    for execution in machine.executions:
        if execution.answer is None:
            continue  # killed
        event(f"{execution.request['reason']}: {execution.outcome}")
        # A trigger beside who lights it may see the stack from before that: the meter's next tick starts it again.
        if execution.request["reason"] not in TRIGGERS or execution.memory.get("holding"):
            assert execution.left in GOALS.get(execution.outcome, (execution.left,)), execution.outcome
        if execution.outcome == "failed":
            message = said(machine.aws, execution)
            assert execution.left in ("off", "nothing") or "IT STILL COSTS MONEY" in message
        assert execution.outcome in (*GOALS, "failed", "joined", "superseded", *NOT_DUE, "refused")


@LONG
@given(
    chance=chances,
    bake_seconds=bakes,
    interludes=st.integers(0, 4),
    target=st.sampled_from(("off", "on", "promotion", "rollback", *TRIGGERS)),
    reasons=st.lists(st.sampled_from(("call", "spend", "silence")), max_size=2),
    lag=st.integers(0, 8),
)
def test_it_gets_there_or_a_person_knows(
    chance: Chance, bake_seconds: float, interludes: int, target: str, reasons: list[str], lag: int
) -> None:
    machine = some_machine(chance, bake_seconds)
    world = machine.aws.world
    for reason in reasons:
        change_reasons(machine, reason)
    machine.aws.cloudformation.lag_seconds = lag
    begun = world.now
    live(machine, ask(machine, target), interludes)
    check_ends(machine)
    note(f"{chance.happened} {world.calls}")
    assert world.now - begun < LIMITS.get(target, OFF_LIMIT) * (1 + interludes)
    check_manners(machine.executions)


@LONG
@given(chance=chances, bake_seconds=bakes, reason=st.sampled_from(("manual", "budget", "heartbeat", "mismatch")))
def test_an_off_that_is_started_again_gets_there_once_aws_works(
    chance: Chance, bake_seconds: float, reason: str
) -> None:
    """As the meter starts it at every tick, while its reason holds. Only a stack that takes no update is left to a
    person.
    """
    machine = some_machine(chance, bake_seconds)
    world = machine.aws.world
    machine.meter = {"budget": OVER_BUDGET, "heartbeat": None}.get(reason, machine.meter)
    for _ in range(20):
        last = machine.run("off", reason)
        if last.outcome != "failed":
            break
        world.advance(world.now + 5 * MINUTE)
    event(f"{len(machine.executions)} executions")
    assert world.endpoint is None
    assert world.is_off or world.status in BROKEN or world.status == "UPDATE_ROLLBACK_FAILED"


@settings(deadline=None, max_examples=80)
@given(
    bake_seconds=bakes,
    how=st.sampled_from(("works", "goes back", "breaks")),
    deletion=st.sampled_from(("works", "refused")),
    minutes=st.integers(0, 45),
    fleets=st.sampled_from(("one", "two")),
)
def test_an_off_at_any_moment_leaves_what_was_promoted_only_if_it_proved_itself(
    bake_seconds: float, how: str, deletion: str, minutes: int, fleets: str
) -> None:
    world = World(bake_minutes=bake_seconds / MINUTE)
    machine = Machine(Aws(world), replace(SETTINGS, bake_seconds=bake_seconds))
    lit(machine, overrides={"ModelDataUrl": "s3://before/"})
    world.fate = Fated(change=[how], deletion=[deletion])
    until = world.now + minutes * MINUTE
    promotion = machine.start("on", "promotion", overrides={"ModelDataUrl": "s3://tuned/"}, fleets=fleets)
    while promotion in machine.running and promotion.at <= until:
        machine.step(promotion)
    world.advance(until)
    assert machine.run("off").outcome == "off"
    machine.run_out()
    event(promotion.outcome)
    assert world.is_off
    assert world.parameters["ModelDataUrl"] == ("s3://tuned/" if promotion.outcome == "on" else "s3://before/")
    check_manners(machine.executions)
