"""The pinned `cdk` command line, aimed where a stage is deployed."""

import os
import subprocess
import sys

from pilotlight.deployment import Deployment
from pilotlight.local.cloud import ROOT, Cloud
from pilotlight.local.processes import MachineError, require_node

_CDK = ROOT / "node_modules/.bin/cdk"


class CdkError(Exception):
    """`cdk` did not do what it was asked; the message says what to do."""


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
