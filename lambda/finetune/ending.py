"""How a run ends: one place for every success, one for every failure. Nothing is left running, and a person is told.

The end is written down before anything else that may fail: a model that was smoked and serves must not be taken back
because a mail could not be sent.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from finetune import promotion, registry, stopping
from finetune.answer import Answer
from finetune.clients import Kit
from finetune.run import DONE, FAILED, KIND, RUNNING, Run

_OFF_AGAIN = "The endpoint was off without this run, and is turned off again."
_TRAINED = ("Register", "Approve", "Promote", "Smoke", "Done")
"""The steps at which there is a model that was found good enough."""


def done(run: Run, kit: Kit) -> Answer:
    if run.status != RUNNING:
        return _settled(run, kit)
    serves = f"The endpoint serves the tuned model, {run.artifact}."
    if lit := promotion.lit_for_it(run):
        serves = f"{_OFF_AGAIN} It serves the tuned model, {run.artifact}, when it is next on."
    ended = run.saying("Done", kit.now, f"{serves} The run cost about USD {run.usd:.2f}.")
    headline = f"a fine-tuned model {'is in place' if lit else 'serves'}"
    return _ended(replace(ended, status=DONE), kit, "Approved", headline)


def fail(run: Run, kit: Kit) -> Answer:
    """What happened is the run's message by now. Its jobs are stopped; a run that has ended stays as it ended."""
    if run.status != RUNNING:
        return _settled(run, kit)
    for job in stopping.left_running(run):  # where Rollback did not come to it
        stopping.ask_to_stop(job, kit)
    return _ended(replace(_blamed(run), status=FAILED), kit, "Rejected", "a fine-tuning run FAILED")


def _ended(run: Run, kit: Kit, verdict: Literal["Approved", "Rejected"], headline: str) -> Answer:
    run = replace(run, ended_at=kit.now, token="")
    kit.ledger.put(KIND, run.id, run.to_data())
    registry.judged(run, kit, verdict)
    _tell(run, kit, headline)
    return _settled(run, kit)


def _settled(run: Run, kit: Kit) -> Answer:
    """Last, as it is what may fail: a step that is repeated, or a mending, finds the end written and does the rest."""
    return Answer(promotion.settle(run, kit))


def _blamed(run: Run) -> Run:
    """The step that failed, and why; what became of the endpoint, of which a rollback has spoken last; what to do."""
    why = next((step for step in reversed(run.steps) if step["name"] != "Rollback"), None)
    if run.step == "Rollback" and why is not None:
        run = replace(run, step=why["name"], message=f"{why['message']} {run.message}")
    off_again = [_OFF_AGAIN] if promotion.lit_for_it(run) else []
    job = run.job("train")
    up_again = [f"Its model is kept: `pilot finetune --attach {job.name}` puts it up again."] if job else []
    return replace(run, message=" ".join([run.message, *off_again, *(up_again if run.step in _TRAINED else [])]))


def broke(run: Run, kit: Kit, failure: Mapping[str, Any]) -> Run:
    """A step that failed for good, as Step Functions' Catch tells it, or an execution that ended some other way."""
    if failure.get("Error") == "States.Timeout":
        hours = kit.settings.training.approval_hours
        return run.saying(run.step, kit.now, f"Nobody approved it within {hours} hours.")
    if failure.get("Error") == "Rejected":
        return run.saying(run.step, kit.now, "It was rejected: the endpoint serves what it served before.")
    why = f"{failure.get('Error', 'an error')}, {str(failure.get('Cause', 'no cause'))[:500]}"
    again = "" if run.step in _TRAINED else " Start it again with `pilot finetune`."
    return run.saying(run.step, kit.now, f"{run.step or 'The run'} broke off: {why}.{again}")


def _tell(run: Run, kit: Kit, headline: str) -> None:
    """Where SNS does not take it the end stays what it is: the run's record says the same."""
    spent = f"It cost about USD {run.usd:.2f}." if run.jobs else "Nothing was paid for."
    where = f"See `pilot finetune status {run.id} --stage {kit.settings.stage}`."
    try:
        kit.sns.publish(
            TopicArn=kit.settings.notices_topic_arn,
            Subject=f"Pilotlight {kit.settings.stage}: {headline}"[:99],
            Message="\n\n".join([f"Run {run.id}, {run.step}: {run.message}", spent, where]),
        )
    except (BotoCoreError, ClientError) as error:
        print(json.dumps({"run": run.id, "status": run.status, "not_told": str(error)}))
