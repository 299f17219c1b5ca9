"""`pilot destroy`: a stage goes, whatever state it is in, and nothing that bills is left.

1. The API goes first: no call can wake the endpoint any more.
2. What may light the endpoint is silenced and the switch's executions stopped; one more is started, which turns the
   endpoint off: it knows the way from every state. Where there is no switch, or it fails, CloudFormation is waited for.
3. What turns the endpoint off is silenced as well, and `cdk destroy --all` run.
4. What carries the stage's tag is removed, and a look from outside says what is left.

So a destroy which is killed halfway is no way to pay forever: while there is an endpoint that the switch can turn off,
its meter, alarms and schedules stay armed, and the hard stops until their stack is gone. One that fails enables
again whatever is silent, also what one before it silenced and could not, as it was killed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from pilotlight.deployment import Deployment, NotDeployedError, finetune_name, ledger_name
from pilotlight.orphans import Removal, find
from pilotlight.switch import Switch, SwitchError
from pilotlight.triggers import Triggers

_LOG_ROLE = "the role for API Gateway's logs: it costs nothing, and an account shares it by all its APIs"

SETTLE_SECONDS = 45 * 60.0
"""How long an update that was cancelled, and rolls back, is waited for."""
_POLL_SECONDS = 2.0


def kept(deployment: Deployment) -> list[str]:
    """What outlives the stage on purpose, in words."""
    buckets = [
        resource["PhysicalResourceId"]
        for resource in deployment.stack_resources("FineTune")
        if resource["ResourceType"] == "AWS::S3::Bucket" and resource.get("PhysicalResourceId")
    ]
    data = [
        f"datasets and tuned models in the bucket {name}, billed as storage: `aws s3 rb --force s3://{name}` ends that"
        for name in buckets
    ]
    versions = [f"what the model registry's group {finetune_name(deployment.stage)} lists: it costs nothing"]
    return [_LOG_ROLE, *data, *(versions if buckets else [])]


class TeardownError(Exception):
    """Something is left; the message says what, and what to do."""


@dataclass
class Teardown:
    """`cdk` runs the command line for this deployment; `endpoint_name` is looked for at the end."""

    deployment: Deployment
    endpoint_name: str
    cdk: Callable[..., None]
    report: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    removed: list[str] = field(default_factory=list)

    def destroy(self) -> None:
        """Raises TeardownError where something that bills is left, and what `cdk` raises."""
        deployment = self.deployment
        if deployment.stack_status("Api"):
            self.report("removing the API, so that no call wakes the endpoint")
            self.cdk("destroy", deployment.stack_name("Api"), "--exclusively", "--force")
        triggers = Triggers(deployment)
        try:
            self.report("silencing what lights the endpoint")
            triggers.silence_lighting()
            triggers.stop_executions()
            self._turn_off()
            self.report("silencing what turns it off")
            triggers.silence()
            triggers.stop_executions()
            self._settle()
            self.report("cdk destroy --all")
            self.cdk("destroy", "--all", "--force")
        except BaseException as error:
            if disabled := self._still_disabled(triggers):
                why = str(error).rstrip(".") or "It was stopped"
                raise TeardownError(
                    f"{why}. STILL DISABLED, so the stage does not turn itself off: {', '.join(disabled)}. "
                    f"`pilot deploy --stage {deployment.stage}` enables that; or run `pilot destroy` again."
                ) from error
            raise
        self._remove_what_is_left()
        if left := self.left():
            raise TeardownError(
                f"Left behind: {', '.join(left)}. Run `pilot destroy --stage {deployment.stage}` again; what stays "
                "after that has to be removed by hand."
            )

    def left(self) -> list[str]:
        """What is still there of the stage, seen from outside: by name, and by tag."""
        found = [f"stack {name}" for name in self.deployment.stacks_left()]
        if _exists(lambda: self.deployment.client("sagemaker").describe_endpoint(EndpointName=self.endpoint_name)):
            found.append(f"endpoint {self.endpoint_name}, which is billed")
        table = ledger_name(self.deployment.stage)
        if _exists(lambda: self.deployment.client("dynamodb").describe_table(TableName=table)):
            found.append(f"table {table}")
        return found + [f"{orphan.kind} {orphan.name}" for orphan in find(self.deployment, self.deployment.stage)]

    def _still_disabled(self, triggers: Triggers) -> list[str]:
        """What could not be enabled again; where AWS does not even list it, that it may be all."""
        try:
            return triggers.enable()[1]
        except (ClientError, BotoCoreError) as error:
            return [f"maybe every rule and schedule of the stage ({error})"]

    def _turn_off(self) -> None:
        """By the switch where there is one that works; else the stack's own deletion does it."""
        if not self.deployment.stack_status("Endpoint"):
            return
        try:
            Switch(self.deployment, lambda phrase: self.report(f"turning it off: {phrase}"), self.sleep).turn(
                "off", by="pilot destroy"
            )
        except NotDeployedError:
            self.report("there is no switch: the endpoint goes with its stack")
        except (SwitchError, ClientError) as error:
            self.report(f"the switch failed, so the endpoint goes with its stack: {error}")

    def _settle(self) -> None:
        """CloudFormation refuses to delete a stack while it updates it."""
        deadline, cancelled = self.monotonic() + SETTLE_SECONDS, False
        while (status := self.deployment.stack_status("Endpoint") or "").endswith("_IN_PROGRESS"):
            if status == "UPDATE_IN_PROGRESS" and not cancelled:
                cancelled = True
                self._cancel()
            if status.startswith(("DELETE", "REVIEW")):
                return  # waited for by cdk; only a change set
            if self.monotonic() > deadline:
                raise TeardownError(
                    f"The stack {self.deployment.stack_name('Endpoint')} has been {status} for "
                    f"{SETTLE_SECONDS / 60:.0f} minutes, and cannot be deleted meanwhile. Run `pilot destroy` again "
                    "when it has settled; `pilot status` tells what is billed."
                )
            self.report(f"waiting for the stack to settle: {status}")
            self.sleep(_POLL_SECONDS)

    def _cancel(self) -> None:
        try:
            self.deployment.client("cloudformation").cancel_update_stack(
                StackName=self.deployment.stack_name("Endpoint")
            )
        except ClientError as error:
            self.report(f"the update cannot be cancelled, and is waited for: {error}")

    def _remove_what_is_left(self) -> None:
        """Predecessors that were kept for a rollback, training jobs, an endpoint that survived."""
        removal = Removal(self.deployment.client("sagemaker"), self.report, self.sleep, self.monotonic)
        removal.remove(find(self.deployment, self.deployment.stage))
        self.removed = removal.removed


def _exists(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        if "ould not find" in str(error) or error.response["Error"].get("Code") == "ResourceNotFoundException":
            return False
        raise
    return True
