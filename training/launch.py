"""Whether this process trains alone, or starts one process for each GPU of each host under torchrun."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.stop import Stop

PORT = 29500  # torchrun's own default
WORKER = "TORCHELASTIC_RUN_ID"
"""torchrun sets it for the processes that it starts."""


def torchrun_arguments(
    asked: Hyperparameters, resources: Mapping[str, Any], gpus: int, environment: Mapping[str, str]
) -> list[str] | None:
    """What to tell torchrun, None where this process is to train alone.

    `resources` is the content of resourceconfig.json, `gpus` what this host has.

    Raises:
        TrainingError: several hosts without FSDP, or a host that is not in the job's own list.
    """
    hosts: Sequence[str] = resources.get("hosts") or ["localhost"]
    here = resources.get("current_host", hosts[0])
    if here not in hosts:
        raise TrainingError(f"resourceconfig.json: current_host {here} is not in hosts ({', '.join(hosts)}).")
    if WORKER in environment or asked.pilotlight_task != "train":
        return None
    if len(hosts) > 1 and not asked.enable_fsdp:
        raise TrainingError(
            f"The job has {len(hosts)} hosts, but enable_fsdp is not True: only FSDP trains on several."
        )
    if not asked.enable_fsdp or len(hosts) * max(1, gpus) == 1:
        return None
    return [
        f"--nnodes={len(hosts)}",
        f"--node-rank={hosts.index(here)}",
        f"--nproc-per-node={max(1, gpus)}",
        f"--master-addr={hosts[0]}",
        f"--master-port={environment.get('MASTER_PORT', PORT)}",
    ]


def torchrun(arguments: Sequence[str], stop: Stop) -> int:
    """Run the training under torchrun; its exit code. An interruption is passed on."""
    command = [sys.executable, "-m", "torch.distributed.run", *arguments, "-m", "training"]
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if stop.asked:
                    process.terminate()
