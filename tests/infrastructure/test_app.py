"""`app.py` as `cdk` runs it: a stage that must not be built is refused with a sentence, and nothing is written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def synth(stage: str, folder: Path, root: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "app.py")],
        cwd=root,
        env={**os.environ, "CDK_OUTDIR": str(folder), "PILOTLIGHT_STAGE": stage, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("llama2", ["stages.llama2.accept_eula", "accept_eula = true"]),
        ("alexatm", ["stages.alexatm.image_uri", "stages.alexatm.model_data_url"]),
        ("local", ["smollm2-135m-instruct", "embedded cloud"]),
        ("nowhere", ["nowhere", "falcon"]),
    ],
)
def test_a_stage_that_must_not_be_built_is_refused(stage: str, says: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "cdk.out"
    refused = synth(stage, folder, CDK_DEFAULT_REGION="us-east-1")
    assert refused.returncode == 1
    for words in says:
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not folder.exists()


def test_the_stage_of_cdks_command_line_wins(tmp_path: Path) -> None:
    """`cdk -c stage=NAME` hands it on in CDK_CONTEXT_JSON."""
    refused = synth("falcon", tmp_path / "cdk.out", CDK_CONTEXT_JSON='{"stage": "nowhere"}')
    assert 'stage = "nowhere"' in refused.stderr


def test_the_embedded_cloud_needs_no_artifact(tmp_path: Path) -> None:
    folder = tmp_path / "cdk.out"
    built = synth("alexatm", folder, PILOTLIGHT_TARGET="local")
    assert built.returncode == 0, built.stderr
    assert (folder / "Pilotlight-alexatm-Endpoint.template.json").exists()


def test_a_broken_file_of_tasks_is_refused(tmp_path: Path) -> None:
    """In a copy of the app, whose tasks a user has extended."""
    for name in ("pilotlight", "stacks", "lambda"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "pilotlight.toml"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "lambda" / "proxy" / "tasks.toml").open("a", encoding="utf-8") as tasks:
        tasks.write('\n[haiku]\nabout = "A haiku."\nshot = "Season: {season}"\nbetween = 5\ndelimiter = "#"\n')
    folder = tmp_path / "cdk.out"
    refused = synth("falcon", folder, tmp_path, CDK_DEFAULT_REGION="us-east-1")
    assert refused.returncode == 1
    assert "lambda/proxy/tasks.toml is refused, 2 problems" in refused.stderr
    assert "haiku.between = 5: is of another kind\n    allowed: a string that is not empty" in refused.stderr
    assert "haiku.instead: is missing" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not folder.exists()
