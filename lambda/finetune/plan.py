"""Plan: from what was asked and what was found to the requests, or a refusal before anything is paid for.

The dollar ceiling holds by induction: each job's runtime limit follows from what is left when it is requested, so no
sequence of attempts can pass it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from common.shown import shown

from finetune import money, programs, window
from finetune.asked import Asked
from finetune.dataset import Report
from finetune.errors import BadRequest, did_you_mean
from finetune.layout import PROMPTS, VALIDATION
from finetune.programs import JumpStart, OwnContainer, Program, Script
from finetune.spec import Settings

LEAST_RUNTIME_SECONDS: Final = 600
"""Less than this is gone before the first step: image, base model and dataset are downloaded first."""
LEAST_EVALUATION_SECONDS: Final = 300
_RUN_ID: Final = re.compile(r"[a-z0-9](-?[a-z0-9]){0,17}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will do. `evaluation_types` is empty where nothing can evaluate. All of it is JSON, by `to_data`."""

    run_id: str
    base_model: str  # what is served without a tuned model, when the run begins; "" in runs of before
    attach: str | None  # a training job started elsewhere: nothing is trained
    dataset: str | None  # this and the next five: None together
    format: str | None
    train_uri: str | None
    validation_uri: str | None
    prompts_uri: str | None
    sha256: str | None
    hyperparameters: Mapping[str, str]
    instance_types: tuple[str, ...]  # in the order of trying
    instance_count: int
    evaluation_types: tuple[str, ...]
    max_cost_usd: Decimal
    evaluation_usd: Decimal  # kept back for the evaluation
    spot: bool
    approve: bool
    min_improvement: float
    max_runtime_seconds: int  # of a first attempt on the first instance type
    worst_cost_usd: Decimal  # of a first attempt on the first instance type, and of the evaluation
    started_at: float  # epoch seconds
    warnings: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """As JSON; dollars are texts."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: _json(value) for name, value in data.items()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Plan":
        """What `to_data` gave, as the next step gets it."""
        tuples = {name: tuple(data[name]) for name in ("instance_types", "evaluation_types", "warnings")}
        dollars = {name: Decimal(data[name]) for name in ("max_cost_usd", "evaluation_usd", "worst_cost_usd")}
        return cls(**{"base_model": "", **data, **tuples, **dollars})


def plan(asked: Asked, report: Report | None, settings: Settings, *, now: float, run_id: str) -> Plan:
    """`now` in epoch seconds; `run_id` of at most 18 lower-case letters, digits and inner hyphens. Raises BadRequest.

    `report` is None for a run without a dataset: it attaches a job, and nothing can be evaluated.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is no run id: at most 18 lower-case letters, digits and inner hyphens.")
    if report is not None:
        _check_report(report, settings)
    types, count = asked.instance_types or settings.instance_types, asked.instance_count
    for name in types:
        _check_known(name, settings)
    spec, given = settings.spec, {**settings.hyperparameters, **asked.hyperparameters}
    hyperparameters = programs.completed(spec.program, given, report.format if report else None)
    ceiling = Decimal(str(asked.max_cost_usd)) if asked.max_cost_usd is not None else settings.max_cost_usd
    evaluating = _evaluation_types(types, settings) if report is not None else ()
    share = Decimal(1) if asked.attach else money.EVALUATION_SHARE
    reserve = ceiling * share if evaluating else Decimal(0)
    _check_window(spec.program, hyperparameters, report if evaluating else None, trains=asked.attach is None)
    for name in evaluating:
        _check_evaluation_limit(name, evaluation_seconds(settings, name, reserve), ceiling, settings, share)
    spot = settings.spot if asked.spot is None else asked.spot
    seconds, cost = 0, Decimal(0)
    if asked.attach is None:
        programs.check_count(spec.program, spec.model, count, hyperparameters)
        for name in types:
            programs.check_memory(spec.program, hyperparameters, name, settings.instances[name], count)
        seconds, cost = _training_limit(types, count, ceiling, ceiling - reserve, settings)
    return Plan(
        run_id=run_id,
        base_model=spec.base_model,
        attach=asked.attach,
        **_data_of(asked, report),
        hyperparameters=hyperparameters,
        instance_types=types,
        instance_count=count,
        evaluation_types=evaluating,
        max_cost_usd=ceiling,
        evaluation_usd=reserve,
        spot=spot,
        approve=settings.approve if asked.approve is None else asked.approve,
        min_improvement=settings.min_improvement if asked.min_improvement is None else asked.min_improvement,
        max_runtime_seconds=seconds,
        worst_cost_usd=cost
        + max((_evaluation_usd(settings, name, ceiling - cost) for name in evaluating), default=Decimal(0)),
        started_at=now,
        warnings=(
            *(report.warnings if report else ()),
            *_warnings(report, evaluating, settings, trains=asked.attach is None),
            *(_may_begin_anew(spec.program) if spot and asked.attach is None else ()),
        ),
    )


