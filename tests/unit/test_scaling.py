"""How many instances there may be: the keys against each other, and what the most of them cost."""

from pathlib import Path

import pytest

from pilotlight.auto_off import worst_case
from pilotlight.cli.endpoint import what_it_costs
from pilotlight.config import ConfigError, load
from pilotlight.deployment import Deployment
from pilotlight.stage import Scaling, Stage

FALCON = 'model = "falcon-7b-instruct"\n'


def staged(folder: Path, body: str) -> Stage:
    path = folder / "pilotlight.toml"
    path.write_text(f'default_stage = "dev"\n[stages.dev]\n{FALCON}{body}', encoding="utf-8")
    return load(path, "dev", target="aws", region="us-east-1")


def test_by_default_there_is_one_and_nothing_scales(tmp_path: Path) -> None:
    stage = staged(tmp_path, "")
    assert (stage.instance_count, stage.scaling, stage.most_instances) == (1, None, 1)


@pytest.mark.parametrize(
    ("body", "between"),
    [
        ("max_instances = 4", (1, 4)),
        ("instance_count = 2\nmin_instances = 1\nmax_instances = 3", (1, 3)),
        ("instance_count = 2\nmin_instances = 1", (1, 2)),
    ],
)
def test_a_range_and_a_target_scale(tmp_path: Path, body: str, between: tuple[int, int]) -> None:
    stage = staged(tmp_path, f"{body}\ntarget_invocations_per_instance = 30")
    assert stage.scaling == Scaling(
        min_instances=between[0], max_instances=between[1], target_invocations_per_instance=30
    )


def test_the_worst_month_counts_the_most_instances(tmp_path: Path) -> None:
    one = worst_case(staged(tmp_path, "monthly_budget_usd = false"))
    four = worst_case(
        staged(tmp_path, "monthly_budget_usd = false\nmax_instances = 4\ntarget_invocations_per_instance = 9")
    )
    assert "USD 1.515 an hour" in one
    assert "USD 6.060 an hour" in four


@pytest.mark.parametrize("pools", ["true", "false"])
def test_one_of_several_types_may_be_the_dearest(tmp_path: Path, pools: str) -> None:
    """Whoever falls back on it, SageMaker or the switch."""
    types = 'monthly_budget_usd = false\ninstance_types = ["ml.g5.2xlarge", "ml.g5.12xlarge"]\n'
    same = 'environment = { SM_NUM_GPUS = "1", MAX_BATCH_PREFILL_TOKENS = "4096" }\n'
    several = staged(tmp_path, f"{types}instance_pools = {pools}\ninstance_count = 2\n{same}")
    dearest = 2 * several.usd_per_hour["ml.g5.12xlarge"]
    assert f"USD {dearest:.3f} an hour" in worst_case(several)
    told = what_it_costs(several, Deployment("dev", "us-east-1"), hours=10)
    assert told.endswith("`notify` is empty, so nobody is told if it goes wrong.")
    assert f"2 × ml.g5.2xlarge or ml.g5.12xlarge on AWS in us-east-1: at most USD {dearest} per hour" in told
    assert f"(USD {dearest * 10:.2f} if you forget it)" in told


def test_scaling_reverts_no_promoted_model(tmp_path: Path) -> None:
    fixed = staged(tmp_path, "").fingerprint
    assert staged(tmp_path, "max_instances = 4\ntarget_invocations_per_instance = 9").fingerprint == fixed


@pytest.mark.parametrize(
    ("body", "key", "said"),
    [
        ("max_instances = 4", "target_invocations_per_instance", "nothing says when to go from 1 to 4"),
        ("target_invocations_per_instance = 9", "target_invocations_per_instance", "there is nothing to scale"),
        ("min_instances = 2\nmax_instances = 3\ntarget_invocations_per_instance = 9", "min_instances", "is fewer"),
        ("instance_count = 3\nmin_instances = 1\nmax_instances = 2\ntarget_invocations_per_instance = 9",
         "max_instances", "is more"),
        ("max_instances = 21\ntarget_invocations_per_instance = 9", "max_instances", "not allowed"),
        ("max_instances = 2\ntarget_invocations_per_instance = 0", "target_invocations_per_instance", "not allowed"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_each_other_are_refused_by_name(tmp_path: Path, body: str, key: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        staged(tmp_path, body)
    (problem,) = caught.value.problems
    assert problem.key == f"stages.dev.{key}"
    assert said in problem.reason
