"""Modules that are started by fork: each runs as by `python -m`, in a process of its own that ends with its holder."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pilotlight.local.fork_server import ForkServer, Started
from pilotlight.local.sagemaker.training_process import Process

IMPORTS = ["colorsys"]  # as good as torch, and there at once
MODULE = """
import os, sys, time
from pilotlight.local import leash
colorsys_was_there = "colorsys" in sys.modules
print(__name__, sys.argv[1:], os.environ["COLOUR"], os.getsid(0) == os.getpid(), colorsys_was_there, flush=True)
if sys.argv[1] == "break":
    raise ValueError("broken on purpose")
leash.hold()
time.sleep(float(sys.argv[1]))
sys.exit(3)
"""


@pytest.fixture(scope="module", autouse=True)
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "module_of_ours.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer(IMPORTS)
    yield made
    made.stop()


@contextmanager
def running(
    server: ForkServer, log: Path, *arguments: str, own_session: bool = False, **environment: str
) -> Iterator[Started]:
    with log.open("ab") as file:
        started = server.start(
            "module_of_ours",
            arguments,
            environment={"COLOUR": "red"} | environment,
            output=file.fileno(),
            own_session=own_session,
        )
    assert started.stdin
    with started.stdin:
        yield started


def until_it_speaks(log: Path) -> None:
    deadline = time.monotonic() + 60
    while not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_runs_with_what_it_is_given_to_its_own_end(server: ForkServer, tmp_path: Path) -> None:
    with running(server, tmp_path / "log", "0") as started:
        assert started.wait(60) == started.poll() == 3
        started.kill()  # it is over: nothing happens
    was_there = sys.platform == "linux"
    assert (tmp_path / "log").read_text() == f"__main__ ['0'] red False {was_there}\n"


def test_it_has_an_interpreter_of_its_own_where_its_variables_tell_that_something(
    server: ForkServer, tmp_path: Path
) -> None:
    (tmp_path / "module_of_ours.py").write_text("import sys\nprint(sys.flags.optimize, 'colorsys' in sys.modules)")
    with running(server, tmp_path / "log", PYTHONPATH=str(tmp_path), PYTHONOPTIMIZE="2") as started:
        assert started.wait(60) == 0
    assert (tmp_path / "log").read_text() == "2 False\n"


def test_what_breaks_it_is_in_its_log(server: ForkServer, tmp_path: Path) -> None:
    with running(server, tmp_path / "log", "break", own_session=True) as started:
        assert started.wait(60) == 1
    first, *_, last = (tmp_path / "log").read_text().splitlines()
    assert "red True" in first
    assert last == "ValueError: broken on purpose"


def test_it_ends_when_its_holder_lets_go(server: ForkServer, tmp_path: Path) -> None:
    with running(server, tmp_path / "log", "600") as started:
        until_it_speaks(tmp_path / "log")
        assert started.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            started.wait(0.01)
    assert started.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it_and_no_other(server: ForkServer, tmp_path: Path, number: int) -> None:
    with running(server, tmp_path / "one", "600") as one, running(server, tmp_path / "other", "600") as other:
        for name in ("one", "other"):
            until_it_speaks(tmp_path / name)
        one.send_signal(number)
        assert one.wait(20) == -number
        assert other.poll() is None
        other.kill()
        assert other.wait(20) == -signal.SIGKILL


def test_a_job_that_is_killed_as_it_starts_is_killed(server: ForkServer, tmp_path: Path) -> None:
    """It may not have a session of its own yet, by which it is killed with all that it has started."""

    def program(environment: Mapping[str, str], output: int) -> Started:
        return server.start("module_of_ours", ["600"], environment=environment, output=output, own_session=True)

    for _ in range(20):
        process = Process(program, {"COLOUR": "red"}, tmp_path / "log", lambda _: None)
        process.kill()
        assert process.finish() == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_without_the_process_that_forks_nothing_lives_on_and_nothing_starts(tmp_path: Path) -> None:
    before = psutil.Process().children()
    server = ForkServer(IMPORTS)
    [forking] = [child for child in psutil.Process().children() if child not in before]
    with running(server, tmp_path / "log", "600") as started:
        until_it_speaks(tmp_path / "log")
        forking.kill()
        assert started.wait(20) == -signal.SIGKILL
    for _ in range(2):
        with pytest.raises(OSError, match="has died"), running(server, tmp_path / "log", "0"):
            pass
    server.stop()
