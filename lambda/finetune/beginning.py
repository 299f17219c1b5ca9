"""The two steps before anything is paid for: what was asked for, and whether it can be learned from; what it takes,
and what it may cost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from finetune import asked as asking
from finetune import plan as planning
from finetune.answer import NOTHING, Answer, RunFailed
from finetune.asked import Asked
from finetune.chat_template import has_chat_template
from finetune.clients import Kit
from finetune.dataset import Report
from finetune.dataset import check as check_dataset
from finetune.errors import BadRequest
from finetune.jobs import run_of
from finetune.money import over_budget
from finetune.plan import Plan
from finetune.programs import OwnContainer, Script, rules_of
from finetune.run import KIND, Run
from finetune.store import Bucket

CLAIMS = "dropped"
_CLAIMED_SECONDS = 14 * 24 * 3600
"""Far longer than EventBridge repeats an event."""
MOST_SHOWN = 5
"""Problems in a message; the run's record has up to 20."""


def check(run: Run, kit: Kit, given: Mapping[str, Any]) -> Answer:
    """`given` is what the execution was started with: {"asked": {…}, "by"}, or {"dropped": a run.toml's key,
    "sequencer": its event's, "by"}.

    Raises RunFailed for whatever is wrong with the request, and says what is wrong with the dataset.
    """
    if not _claimed(run, kit, given):
        return Answer(run.saying("CheckDataset", kit.now, "Another run has this run.toml already."), NOTHING)
    run = run.saying("CheckDataset", kit.now, "What was asked for is being read.")
    kit.ledger.put(KIND, run.id, run.to_data())  # a gigabyte takes minutes, in which the run can be seen and stopped
    try:
        asked = _asked(kit, given)
        run = replace(run, asked=asked.to_data())
        if asked.dataset is None:
            said = f"No dataset: the job {asked.attach} is put behind the API as it is."
            return Answer(run.saying("CheckDataset", kit.now, said))
        training = kit.settings.training
        rules = rules_of(training.spec.program)
        report = check_dataset(Bucket(kit.s3, asked.bucket), asked, defaults=training.hyperparameters, rules=rules)
    except BadRequest as bad:
        raise RunFailed(bad.message) from bad
    except ClientError as error:
        raise RunFailed(
            f"The dataset {given} cannot be read: {error}. Is it there, and in the stage's bucket?"
        ) from error
    run = replace(run, dataset=report.to_data())
    if report.problem_count:
        return Answer(run.saying("CheckDataset", kit.now, _problems(report)), "failed")
    rows = ", ".join(f"{count} {part}" for part, count in report.rows.items() if count)
    return Answer(run.saying("CheckDataset", kit.now, f"The dataset can be learned from; rows: {rows}."))


def plan(run: Run, kit: Kit) -> Answer:
    """Raises RunFailed for what cannot fit: hyperparameters, memory, dollars, dialogs."""
    training = kit.settings.training
    asked = asking.from_body(run.asked, rules_of(training.spec.program))
    try:
        report = Report.from_data(run.dataset) if run.dataset else None
        made = planning.plan(asked, report, training, now=kit.now, run_id=run.id)
    except BadRequest as bad:
        raise RunFailed(bad.message) from bad
    budget = over_budget(made.max_cost_usd, kit.settings.monthly_budget_usd)
    warnings = (*made.warnings, *budget, *_of_the_attached(made, kit), *_of_dialogs(made, kit))
    warned = "".join(f" Warning: {warning}" for warning in warnings)
    run = replace(run, plan=made.to_data(), asked={**run.asked, "approve": made.approve})
    return Answer(run.saying("Plan", kit.now, _planned(made) + warned))


def _of_the_attached(made: Plan, kit: Kit) -> Iterator[str]:
    """Warnings of a job that is attached, by the run of this stage that has started it, if one did.

    It may have learned from the rows that it is judged by. Those that are split off are known to be new to it only if
    that run has split the same files in the same way. What a script does is warned of for every run (finetune.plan).
    """
    if made.attach is None:
        return
    run = run_of(kit.settings.stage, made.attach)
    began_with: Mapping[str, Any] = ((kit.ledger.get(KIND, run) if run else None) or {}).get("plan") or {}
    if began_with.get("base_model", "") not in ("", made.base_model):
        yield (
            f"The job {made.attach} was trained for {began_with['base_model']}, and the stage's model is "
            f"{made.base_model} by now: what it left is served in that one's container."
        )
    is_script = isinstance(kit.settings.training.spec.program, Script)
    splits = made.evaluation_types and made.validation_uri is None and not is_script
    if splits and _split(began_with) != _split(made.to_data()):
        yield (
            f"The dataset has no validation/, so the job {made.attach} is judged by rows that are split off, and may "
            "have learned from some of them: it was not trained by a run of this stage with the same files and split."
        )