def training_seconds(settings: Settings, instance_type: str, count: int, budget_usd: Decimal) -> int:
    """The runtime limit of a training job that may cost `budget_usd`."""
    rate = money.rate_usd(settings.instances[instance_type], count)
    margin = money.after_limit_seconds(settings.spec.uploaded_bytes)
    return min(money.runtime_seconds(budget_usd, rate, margin), settings.spec.max_run_seconds)


def evaluation_seconds(settings: Settings, instance_type: str, budget_usd: Decimal) -> int:
    """The runtime limit of an evaluation that may cost `budget_usd`: its report is small, so its upload is short."""
    rate = money.rate_usd(settings.instances[instance_type], 1)
    return min(money.runtime_seconds(budget_usd, rate, money.after_limit_seconds(0)), money.EVALUATION_SECONDS)


def _training_limit(
    types: tuple[str, ...], count: int, ceiling: Decimal, budget_usd: Decimal, settings: Settings
) -> tuple[int, Decimal]:
    """Seconds, and dollars at worst, of a training on the first of these types; each must have time enough."""
    limits = {name: training_seconds(settings, name, count, budget_usd) for name in types}
    for name, seconds in limits.items():
        _check_training_limit(name, seconds, ceiling, settings, count)
    seconds, rate = limits[types[0]], money.rate_usd(settings.instances[types[0]], count)
    return seconds, money.worst_usd(seconds, rate, money.after_limit_seconds(settings.spec.uploaded_bytes))


def _evaluation_usd(settings: Settings, instance_type: str, budget_usd: Decimal) -> Decimal:
    """What an evaluation costs at most that may cost `budget_usd`: it has a limit of its own as well."""
    seconds = evaluation_seconds(settings, instance_type, budget_usd)
    return money.worst_usd(seconds, money.rate_usd(settings.instances[instance_type], 1), money.after_limit_seconds(0))


def _data_of(asked: Asked, report: Report | None) -> dict[str, Any]:
    if report is None or asked.dataset is None:
        names = ("dataset", "format", "train_uri", "validation_uri", "prompts_uri", "sha256")
        return dict.fromkeys(names)
    return {
        "dataset": asked.dataset,
        "format": report.format,
        "train_uri": asked.dataset + report.train_folder,
        "validation_uri": f"{asked.dataset}{VALIDATION}" if report.has_validation else None,
        "prompts_uri": f"{asked.dataset}{PROMPTS}" if report.has_prompts else None,
        "sha256": report.sha256,
    }


def _check_known(instance_type: str, settings: Settings) -> None:
    if instance_type not in settings.instances:
        raise BadRequest(
            f"`instance_types` holds {shown(instance_type)}{did_you_mean(instance_type, settings.instances)}, which "
            "cannot be trained on, or has no known price, and without one the ceiling max_cost_usd cannot be kept; "
            f"it may hold {', '.join(settings.instances)}.",
            param="instance_types",
        )


def _check_report(report: Report, settings: Settings) -> None:
    if report.problem_count:
        first = "; ".join(str(problem) for problem in report.problems[:3])
        raise BadRequest(f"The dataset has {report.problem_count} problems. The first: {first}.", param="dataset")
    if report.beside and isinstance(settings.spec.program, JumpStart):
        raise BadRequest(
            f"{', '.join(report.beside)} lies beside the training files, and JumpStart's training would read it as "
            "one. Put the training files (and template.json) into train/.",
            param="dataset",
        )


