"""What the embedded cloud asks of the machine, and how it tells what is missing."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilotlight.local.processes import MachineError, PidFile, port_for, require_disk, require_node, run, stop_group


class TestPidFile:
    def spawn(self, folder: Path, *command: str) -> subprocess.Popen[bytes]:
        return PidFile(folder / "pid").spawn(command, cwd=folder, environment=os.environ, log=folder / "log")

    def test_it_names_its_holder_as_long_as_that_lives(self, tmp_path: Path) -> None:
        file = PidFile(tmp_path / "pid")
        assert file.holder() is None
        process = self.spawn(tmp_path, "/usr/bin/env", "sleep", "60")
        assert file.holder() == process.pid  # at once, whatever the process has come to
        process.kill()
        process.wait()
        assert file.holder() is None  # however it died, and whoever has its number now

    def test_a_child_of_the_holder_does_not_hold_it(self, tmp_path: Path) -> None:
        script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
        process = self.spawn(tmp_path, sys.executable, "-c", script)
        process.wait(10)
        try:
            assert PidFile(tmp_path / "pid").holder() is None
        finally:
            os.kill(int((tmp_path / "log").read_text()), signal.SIGKILL)


def test_a_stopped_group_takes_stubborn_children_with_it(tmp_path: Path) -> None:
    script = f"trap '' TERM; (trap '' TERM; echo $BASHPID > {tmp_path}/child; sleep 60) & wait"
    process = subprocess.Popen(["/usr/bin/env", "bash", "-c", script], start_new_session=True)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        time.sleep(0.01)
    stop_group(process.pid, gone=lambda: process.poll() is not None, patience_seconds=0.2)
    process.wait(5)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if _ended(child):
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its group")


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # An orphan that its new parent has not reaped yet has ended as well.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_gives_its_code_and_all_its_output(tmp_path: Path) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    code, output = run([sys.executable, "-c", script], cwd=tmp_path, environment=os.environ)
    assert code == 3
    assert sorted(output.split()) == ["err", "out"]


class TestPort:
    def test_a_free_one_is_found(self) -> None:
        assert 1024 < port_for("127.0.0.1", None) < 65536

    def test_one_in_use_is_refused_with_its_number(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(MachineError, match=rf"Port {port} .*--port"):
                port_for("127.0.0.1", port)


class TestNode:
    def _path_with(self, folder: Path, version: str) -> str:
        node = folder / "node"
        node.write_text(f"#!/bin/sh\necho {version}\n")
        node.chmod(0o755)
        return str(folder)

    def test_none_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match=r"no `node`.*Install Node"):
            require_node(str(tmp_path))

    @pytest.mark.parametrize("version", ["v18.20.0", "v8.0.0", "nonsense"])
    def test_a_wrong_one_is_told_with_its_version(self, tmp_path: Path, version: str) -> None:
        with pytest.raises(MachineError, match=version):
            require_node(self._path_with(tmp_path, version))

    @pytest.mark.parametrize("version", ["v20.20.2", "v22.1.0", "v24.0.0"])
    def test_a_right_one_is_taken(self, tmp_path: Path, version: str) -> None:
        require_node(self._path_with(tmp_path, version))


class TestDisk:
    def test_too_little_is_told_with_the_numbers(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match=r"12 MB left.*500 MB"):
            require_disk(tmp_path / "not" / "yet", free_mb=12)

    def test_enough_is_enough(self, tmp_path: Path) -> None:
        require_disk(tmp_path, free_mb=501)
