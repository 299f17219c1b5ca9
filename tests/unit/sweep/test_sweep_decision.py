"""What no stack owns: never what a stack holds or may come back to, never what runs underneath, and all the rest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep.decision import Holding, Key, Kind, Resource, orphans, retired

NAMES = st.sampled_from(["a", "B", "c", "D"])
STAGES = st.sampled_from(["one", "two"])


def resource(kind: Kind, name: str, *uses: str, stage: str = "one") -> Resource:
    return Resource(kind, name, stage, "InService", 0.0, uses=uses)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Resource], list[Holding]]:
    keys = draw(st.sets(st.tuples(st.sampled_from(list(Kind)), NAMES), max_size=12))
    found = [
        resource(kind, name, *draw(st.lists(NAMES, max_size=2)), stage=draw(STAGES)) for kind, name in sorted(keys)
    ]
    held = st.frozensets(st.sampled_from([item.key for item in found]) if found else st.nothing())
    return found, draw(st.lists(st.builds(Holding, STAGES, st.booleans(), held), max_size=3))


@given(worlds())
def test_an_orphan_is_held_by_nobody_and_moved_by_nobody(world: tuple[list[Resource], list[Holding]]) -> None:
    found, holdings = world
    held: set[Key] = set().union(*(holding.keys for holding in holdings))
    for orphan in orphans(found, holdings):
        assert orphan.key not in held
        assert not any(holding.moving and holding.stage == orphan.stage for holding in holdings)


@given(worlds())
def test_nothing_is_pulled_away_under_what_is_owned(world: tuple[list[Resource], list[Holding]]) -> None:
    found, holdings = world
    left = orphans(found, holdings)
    held: set[Key] = set().union(*(holding.keys for holding in holdings))
    for user in found:
        if user.key in held and user.kind is Kind.ENDPOINT:
            assert not [o for o in left if o.kind is Kind.CONFIG and o.name.lower() in {u.lower() for u in user.uses}]


@given(worlds())
def test_the_order_is_that_of_removal(world: tuple[list[Resource], list[Holding]]) -> None:
    kinds = [list(Kind).index(orphan.kind) for orphan in orphans(*world)]
    assert kinds == sorted(kinds)


@given(worlds())
def test_without_stacks_everything_that_carries_the_tag_is_left_over(
    world: tuple[list[Resource], list[Holding]],
) -> None:
    found, _ = world
    assert {orphan.key for orphan in orphans(found, [])} == {item.key for item in found}


def test_the_predecessor_that_an_endpoint_fell_back_on_is_needed_with_its_model() -> None:
    """After a failed update the stack holds the new config, and SageMaker runs on the old one."""
    endpoint = resource(Kind.ENDPOINT, "e", "Old")
    old, model = resource(Kind.CONFIG, "old", "Model-of-old"), resource(Kind.MODEL, "model-of-old")
    stray = resource(Kind.CONFIG, "stray", "model-of-old")
    holding = Holding("one", moving=False, keys=frozenset({endpoint.key}))
    assert orphans([endpoint, old, model, stray], [holding]) == [stray]


def test_a_training_job_belongs_to_its_stage_while_that_has_a_stack() -> None:
    job = resource(Kind.TRAINING_JOB, "job")
    assert orphans([job], [Holding("one", moving=False)]) == []
    assert orphans([job], [Holding("two", moving=False)]) == [job]


@pytest.mark.parametrize("moving", [True, False])
def test_what_a_moving_stack_no_longer_lists_may_be_what_it_rolls_back_to(moving: bool) -> None:
    config = resource(Kind.CONFIG, "before")
    other = replace(config, name="other", stage="two")
    assert orphans([config, other], [Holding("one", moving)]) == ([other] if moving else [config, other])


@given(worlds(), st.none() | st.floats(-1, 1))
def test_what_is_retired_is_free_replaced_and_used_by_nothing_that_stays(
    world: tuple[list[Resource], list[Holding]], verified_at: float | None
) -> None:
    left = orphans(*world)
    gone = retired(left, verified_at)
    assert not gone or (verified_at is not None and verified_at > 0)
    assert {item.kind for item in gone} <= {Kind.CONFIG, Kind.MODEL}
    for item in left:
        if item not in gone:
            kind = {Kind.ENDPOINT: Kind.CONFIG, Kind.CONFIG: Kind.MODEL}.get(item.kind)
            assert not {(kind, name.lower()) for name in item.uses} & {other.key for other in gone}


def test_a_config_goes_with_its_model_and_neither_under_an_endpoint() -> None:
    old, model = resource(Kind.CONFIG, "old", "Model-of-old"), resource(Kind.MODEL, "model-of-old")
    assert retired([old, model], verified_at=1.0) == [old, model]
    stray = resource(Kind.ENDPOINT, "stray", "OLD")
    assert retired([stray, old, model], verified_at=1.0) == []


def test_what_came_after_the_last_verified_one_may_still_be_it() -> None:
    old, new = resource(Kind.MODEL, "old"), replace(resource(Kind.MODEL, "new"), created=2.0)
    assert retired([old, new], verified_at=1.0) == [old]
