"""Instance pools: deployed over a lit endpoint, lit where there is capacity, and told with type and price."""

from .conftest import Cdk, LocalCloud, Pilot
from .test_promotion import Stage

POOLS = """
instance_types = ["ml.g4dn.12xlarge", "ml.g5.2xlarge"]
"""
STACKS = ("Control", "Endpoint", "Api")  # the last one knows the prices


def serving_on(cloud: LocalCloud) -> tuple[str, str, float]:
    assert cloud.generate("hello", max_length=8).status_code == 200
    told = cloud.call("GET", "/endpoint").json()
    return told["state"], told["instance_type"], told["usd_per_hour"]


def test_pools_light_on_the_type_that_has_capacity(cloud: LocalCloud, pilot: Pilot, cdk: Cdk) -> None:
    cloud.turn("on", budget_usd=100000)
    stage = Stage(cloud, cdk)
    try:
        stage.deploy(POOLS, roles=STACKS)
        assert serving_on(cloud) == ("on", "ml.g4dn.12xlarge", 4.89)
        assert "InstanceType" not in stage.parameters()
        cloud.turn("off")

        cloud.fault(fault="no_capacity", instance_type="ml.g4dn.12xlarge")
        lit = pilot("on", "--yes")
        assert lit.returncode == 0, lit.stdout + lit.stderr
        # The switch's own words; the first choice is what this folder's pilotlight.toml names.
        assert "It runs on ml.g5.2xlarge, at USD 1.51 an hour." in " ".join(lit.stdout.split())
        assert serving_on(cloud) == ("on", "ml.g5.2xlarge", 1.515)
        same = stage.cdk(" ".join(["diff --fail", *map(stage.deployment.stack_name, STACKS)]), POOLS)
        assert same.returncode == 0, same.stdout + same.stderr
        assert cloud.drifts() == {}
    finally:
        stage.deploy(roles=STACKS)
    assert serving_on(cloud) == ("on", "ml.g4dn.12xlarge", 4.89)