def _check_window(program: Program, sent: Mapping[str, str], evaluated: Report | None, *, trains: bool) -> None:
    """What a script's hyperparameters mean nobody knows."""
    if (trains or evaluated is not None) and not isinstance(program, Script):
        window.check_length(program.shape, sent)
    if evaluated is not None:
        window.check_prompts(program.shape, evaluated)


def _evaluation_types(types: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    if settings.spec.evaluation_image_uri is None:
        return ()
    program, instances = settings.spec.program, settings.instances
    return tuple(name for name in types if programs.fits_evaluation(program, name, instances[name]))


def _check_training_limit(name: str, seconds: int, ceiling: Decimal, settings: Settings, count: int) -> None:
    if seconds < LEAST_RUNTIME_SECONDS:
        rate = money.rate_usd(settings.instances[name], count)
        raise BadRequest(
            f"`max_cost_usd` is {ceiling}, which leaves {max(seconds, 0)} seconds of training on {count} {name} at "
            f"USD {rate} an hour; at least {LEAST_RUNTIME_SECONDS} are needed. Raise it, or name a cheaper type.",
            param="max_cost_usd",
        )


def _check_evaluation_limit(name: str, seconds: int, ceiling: Decimal, settings: Settings, share: Decimal) -> None:
    if seconds < LEAST_EVALUATION_SECONDS:
        part = "all of it" if share == 1 else "the fifth of it that is kept for the evaluation"
        raise BadRequest(
            f"`max_cost_usd` is {ceiling}, and {part} pays for {max(seconds, 0)} seconds on {name} at USD "
            f"{settings.instances[name].usd_per_hour} an hour; at least "
            f"{LEAST_EVALUATION_SECONDS} are needed. Raise it, or name a cheaper type.",
            param="max_cost_usd",
        )


def _warnings(report: Report | None, evaluating: tuple[str, ...], settings: Settings, *, trains: bool) -> Iterator[str]:
    if report is not None and isinstance(settings.spec.program, Script):
        yield from _unchecked(report, evaluating, trains=trains)
    if report is not None and evaluating:
        yield from window.prompt_warnings(settings.spec.program.shape, report)
    yield from _unevaluated(report, evaluating, settings)


def _unchecked(report: Report, evaluating: tuple[str, ...], *, trains: bool) -> Iterator[str]:
    """What nobody can know of a program that is the user's own."""
    if trains:
        yield (
            "The program is your own: whether it fits the GPUs' memory is not checked, and its hyperparameters are "
            "sent as they are."
        )
    if evaluating and not report.has_validation:
        yield (
            "The dataset has no validation/, so it is evaluated on rows that your program may have trained with: the "
            "evaluation does not know how it splits them."
        )


def _may_begin_anew(program: Program) -> Iterator[str]:
    """SageMaker keeps /opt/ml/checkpoints for any program; that it is read again only the project's container says."""
    if not isinstance(program, OwnContainer):
        whose = "JumpStart's script" if isinstance(program, JumpStart) else "your program"
        yield (
            f"Spot: whether {whose} keeps checkpoints in /opt/ml/checkpoints, and goes on from them, is not known. One "
            "that does not begins anew after each interruption, and what it had done is paid for again."
        )


def _unevaluated(report: Report | None, evaluating: tuple[str, ...], settings: Settings) -> Iterator[str]:
    if evaluating:
        return
    consequence = "No evaluation against the base model: the training's own evaluation loss is all there is."
    if report is None:
        yield f"This run has no dataset. {consequence}"
    elif settings.spec.evaluation_image_uri is None:
        key = "evaluation_image_uri" if isinstance(settings.spec.program, Script) else "image_uri"
        yield (
            f"[stages.{settings.stage}.finetune] names no {key} of the project's training container, and does not have "
            f'it built ("build"). {consequence}'
        )
    else:
        yield f"The model fits none of the instance types at full precision. {consequence}"


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
