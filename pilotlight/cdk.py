"""The pinned `cdk` command line, aimed where a stage is deployed."""

import os
import subprocess
import sys

from pilotlight.deployment import Deployment
from pilotlight.finetune_table import BUILD
from pilotlight.local.cloud import ROOT, Cloud
from pilotlight.local.processes import MachineError, require_node

_CDK = ROOT / "node_modules/.bin/cdk"


class CdkError(Exception):
    """`cdk` did not do what it was asked; the message says what to do."""


def require_docker() -> None:
    """What `cdk` builds an image with, `docker` or what CDK_DOCKER names. Raises MachineError."""
    command = os.environ.get("CDK_DOCKER", "docker")
    advice = (
        f'[stages.NAME.finetune] says "{BUILD}", so cdk builds the training container. Start it, set CDK_DOCKER to '
        "another such command (podman, finch), or push the image from elsewhere and name that. Nothing was deployed."
    )
    try:
        said = subprocess.run([command, "version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise MachineError(f"`{command}` cannot be run: {error.strerror}. {advice}") from error
    if said.returncode != 0:
        raise MachineError(f"`{command} version` failed: {said.stderr.strip()[:300] or 'it says nothing'}. {advice}")


def cdk(target: Deployment, *arguments: str) -> None:
    """Run it for the stage of `target`. Raises CdkError, CloudError or MachineError.

    On AWS it speaks to the terminal itself, as it may ask; all that it says goes to stderr.
    """
    if target.aws_endpoint_url:
        Cloud().cdk(target.aws_endpoint_url, target.stage, *arguments)
        return
    require_node()
    if not _CDK.exists():
        raise MachineError(f"There is no {_CDK.relative_to(ROOT)}: run `make setup`.")
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), target.region)
    command = [str(_CDK), *arguments, "-c", f"stage={target.stage}"]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | region, stdout=sys.stderr, check=False).returncode
    if code != 0:
        raise CdkError(f"`cdk {' '.join(arguments)}` failed, and says why above. Mend that and run this again.")
