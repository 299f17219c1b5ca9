"""A module on the leash: it runs as `python -m` runs it, and ends with whoever holds its standard input."""

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
import sys, time
print(sys.argv[1:], __name__, flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(3)
"""


def run(folder: Path, seconds: str) -> subprocess.Popen[str]:
    (folder / "leashed.py").write_text(MODULE)
    return subprocess.Popen(
        [sys.executable, "-m", "pilotlight.local.leash", "leashed", seconds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )


def test_it_runs_with_its_arguments_to_its_own_end(tmp_path: Path) -> None:
    with run(tmp_path, "0") as process:
        assert process.stdout
        assert process.stdout.readline() == "['0'] __main__\n"
        assert process.wait(20) == 3


def test_it_ends_when_its_holder_does(tmp_path: Path) -> None:
    with run(tmp_path, "600") as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(20) == 0
