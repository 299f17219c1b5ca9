"""A training job on the tiny model, and a run of the container's program in it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilotlight.local import weights
from tests.unit.training.jobs import Job, dolly
from training.__main__ import main


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights.tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def make_job(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Job]:
    def make() -> Job:
        job = Job(tmp_path_factory.mktemp("job"))
        job.model(tiny)
        return job

    return make


@pytest.fixture
def job(make_job: Callable[[], Job]) -> Job:
    return make_job()


@pytest.fixture(scope="session")
def trained(make_job: Callable[[], Job]) -> Job:
    """Ten rows of instruction tuning, two epochs, by the whole program."""
    job = make_job()
    job.rows(*dolly(10))
    job.ask(instruction_tuned="True", epoch="2", learning_rate="1e-2", max_input_length="256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOTLIGHT_ML_ROOT", str(job.root))
        assert main() == 0
    return job


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], int]:
    """The program, in this process; its exit code."""

    def run(job: Job) -> int:
        monkeypatch.setenv("PILOTLIGHT_ML_ROOT", str(job.root))
        return main()

    return run


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """The tiny model gains nothing from a second one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
