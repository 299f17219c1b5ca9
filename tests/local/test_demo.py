"""`make demo`: SmolLM2 answers, and nothing is left, even when it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .conftest import ROOT

DEMO = [sys.executable, "-m", "pilotlight.demo"]
FOLDER = ROOT / ".pilot-demo"


def descendants(token: str) -> list[psutil.Process]:
    """Every process that inherited `token` in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PILOTLIGHT_TEST_TOKEN") == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A temporary folder to look into afterwards, and a mark that every child inherits."""
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PILOTLIGHT_TEST_TOKEN": str(tmp_path)}


def nothing_is_left(environment: dict[str, str]) -> bool:
    deadline = time.monotonic() + 10
    while (left := descendants(environment["PILOTLIGHT_TEST_TOKEN"])) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not left and not FOLDER.exists()


def test_it_tells_the_whole_main_job(environment: dict[str, str]) -> None:
    demo = subprocess.run(DEMO, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for words in (
        "Paris",
        "USD 4.89 per hour",
        "nobody calls, off in 10 minutes",
        "the endpoint is off (idle)",
        "503",
        "pilot on",
        "POST /endpoint",
        "no differences",
        "nothing:",
    ):
        assert words in demo.stdout
    assert nothing_is_left(environment)
    left = [path.name for path in Path(environment["TMPDIR"]).iterdir()]
    assert not [name for name in left if not name.startswith("jsii")]  # a cache of jsii's own


def heard() -> None:
    """A shell that runs the tests in the background has them ignore Ctrl-C, which their children inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 0), (signal.SIGTERM, 5)])
def test_interrupted_it_cleans_up(environment: dict[str, str], number: signal.Signals, seconds: float) -> None:
    with subprocess.Popen(
        DEMO,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=heard,  # noqa: PLW1509 (no other thread is at work here)
    ) as demo:
        while not FOLDER.exists():
            assert demo.poll() is None
            time.sleep(0.05)
        time.sleep(seconds)
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 128 + number
    assert b"Traceback" not in output
    assert nothing_is_left(environment)
