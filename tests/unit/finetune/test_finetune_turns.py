"""Turns to be promoted: never two at once, first come, first served, and nobody is lost, whoever dies when."""

from dataclasses import dataclass, field

import pytest
from finetune import promotion
from finetune.run import Run
from finetune.turns import Turns
from hypothesis import given
from hypothesis import strategies as st

from .fakes import World

NAMES = "abcdef"
ACTIONS = ("look", "write", "die", "leave")


@dataclass
class Hall:
    """The ledger's entry, and runs that look at it, write over what they have seen, leave, and die.

    What was seen is old when somebody else has written meanwhile, and is then not written, as by `put_if`.
    """

    most: int
    turns: Turns = field(default_factory=Turns)
    version: int = 0
    seen: dict[str, tuple[Turns, int]] = field(default_factory=dict)
    arrived: list[str] = field(default_factory=list)
    """Who has, or had, a place; in order."""
    dead: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Who has had the turn, and left it."""

    def is_at_it(self, run: str) -> bool:
        return run not in self.dead

    def look(self, run: str) -> None:
        if run in self.dead | self.gone:
            return
        self.seen[run] = self.turns.asked_by(run, self.is_at_it, most=self.most), self.version

    def write(self, run: str) -> None:
        after, version = self.seen.pop(run, (self.turns, -1))
        if version == self.version and run not in self.dead:
            self.put(after)

    def put(self, after: Turns) -> None:
        before, self.turns = self.turns, after
        self.version += 1
        self.arrived += [run for run in (*after.waiting, after.run) if run and run not in self.arrived]
        if after.run and after.run != before.run:
            assert not before.run or before.run in self.dead, "nobody is interrupted"
            earlier = self.arrived[: self.arrived.index(after.run)]
            assert {run for run in earlier if run not in self.gone} <= self.dead, "first come, first served"
            self.served.append(after.run)

    def leave(self, run: str) -> None:
        if run not in self.dead and self.turns.run == run:
            self.gone.add(run)
            self.put(self.turns.left_by(run, ""))

    def die(self, run: str) -> None:
        self.dead.add(run)

    def to_the_end(self) -> None:
        """Everybody who lives looks again and again, and leaves when it has had its turn."""
        for _ in range(len(NAMES) + 1):
            for run in NAMES:
                self.look(run)
                self.write(run)
                self.leave(run)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES)), max_size=60), st.integers(1, 6))
def test_whatever_happens_turns_are_taken_in_order_and_nobody_who_lives_is_lost(
    actions: list[tuple[str, str]], most: int
) -> None:
    hall = Hall(most)
    for action, run in actions:
        getattr(hall, action)(run)
        assert hall.turns.run not in hall.turns.waiting
        assert len(set(hall.turns.waiting)) == len(hall.turns.waiting) <= most
        assert {run for run in hall.arrived if run not in hall.dead | hall.gone} <= {
            hall.turns.run, *hall.turns.waiting
        }  # fmt: skip
    hall.to_the_end()
    assert set(NAMES) - hall.dead <= hall.gone
    assert len(hall.served) == len(set(hall.served))


def test_a_turn_is_given_to_the_first_who_lives_by_whoever_finds_it_free() -> None:
    turns = Turns("a", ("b", "c", "d"), off="arn")
    assert turns.asked_by("d", {"c", "d"}.__contains__) == Turns("c", ("d",), off="arn")


def test_what_the_run_before_has_left_is_found_by_the_next_one_only() -> None:
    assert Turns("a", ("b", "c"), "old").left_by("a", "new") == Turns("", ("b", "c"), "new")
    assert Turns("a", ("b", "c"), "old").left_by("b", "new") == Turns("a", ("c",), "old")


@pytest.mark.parametrize("turns", [Turns(), Turns("a"), Turns("a", ("b", "c"), "arn")])
def test_the_ledger_gives_back_what_it_was_given(turns: Turns) -> None:
    assert Turns.from_data(turns.to_data()) == turns


def test_where_all_places_are_taken_those_of_the_dead_are_given_away() -> None:
    full = Turns("a", ("b", "c"))
    assert full.asked_by("d", {"a", "b", "c"}.__contains__, most=2) == full
    assert full.asked_by("d", {"a", "c"}.__contains__, most=2) == Turns("a", ("c", "d"))


class TestTheLedger:
    def test_a_turn_that_is_left_while_others_come_is_left_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A run that turns the endpoint off afterwards must say so to the next one."""
        world = World()
        world.ledger.put("promotion", "endpoint", Turns("run-1").to_data())
        put_if, comers = world.ledger.put_if, ["run-2", "run-3"]

        def overtaken(kind: str, key: str, data: dict[str, object], *, version: int) -> bool:
            if comers:
                waiting = (*Turns.from_data(world.ledger.get(kind, key)).waiting, comers.pop(0))
                world.ledger.put(kind, key, Turns("run-1", waiting).to_data())
            return put_if(kind, key, data, version=version)

        monkeypatch.setattr(world.ledger, "put_if", overtaken)
        lit = {"phase": "promoted", "previous": "", "was_on": False, "execution": "arn", "tries": 1}
        promotion.settle(Run("run-1", promotion=lit), world.kit())
        left = Turns.from_data(world.ledger.get("promotion", "endpoint"))
        assert (left.run, left.waiting, left.off.rpartition(":")[2]) == ("", ("run-2", "run-3"), "run-1-off-0")

    def test_one_that_can_never_be_left_is_no_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        world.ledger.put("promotion", "endpoint", Turns("run-1").to_data())
        monkeypatch.setattr(world.ledger, "put_if", lambda *_, **__: False)
        with pytest.raises(RuntimeError, match="run-1 could not leave its turn"):
            promotion.settle(Run("run-1"), world.kit())
