"""`pilot deploy` and `pilot destroy`: the stacks of a stage."""

from typing import Annotated

import typer
from common import describe

from pilotlight import serving
from pilotlight.cdk import cdk, require_docker
from pilotlight.cli.endpoint import turn, what_it_costs
from pilotlight.cli.options import AwsOption, JsonOption, RegionOption, StageOption, YesOption
from pilotlight.cli.target import configured, deployment
from pilotlight.cli.terminal import Refused, Report, confirm, err, out, print_json, progress
from pilotlight.deployment import Deployment, NotDeployedError
from pilotlight.local.cloud import Cloud
from pilotlight.stage import Stage
from pilotlight.teardown import Teardown, kept
from pilotlight.triggers import Triggers


def deploy(
    off: Annotated[bool, typer.Option("--off", help="Deploy, but do not light the endpoint.")] = False,
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy every stack of a stage (`cdk deploy --all`), and light the endpoint."""
    target = deployment(stage, aws, region)
    chosen = configured(target)
    refuse_somebody_elses(target, chosen.endpoint_name)
    refuse_another_name(target, chosen.endpoint_name)
    refuse_another_type(target, chosen)
    if chosen.finetune and chosen.finetune.builds:
        require_docker()
    if not off:
        confirm(f"{what_it_costs(chosen, target, None)} Deploy and light it?", yes)
    if target.aws_endpoint_url:
        with progress() as report:
            report("cdk deploy")
            Cloud().deploy(target.aws_endpoint_url, target.stage)
    else:
        cdk(target, "deploy", "--all", "--require-approval", "never" if yes else "broadening")
    arm(target)
    if not off:
        turn(target, "on", as_json, chosen=chosen)
    elif as_json:
        print_json({"stage": target.stage, "place": target.place, "deployed": True})
    else:
        out.print(f"[green]Stage {target.stage} is deployed[/] on {target.place}; [bold]pilot on[/] lights it.")


def arm(target: Deployment) -> None:
    """A `pilot destroy` that was killed may have left rules and schedules disabled; to CloudFormation nothing has
    changed. Raises Refused where one stays so: the stage would not turn itself off.
    """
    enabled, refused = Triggers(target).enable()
    if enabled:
        err.print(f"These were disabled, and are enabled again: {', '.join(enabled)}.", highlight=False, soft_wrap=True)
    if refused:
        raise Refused(
            f"Deployed, but STILL DISABLED, so the stage does not turn itself off: {', '.join(refused)}. Nothing was "
            "lit. Deploy again, or enable that by hand."
        )


def refuse_somebody_elses(target: Deployment, name: str) -> None:
    """To meter and switch an endpoint of this name is one that outlived an off, and they delete it. Raises Refused."""
    try:
        own = target.output("Endpoint", "EndpointName") == name
    except NotDeployedError:
        own = False
    if not own and describe.endpoint(target.client("sagemaker"), name):
        raise Refused(
            f"There is an endpoint {name} already, which no stack of stage {target.stage} made: it would take it for "
            "one of its own that should be off, and delete it. Write another endpoint_name; if it was left by this "
            f"stage, run `pilot sweep --stage {target.stage} --delete`."
        )


def refuse_another_name(target: Deployment, name: str) -> None:
    """While the endpoint is on: meter and switch would look after the new name before the old one is gone, and if no
    second instance can be had it goes on under the old one. Raises Refused.
    """
    if target.stack_status("Endpoint") and target.ends and target.endpoint_name != name:
        raise Refused(
            f"The endpoint {target.endpoint_name} is on, and its name in pilotlight.toml is now {name}: until the old "
            "one was gone nothing would turn it off. Run `pilot off`, then deploy again."
        )


def refuse_another_type(target: Deployment, chosen: Stage) -> None:
    """While the endpoint is on and scales: AWS refuses to change the type under a registered target, after minutes.

    An override (a type that was fallen back on) holds while the fingerprint stays. Raises Refused.
    """
    if not (target.stack_status("Endpoint") and target.ends and serving.scales(target)):
        return
    wanted = chosen.instance_types if chosen.instance_pools else (chosen.instance_type,)
    present = serving.types(target)
    if target.output("Endpoint", "Fingerprint") != chosen.fingerprint and present and present != wanted:
        raise Refused(
            f"The endpoint {target.endpoint_name} is on, scales, and runs on {' or '.join(present)}; "
            f"this deploy would put it on {' or '.join(wanted)}, which AWS refuses while it scales. Run `pilot off`, "
            "`pilot deploy`, and then `pilot on`."
        )


def destroy(
    yes: YesOption = False,
    stage: StageOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn the endpoint off, destroy every stack of a stage, and see to it that nothing which bills is left."""
    target = deployment(stage, aws, region)
    name = configured(target).endpoint_name
    keeps = kept(target)
    if not as_json:
        out.print(f"Kept on purpose: {'; '.join(keeps)}.", highlight=False)
    confirm(f"Destroy stage {target.stage} on {target.place} with its endpoint, API, keys and receipts?", yes)
    teardown = Teardown(target, name, lambda *arguments: run_cdk(target, *arguments), report=lines())
    teardown.destroy()
    if as_json:
        document = {"stage": target.stage, "place": target.place, "removed": teardown.removed, "kept": keeps}
        print_json(document)
        return
    out.print(f"[green]Stage {target.stage} is gone[/] from {target.place}: looked at from outside, nothing is left.")
    if teardown.removed:
        out.print(f"Removed beside the stacks: {', '.join(teardown.removed)}.", highlight=False)
    out.print(f"Kept on purpose: {'; '.join(keeps)}.", highlight=False)


def lines() -> Report:
    """Says what is being done, a line each, as `cdk` writes between them. What is polled for is said once."""
    last = ""

    def say(phrase: str) -> None:
        nonlocal last
        if phrase != last:
            last = phrase
            err.print(phrase, highlight=False, soft_wrap=True)

    return say


def run_cdk(target: Deployment, *arguments: str) -> None:
    """With a bar on the embedded cloud; on AWS `cdk` speaks for itself."""
    if not target.aws_endpoint_url:
        cdk(target, *arguments)
        return
    with progress() as report:
        report(f"cdk {arguments[0]}")
        cdk(target, *arguments)
