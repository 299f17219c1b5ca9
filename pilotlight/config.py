"""`pilotlight.toml` in, one `Stage` out: defaults filled in, everything checked, before anything is built.

Needs neither the network nor more than pydantic and the standard library.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from pilotlight import access, advice, auto_off, catalog, fine_tune, fit, provenance, scaling
from pilotlight.catalog import CUSTOM_MODEL, LOCAL_MODEL, Contract
from pilotlight.choice import Choice
from pilotlight.config_errors import ConfigError, Problem
from pilotlight.config_file import StageTable, did_you_mean, read, unknown_stage
from pilotlight.prices import usd_per_hour
from pilotlight.stage import ApiLimits, AutoOff, Schedule, Stage, Target

__all__ = ["LOCAL_STAGE", "ApiLimits", "ConfigError", "Problem", "Stage", "Target", "load"]

LOCAL_STAGE: Final = "local"  # what the embedded cloud deploys unless told otherwise
_LOCAL_REGION: Final = "us-east-1"


def load(path: Path, stage: str | None = None, *, target: Target, region: str | None = None) -> Stage:
    """The named stage of the file at `path`, ready to build.

    Without a name it is the file's `default_stage` on AWS and `LOCAL_STAGE` on the embedded cloud. `region`
    is the environment's; the stage's own comes first, and the embedded cloud falls back to us-east-1. Where
    the catalog knows no image or artifact, the embedded cloud, which runs neither, gets placeholders.

    Raises `ConfigError` with every problem found.
    """
    config = read(path)
    name = stage or (LOCAL_STAGE if target == "local" else config.default_stage)
    if name not in config.stages:
        raise ConfigError(path.name, [unknown_stage("stage", name, config.stages)])
    table = config.stages[name]
    model = catalog.model(table.model)
    if model is None:
        raise ConfigError(path.name, [_unknown_model(name, table.model)])
    fallback = _LOCAL_REGION if target == "local" else None
    choice = Choice(stage=name, table=table, model=model, target=target, region=table.region or region or fallback)
    problems = [
        *provenance.problems(choice),
        *fit.problems(choice),
        *access.problems(choice),
        *auto_off.problems(choice),
        *fine_tune.problems(choice),
        *scaling.problems(choice),
        *_shared_endpoint(choice, config.stages),
    ]
    if problems:
        raise ConfigError(path.name, problems)
    return _resolve(choice)


def _unknown_model(stage: str, name: str) -> Problem:
    names, ids = catalog.models(), catalog.jumpstart_models()
    return Problem(
        key=f"stages.{stage}.model",
        value=name,
        reason=f"the catalog has no such model{did_you_mean(name, [*names, *ids])}",
        allowed=f"{', '.join(names)}; one of {len(ids)} ids of JumpStart (`pilot models list`); "
        "or an id of huggingface.co, ORGANISATION/NAME",
        fix=f'name one of these, or write model = "{CUSTOM_MODEL}" for a container of your own',
    )


def _shared_endpoint(choice: Choice, stages: Mapping[str, StageTable]) -> Iterator[Problem]:
    """The switch of a stage deletes an endpoint of its name that its own stack says is off."""
    name = _endpoint_name(choice.stage, choice.table)
    for other, table in stages.items():
        near = (table.region or choice.region) == choice.region
        if other != choice.stage and near and _endpoint_name(other, table) == name:
            yield Problem(
                key=choice.key("endpoint_name"),
                value=name,
                reason=f"the stage {other} names its endpoint so too, and each would delete the other's as a survivor",
                allowed="a name that no other stage of the file has in the same Region",
                fix=f'write, for example: endpoint_name = "pilotlight-{choice.stage}-own"',
            )


def _endpoint_name(stage: str, table: StageTable) -> str:
    return table.endpoint_name or f"pilotlight-{stage}"


def _resolve(choice: Choice) -> Stage:
    """A choice without problems, with every default filled in."""
    table, model = choice.table, choice.model
    prices = {name: usd_per_hour(name) for name in choice.instance_types}
    # The embedded cloud's wake-up is that of the small model that stands in there.
    served = catalog.models()[LOCAL_MODEL] if choice.target == "local" else model
    gated = model.gated and table.model_data_url is None
    return Stage(
        name=choice.stage,
        target=choice.target,
        region=cast(str, choice.region),  # None was a problem
        model=model.name,
        contract=cast(Contract, choice.contract),  # None was a problem
        chat_template=catalog.chat_templates()[choice.chat_template] if choice.chat_template else None,
        window=choice.window,
        image_uri=_image_uri(choice),
        model_data_url=_model_data_url(choice),
        gated=gated,
        instance_types=choice.instance_types,
        instance_pools=choice.instance_pools,
        instance_count=table.instance_count,
        scaling=scaling.resolved(choice),
        promotion=table.promotion,
        promotion_bake_seconds=table.promotion_bake_seconds,
        volume_size_gb=table.volume_size_gb,
        model_data_download_timeout_seconds=table.model_data_download_timeout_seconds
        or model.model_data_download_timeout_seconds,
        container_startup_timeout_seconds=table.container_startup_timeout_seconds
        or model.container_startup_timeout_seconds,
        environment=choice.environment_on(choice.instance_types[0]),
        endpoint_name=_endpoint_name(choice.stage, table),
        api=_api(choice),
        auto_off=_auto_off(table),
        wake_on_call=table.wake_on_call,
        notify=table.notify,
        dashboard=table.dashboard,
        wake_seconds=served.wake_seconds,
        usd_per_hour={name: usd for name, usd in prices.items() if usd is not None},
        model_variable=None if table.model_data_url else model.model_variable,
        inference_ami_version=None if table.image_uri else model.inference_ami_version,
        finetune=fine_tune.fine_tune(choice, base_model=_model_data_url(choice), gated=gated),
        warnings=(*advice.warnings(choice), *auto_off.warnings(choice)),
    )


def _api(choice: Choice) -> ApiLimits:
    """In the embedded cloud nothing is refused as an overload: the machine's other work makes answers slow there.

    A model that was named by its JumpStart id goes by that, too.
    """
    written = choice.table.api.model_dump()
    if choice.table.model != choice.model.name:
        written["model_aliases"] = (*written["model_aliases"], choice.table.model)
    if choice.target == "local" and written["overload_latency_seconds"] is None:
        written["overload_latency_seconds"] = written["integration_timeout_seconds"]
    return ApiLimits(**written)


def _auto_off(table: StageTable) -> AutoOff:
    budget = table.monthly_budget_usd
    return AutoOff(
        idle_minutes=table.idle_minutes,
        warning_minutes=table.warning_minutes,
        lifetime_hours=table.lifetime_hours,
        monthly_budget_usd=None if budget is None else Decimal(str(budget)),
        schedules=tuple(Schedule(**schedule.model_dump()) for schedule in table.schedules),
    )


def _image_uri(choice: Choice) -> str:
    if choice.table.image_uri is not None:
        return choice.table.image_uri
    if choice.model.image is None:
        return f"pilotlight.local/{choice.model.name}"
    account = catalog.registry_accounts()[cast(str, choice.region)]
    return choice.model.image.format(account=account, region=choice.region)


def _model_data_url(choice: Choice) -> str | None:
    if choice.table.model_data_url is not None or choice.model.hub:
        return choice.table.model_data_url
    if choice.model.artifact is None:
        return f"s3://pilotlight-local/{choice.model.name}/"
    return choice.model.artifact.format(region=choice.region)