def _of_dialogs(made: Plan, kit: Kit) -> tuple[str, ...]:
    """Of rows that the project's container writes by the chat template of the base model. Raises RunFailed for a model
    without one: its job would find that out, and be paid for.
    """
    trains = made.attach is None and isinstance(kit.settings.training.spec.program, OwnContainer)
    if made.format != "chat" or not (trains or made.evaluation_types):
        return ()
    template = has_chat_template(kit.s3, made.base_model)
    if template is False:
        raise RunFailed(
            f"The rows are dialogs, and the tokenizer of {made.base_model} has no chat template, by which the "
            f"project's container {'trains' if trains else 'evaluates'}. Choose a model that was made for chats, or "
            "give the rows as instruction and response."
        )
    if template is None:
        return (
            f"The rows are dialogs, and whether the tokenizer of {made.base_model} has a chat template could not be "
            "seen: without one the job fails.",
        )
    return ()


def _split(plan: Mapping[str, Any]) -> tuple[object, ...]:
    """What decides which rows of a dataset are kept unseen, of a plan's data, which may be an older version's."""
    sent = plan.get("hyperparameters", {})
    return plan.get("sha256"), sent.get("validation_split_ratio"), sent.get("train_data_split_seed")


def _planned(made: Plan) -> str:
    costs = f"the jobs cost at most USD {made.worst_cost_usd:.2f}."
    if made.attach is None:
        hours = f"for {made.max_runtime_seconds / 3600:.2f} hours at most"
        return f"{made.instance_count} × {' or '.join(made.instance_types)}, {hours}; {costs}"
    if made.evaluation_types:
        return (
            f"The job {made.attach} is evaluated on {' or '.join(made.evaluation_types)}, and nothing trained; {costs}"
        )
    return f"The job {made.attach} is put behind the API; nothing is trained or evaluated, so no job is paid for."


def _claimed(run: Run, kit: Kit, given: Mapping[str, Any]) -> bool:
    """Whether this run is the one that a dropped file starts: S3's events come at least once, and each starts an
    execution. A file that is dropped again has another sequencer.
    """
    if not given.get("sequencer"):
        return True
    event = f"{given['dropped']}#{given['sequencer']}"
    if kit.ledger.put_if(CLAIMS, event, {"run": run.id}, version=0, expires_at=kit.now + _CLAIMED_SECONDS):
        return True
    return (kit.ledger.get(CLAIMS, event) or {}).get("run") == run.id  # the step is repeated


def _asked(kit: Kit, given: Mapping[str, Any]) -> Asked:
    """Raises BadRequest."""
    rules = rules_of(kit.settings.training.spec.program)
    if "dropped" in given:
        key = str(given["dropped"])
        prefix = key.rpartition("/")[0] + "/"
        try:
            text = Bucket(kit.s3, kit.settings.bucket).text(key)
        except UnicodeDecodeError as error:
            raise BadRequest(f"s3://{kit.settings.bucket}/{key} is not UTF-8: {error}. Save it as UTF-8.") from error
        if text is None:
            raise BadRequest(f"s3://{kit.settings.bucket}/{key} is not there any more.")
        return asking.from_toml(text, dataset=f"s3://{kit.settings.bucket}/{prefix}", rules=rules)
    fields = given.get("asked")
    if not isinstance(fields, Mapping):
        raise BadRequest('The run was started with no request: its input must be {"asked": {…}, "by": "…"}.')
    asked = asking.from_body(fields, rules)
    if asked.dataset is not None and asked.bucket != kit.settings.bucket:
        raise BadRequest(
            f"`dataset` is {asked.dataset}; it must lie in the stage's own bucket, "
            f"s3://{kit.settings.bucket}/datasets/. Copy it there: `pilot finetune FOLDER` does."
        )
    return asked


def _problems(report: Report) -> str:
    first = "; ".join(str(problem) for problem in report.problems[:MOST_SHOWN])
    more = report.problem_count - min(MOST_SHOWN, len(report.problems))
    rest = f"; and {more} more, of which `pilot finetune status` shows 20 in all" if more > 0 else ""
    return f"The dataset has {report.problem_count} problems, and nothing was paid for. {first}{rest}."
