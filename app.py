"""Choose the stage, load the config, build the stacks: no logic."""

import json
import os
import sys
from pathlib import Path

import aws_cdk as cdk

from pilotlight.auto_off import worst_case
from pilotlight.config import ConfigError, Stage, load
from pilotlight.tasks import check_tasks
from stacks.api import ApiStack
from stacks.control import ControlStack
from stacks.endpoint import EndpointStack
from stacks.finetune import FineTuneStack
from stacks.foundation import FoundationStack
from stacks.names import Names


def build(app: cdk.App, stage: Stage) -> None:
    """The stacks of `stage`, in the order in which they are deployed."""
    names = Names(stage.name, stage.region)
    where = cdk.Environment(account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=stage.region)
    foundation = FoundationStack(app, names.stack("Foundation"), stage=stage, names=names, env=where)
    control = ControlStack(app, names.stack("Control"), stage=stage, names=names, env=where)
    control.add_stack_dependency(foundation)
    endpoint = EndpointStack(app, names.stack("Endpoint"), stage=stage, names=names, env=where)
    endpoint.add_stack_dependency(control)
    api = ApiStack(app, names.stack("Api"), stage=stage, names=names, env=where)
    api.add_stack_dependency(endpoint)
    stacks = [foundation, control, endpoint, api]
    if stage.finetune:
        finetune = FineTuneStack(
            app, names.stack("FineTune"), stage=stage, finetune=stage.finetune, names=names, env=where
        )
        finetune.add_stack_dependency(api)
        stacks.append(finetune)
    for stack in stacks:
        cdk.Tags.of(stack).add("pilotlight:stage", stage.name)
    cdk.Annotations.of(endpoint).add_info(worst_case(stage))
    for number, warning in enumerate(stage.warnings, start=1):
        cdk.Annotations.of(endpoint).add_warning_v2(f"pilotlight:{number}", warning)


def chosen_stage() -> Stage:
    """The configured stage that `cdk -c stage=NAME` or the environment names, validated before anything is built."""
    context = json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))  # how cdk hands on `-c`, among other things
    return load(
        Path(__file__).with_name("pilotlight.toml"),
        context.get("stage") or os.environ.get("PILOTLIGHT_STAGE"),
        target="local" if os.environ.get("PILOTLIGHT_TARGET") == "local" else "aws",
        region=os.environ.get("CDK_DEFAULT_REGION"),
    )


if __name__ == "__main__":
    try:
        stage = chosen_stage()
        check_tasks()
    except ConfigError as error:
        sys.exit(f"\n{error}\n")
    app = cdk.App()
    build(app, stage)
    app.synth()
