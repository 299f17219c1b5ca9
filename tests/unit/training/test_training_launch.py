"""Alone or under torchrun: decided from the job's hosts, their GPUs and its hyperparameters."""

from typing import Any

import pytest

from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.launch import torchrun_arguments

TWO = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
ONE = {"current_host": "algo-1", "hosts": ["algo-1"]}
EIGHT_BITS = Hyperparameters(int8_quantization=True, enable_fsdp=False)


@pytest.mark.parametrize(
    ("asked", "resources", "gpus", "environment"),
    [
        (Hyperparameters(), {}, 0, {}),
        (Hyperparameters(), ONE, 1, {}),
        (EIGHT_BITS, ONE, 8, {}),
        (Hyperparameters(pilotlight_task="evaluate"), ONE, 4, {}),
        (Hyperparameters(), TWO, 4, {"TORCHELASTIC_RUN_ID": "one"}),
    ],
)
def test_one_process_does_it(
    asked: Hyperparameters, resources: dict[str, Any], gpus: int, environment: dict[str, str]
) -> None:
    assert torchrun_arguments(asked, resources, gpus, environment) is None


def test_every_gpu_of_every_host_has_a_process() -> None:
    assert torchrun_arguments(Hyperparameters(), TWO, 4, {}) == [
        "--nnodes=2",
        "--node-rank=1",
        "--nproc-per-node=4",
        "--master-addr=algo-1",
        "--master-port=29500",
    ]


def test_several_hosts_need_fsdp_and_a_host_must_be_one_of_them() -> None:
    with pytest.raises(TrainingError, match="2 hosts, but enable_fsdp is not True"):
        torchrun_arguments(EIGHT_BITS, TWO, 4, {})
    with pytest.raises(TrainingError, match="algo-9 is not in hosts"):
        torchrun_arguments(Hyperparameters(), TWO | {"current_host": "algo-9"}, 4, {})
