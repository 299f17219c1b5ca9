"""What `pilot deploy` looks for on the machine before it deploys to AWS."""

from pathlib import Path

import pytest

from pilotlight.cdk import require_docker
from pilotlight.local.processes import MachineError


def docker(folder: Path, script: str) -> str:
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return str(command)


def test_whatever_cdk_would_build_with_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_DOCKER", docker(tmp_path, '[ "$1" = version ]'))
    require_docker()


def test_none_is_told_with_what_asked_for_it_and_three_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CDK_DOCKER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r'`docker` cannot be run.*says "build".*CDK_DOCKER.*push the image'):
        require_docker()


def test_one_whose_engine_does_not_run_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_DOCKER", docker(tmp_path, "echo Cannot connect to the daemon. >&2; exit 1"))
    with pytest.raises(MachineError, match=r"docker version` failed: Cannot connect to the daemon\."):
        require_docker()
