"""The templates under other people's rules."""

import subprocess
import sys
from pathlib import Path

from .conftest import Synthesis


def test_cdk_nag_finds_nothing_that_has_no_reason(synthesis: Synthesis) -> None:
    assert synthesis.problems == ""


def test_cfn_lint_finds_nothing(synthesis: Synthesis) -> None:
    templates = sorted(str(path) for path in synthesis.folder.glob("*.template.json"))
    assert templates
    # W3005: CDK states dependencies that a reference already implies.
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "--", *templates]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
