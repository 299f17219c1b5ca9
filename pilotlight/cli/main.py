"""The commands by name, and what becomes of errors."""

import signal
import sys

import requests
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from pilotlight.cdk import CdkError
from pilotlight.cli import costs, endpoint, orphans, stacks
from pilotlight.cli.finetune import approve, finetune_commands
from pilotlight.cli.local import local
from pilotlight.cli.models import model_commands
from pilotlight.cli.price_refresh import price_commands
from pilotlight.cli.terminal import Refused, err
from pilotlight.config import ConfigError
from pilotlight.deployment import NotDeployedError
from pilotlight.finetune import FineTuneError
from pilotlight.jumpstart import LockError
from pilotlight.local.cloud import CloudError
from pilotlight.local.processes import MachineError, bypass_proxy_for_loopback
from pilotlight.price_list import BadPriceListError
from pilotlight.switch import SwitchError
from pilotlight.teardown import TeardownError

app = typer.Typer(
    help="A language model on SageMaker, lit only while you want to pay for it.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(local, name="local")
app.add_typer(model_commands, name="models")
app.add_typer(price_commands, name="prices")
app.add_typer(finetune_commands, name="finetune")
for command in (
    endpoint.ask,
    endpoint.status,
    endpoint.on,
    endpoint.off,
    endpoint.snooze,
    costs.cost,
    orphans.sweep,
    approve,
    stacks.deploy,
    stacks.destroy,
):
    app.command()(command)


def prepare_process() -> None:
    """SIGTERM ends it as Ctrl-C does, so that clean-up runs; the embedded cloud is reached without a proxy."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    bypass_proxy_for_loopback()


def sentence_for(error: Exception) -> str | None:
    """What to tell a person about a failure that was to be expected; None for a bug."""
    match error:
        case ConfigError() | CloudError() | MachineError() | NotDeployedError() | SwitchError() | Refused():
            return str(error)
        case CdkError() | TeardownError() | BadPriceListError() | FineTuneError() | LockError():
            return str(error)
        case requests.ConnectionError() | requests.Timeout():
            return f"The API cannot be reached: {error}. Is it still there? `pilot local status` tells."
        case BotoCoreError() | ClientError():
            return f"AWS refused or could not be reached: {error}"
        case OSError():
            return f"This machine refused: {error}. Mend that, or name another folder in PILOTLIGHT_CLOUD_FOLDER."
    return None


def main() -> None:
    """The entry point: every expected failure is a sentence on stderr and exit code 1."""
    prepare_process()
    try:
        app()
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        err.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
        sys.exit(1)
