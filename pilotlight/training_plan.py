"""What a run will do and may cost, told before anything is uploaded, by the code that checks it afterwards."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finetune import asked as asking
from finetune.asked import ONLY_WITHOUT_ATTACH
from finetune.dataset import Report, check
from finetune.errors import BadRequest
from finetune.hyperparameters import RULES
from finetune.money import over_budget
from finetune.plan import Plan, plan
from finetune.programs import rules_of

from pilotlight.finetune import Dataset, FineTuneError
from pilotlight.prices import is_of_elsewhere
from pilotlight.stage import Stage

__all__ = ["ONLY_WITHOUT_ATTACH", "Planned", "planned"]

_CHUNK_BYTES = 1 << 20
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Planned:
    """For a person: `rows` are the plan, `price` one sentence of what the run costs at most."""

    rows: dict[str, str]
    price: str
    warnings: tuple[str, ...]


def planned(data: Dataset | None, asked: Mapping[str, Any], stage: Stage, now: datetime) -> Planned:
    """Raises FineTuneError for what the run would be refused for."""
    try:
        rules = rules_of(stage.finetune.settings.spec.program) if stage.finetune else RULES
        request = asking.from_body(asked, rules)
        if data is None:
            return Planned({"job": str(request.attach)}, "Nothing is trained, so nothing is paid for that.", ())
        if stage.finetune is None:
            raise FineTuneError(f"The model of stage {stage.name}, {stage.model}, cannot be fine-tuned.")
        settings = stage.finetune.settings
        report = check(_Files(data, request.prefix), request, defaults=settings.hyperparameters, rules=rules)
        if report.problem_count:
            raise FineTuneError(_problems(report))
        made = plan(request, report, settings, now=now.timestamp(), run_id="planned")
    except BadRequest as bad:
        raise FineTuneError(bad.message) from bad
    budget = over_budget(made.max_cost_usd, stage.auto_off.monthly_budget_usd)
    warnings = (*made.warnings, *budget, *_priced_elsewhere(made, str(stage.region)))
    return Planned(_rows(report, made), f"It costs at most USD {made.worst_cost_usd:.2f}.", warnings)


class _Files:
    """The dataset as it will lie in the bucket, below `prefix`."""

    def __init__(self, data: Dataset, prefix: str) -> None:
        self._paths = {prefix + name: path for name, path in data.files.items()}

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return ((key, path.stat().st_size) for key, path in self._paths.items() if key.startswith(prefix))

    def open(self, key: str) -> Iterator[bytes]:
        with self._paths[key].open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def _priced_elsewhere(made: Plan, region: str) -> Iterator[str]:
    types = dict.fromkeys((*(made.instance_types if made.attach is None else ()), *made.evaluation_types))
    names = [name for name in types if is_of_elsewhere(name, region)]
    if names:
        yield (
            f"The prices of {', '.join(names)} are US East's; {region} may differ, and by as much max_cost_usd is then "
            f"passed: `pilot prices refresh --region {region}` and `pilot deploy` mend that."
        )


def _rows(report: Report, made: Plan) -> dict[str, str]:
    changed = ", ".join(f"{name} {value}" for name, value in made.hyperparameters.items())
    spot = ", spot" if made.spot else ""
    trains = {
        "instance": f"{made.instance_count} × {' or '.join(made.instance_types)}{spot}",
        "time": f"at most {made.max_runtime_seconds / 3600:.2f} hours of training",
        "hyperparameters": changed,
    }
    return {
        "rows": ", ".join(f"{count} {part}" for part, count in report.rows.items() if count),
        "format": report.format,
        "tokens in a row": f"at most about {report.longest_tokens} ({_histogram(report)})",
        **(trains if made.attach is None else {"job": made.attach}),
        "costs": f"at most USD {made.worst_cost_usd:.2f}; USD {made.evaluation_usd:.2f} are kept for the evaluation",
        "serves": " and ".join(_conditions(made)) or "whatever its loss is: nothing evaluates it",
    }


def _histogram(report: Report) -> str:
    """Of all rows, by estimated tokens."""
    return ", ".join(
        f"{one['rows']} " + ("longer" if one["up_to"] is None else f"up to {one['up_to']}")
        for one in report.token_histogram
        if one["rows"]
    )


def _conditions(made: Plan) -> Iterator[str]:
    if made.evaluation_types:
        yield f"if the loss falls by {made.min_improvement:.1%} or more"
    if made.approve:
        yield "after `pilot approve`"


def _problems(report: Report) -> str:
    lines = [str(problem) for problem in report.problems[:_MOST_SHOWN]]
    more = report.problem_count - len(lines)
    rest = [f"and {more} more"] if more > 0 else []
    return "\n".join([f"The dataset has {report.problem_count} problems; nothing was uploaded:", *lines, *rest])
