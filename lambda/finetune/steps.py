"""One step of a run: read what is known of it, take the step, write down what came of it.

    CheckDataset  what was asked for, and every row of the dataset     (asked, dataset)
    Plan          what it takes and may cost, or why not               (plan)
    Train, Evaluate   jobs of SageMaker, looked at until they end      (training, evaluation)
    Register      a version in the model registry                      (registry)
    Approve       a person is asked, where the run wants that          (approval)
    Promote, Smoke, Rollback   through the switch, and the public API  (promotion, trial, smoke); Rollback stops the
                               jobs as well                            (stopping)
    Done, Notify      the two ends                                     (ending)

A step looks before it acts, and may be repeated. Why a run cannot go on is kept with it, not thrown.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from common import describe
from common.mending import mended_by

from finetune import approval, beginning, ending, evaluation, promotion, registry, stopping, training
from finetune.answer import NOTHING, Answer, RunFailed
from finetune.clients import Kit
from finetune.run import DONE, KIND, RUNNING, Run, id_of
from finetune.trial import try_out
from finetune.waits import pause
from finetune.watch import GaveUp

Step = Callable[[Run, Kit], Answer]


def take(event: Mapping[str, Any], kit: Kit, *, endpoint_url: str | None) -> dict[str, Any]:
    """`event` is {"step", "state": {"id", "given" | "failure" | …}, "execution", "now"}, and "token" where a person's
    approval is waited for. Raises what is neither the run's fault nor foreseen: Step Functions repeats the step.
    """
    state, step = event["state"], event["step"]
    mends = {"mends": True} if state.get("mends") else {}
    run = _known(state, event["execution"], kit)
    if run is None:
        unknown = Run(id=id_of(state["id"]), message=f"There is no run {state['id']} to be mended.")
        return Answer(unknown, NOTHING).to_data() | mends
    if mends and _goes_on_elsewhere(run, event["execution"], kit):
        return Answer(run, "wait", pause(run.silent_seconds(kit.now))).to_data() | mends
    if run.status == RUNNING:
        run = _broken(run, state, event["execution"], kit)
    try:
        answer = _taken(step, run, kit, event, endpoint_url)
    except GaveUp as failed:
        answer = Answer(failed.run.saying(step, kit.now, str(failed)), "failed")
    except RunFailed as failed:
        answer = Answer(run.saying(step, kit.now, str(failed)), "failed")
    if answer.next != NOTHING:
        kit.ledger.put(KIND, answer.run.id, answer.run.to_data())
    return answer.to_data() | mends


def _taken(step: str, run: Run, kit: Kit, event: Mapping[str, Any], endpoint_url: str | None) -> Answer:
    if step == "CheckDataset":
        return beginning.check(run, kit, event["state"]["given"])
    if step == "Approve":
        return Answer(approval.ask(run, kit, event["token"]))
    if step == "Rollback":
        return _taken_back(run, kit)
    if step == "Smoke":
        return try_out(run, kit, endpoint_url=endpoint_url)
    return _STEPS[step](run, kit)


def _taken_back(run: Run, kit: Kit) -> Answer:
    """What serves comes first; then the jobs, so that the end says what they cost."""
    if run.status == DONE:
        return Answer(run)  # its model serves, whatever failed after that
    back = promotion.roll_back(run, kit)
    return stopping.stop_jobs(back.run, kit) if back.next == "go" and run.status == RUNNING else back


def _known(state: Mapping[str, Any], execution: str, kit: Kit) -> Run | None:
    """A new one where there is none yet. What is to be mended is the run of a killed execution's name, or that which
    the execution was itself to mend; None where it was neither.
    """
    names = (state["id"], mended_by(state["id"])) if state.get("mends") else (state["id"],)
    for run in map(id_of, names):
        if found := kit.ledger.get(KIND, run):
            return Run.from_data(found)
    if state.get("mends"):
        return None
    by = str(state.get("given", {}).get("by") or "unsaid")
    return Run(id=id_of(state["id"]), execution_arn=execution, begun_at=kit.now, by=by)


def _goes_on_elsewhere(run: Run, execution: str, kit: Kit) -> bool:
    """Whether the run's own execution, or another one that mends it, still runs: two would disturb each other."""
    if run.status != RUNNING or run.execution_arn == execution:
        return False
    return describe.execution_status(kit.stepfunctions, run.execution_arn) == "RUNNING"


def _broken(run: Run, state: Mapping[str, Any], execution: str, kit: Kit) -> Run:
    """With what went wrong as its message, where that is known by the state only; unchanged otherwise."""
    if "failure" in state:
        return ending.broke(run, kit, state["failure"])
    if state.get("mends") and run.execution_arn != execution:
        run = replace(run, execution_arn=execution)  # it lives on in this one
        return ending.broke(run, kit, {"Error": "its execution ended", "Cause": "it was stopped, or ran out of time"})
    return run


_STEPS: Mapping[str, Step] = {
    "Plan": beginning.plan,
    "Train": training.train,
    "Evaluate": evaluation.evaluate,
    "Register": registry.register,
    "Promote": promotion.promote,
    "Done": ending.done,
    "Notify": ending.fail,
}
