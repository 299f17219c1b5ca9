"""The tuned model behind the API, and back: through the switch only, one run at a time (finetune.turn_taking)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from common import describe
from common.executions import execution_arn, start_once
from common.facts import StackFacts

from finetune import turn_taking
from finetune.answer import Answer, RunFailed
from finetune.bake import RINGING_SECONDS, baking, endpoint_stack, in_force, ring
from finetune.clients import Kit
from finetune.deployed import check_model
from finetune.run import Run
from finetune.waits import SHORTEST_SECONDS, pause

MOST_TRIES = 3
"""Of a promotion that another change of the endpoint overtook."""

MOST_PAUSE_SECONDS = 120
"""Between looks at a promotion that was asked for, so that its trial is seen."""

LATEST_TRIAL_SECONDS = 2 * 3600
"""After which no trial is expected any more: no fleet takes so long to come up."""

ON_TRIAL = "on trial"
"""The phase in which the endpoint's update bakes."""

_REACHED = ("on", "already on")
_BACK = {
    **dict.fromkeys(_REACHED, "The endpoint serves {} again."),
    **dict.fromkeys(
        ("off", "already off"),
        "The endpoint was turned off meanwhile, and stays off: it serves {} when it is next on.",
    ),
}
"""What a way back that got there says of the previous model: it lights nothing."""
_OVERTAKEN = ("superseded", "joined")


def promote(run: Run, kit: Kit) -> Answer:
    """Serve the artifact. Raises RunFailed where the endpoint did not take it: the switch has put back what was."""
    if not run.promotion:
        check_model(run, kit)  # one that has begun is seen to its end
    if not turn_taking.take(run.id, kit):
        waiting = run.saying("Promote", kit.now, "Another run is being promoted: this one waits.")
        return _looking_again(waiting, kit)
    state = run.promotion
    if not state:
        return _begin(run, kit)
    ended = _ended(kit, state["execution"])
    on_trial = state["phase"] == ON_TRIAL
    if ended is None:
        return _looking_again(run, kit) if on_trial or not baking(run, kit) else _on_trial(run, kit)
    outcome, message = ended
    serves = in_force(endpoint_stack(kit), run.artifact)
    if serves and outcome in _REACHED:
        promoted = replace(run, promotion={**state, "phase": "promoted"})
        said = f"The endpoint serves {run.artifact}."
        return Answer(promoted.saying("Smoke" if on_trial else "Promote", kit.now, said))
    if outcome in _OVERTAKEN and state["tries"] < MOST_TRIES and (serves or not on_trial):
        return _asked_again(run, kit)
    raise RunFailed(f"The endpoint did not take the tuned model, and serves what it served before. {message}")


def _asked_again(run: Run, kit: Kit) -> Answer:
    """After another change of the endpoint, which may be an off: that has its way."""
    if _is_being_turned_off(kit):
        return _looking_again(run, kit)
    if not _is_on(kit):
        raise RunFailed(
            "The endpoint was turned off before it took the tuned model: attach the job once it is on again."
        )
    check_model(run, kit)  # which the switch sees only while it is at it
    return _ask(run, kit, {**run.promotion, "tries": run.promotion["tries"] + 1}, run.artifact, "promote")


def _is_being_turned_off(kit: Kit) -> bool:
    """Whether the switch's lease is an off's, which may wait for a pause in the calls: asking would take it over."""
    lease = kit.ledger.get("switch", "lease") or {}
    return lease.get("target") == "off" and "finished_at" not in lease and _runs(kit, str(lease["execution"]))


def is_over(run: Run, kit: Kit) -> bool:
    """Whether the switch is done with what it was asked last."""
    return _ended(kit, run.promotion["execution"]) is not None


def _on_trial(run: Run, kit: Kit) -> Answer:
    tried = replace(run, promotion={**run.promotion, "phase": ON_TRIAL})
    return Answer(tried.saying("Promote", kit.now, f"{run.artifact} is on trial: the model from before stands by."))


def roll_back(run: Run, kit: Kit) -> Answer:
    """Serve what was served before, where this run has changed it; nothing to do otherwise, nor where it is another
    run's turn by now, as this one was mended too late.

    That it is served again the switch must say: the stack's parameter is set before the endpoint follows. An off has
    its way, and what is off by then is not lit for it.
    """
    state = run.promotion
    if not state or state["phase"] in ("rolled back", "settled") or not turn_taking.has(run.id, kit):
        return Answer(run)
    ended = _ended(kit, state["execution"])
    if ended is None:  # also a promotion that a killed run had asked for: the switch finishes what it began
        config = baking(run, kit) if state["previous"] != run.artifact and state["phase"] != "rolling back" else None
        if config is None:
            return _looking_again(run, kit)
        ring(config, kit)
        return Answer(run, "wait", RINGING_SECONDS)
    outcome, message = ended
    said = _came_to(run, endpoint_stack(kit), outcome, message)
    if said is not None:
        return _rolled_back(run, kit, said)
    if _is_being_turned_off(kit):
        return _looking_again(run, kit)
    undoing = state["phase"] == "rolling back"
    back = {**state, "phase": "rolling back", "tries": state["tries"] + 1 if undoing else 0}
    return _ask(run, kit, back, state["previous"], "rollback")


def _came_to(run: Run, stack: StackFacts | None, outcome: str, message: str) -> str | None:
    """What became of it, by the switch's last word; empty where nothing is to be taken back, None where that is still
    to be asked for.
    """
    state, previous = run.promotion, run.promotion["previous"] or "the configured model"
    undoing, still = state["phase"] == "rolling back", in_force(stack, run.artifact)
    if state["previous"] == run.artifact:  # its job was attached again
        return "" if state["phase"] == "asked" else f"{previous} was in force before this run as well, and stays so."
    if not undoing:
        taken_back = state["phase"] == ON_TRIAL and outcome == "failed"
        gone = f"The endpoint serves {previous} again: SageMaker went back to it." if taken_back else ""
        return None if still else gone
    if not still and outcome in _BACK:
        return _BACK[outcome].format(previous)
    is_last = state["tries"] + 1 >= MOST_TRIES
    if still and is_last:
        is_off = stack is not None and stack.endpoint_state == "off"
        then = " when it is next on" if is_off else ""
        return f"The endpoint STILL SERVES {run.artifact}{then}: {message} `pilot off`, then `pilot on`."
    somebody_chose_another = not still and not in_force(stack, state["previous"])
    if is_last or somebody_chose_another:
        return f"Nothing shows that the endpoint serves {previous} again: {message} `pilot status` says what it does."
    return None


def _looking_again(run: Run, kit: Kit) -> Answer:
    silent = run.silent_seconds(kit.now)
    soon = bool(run.promotion) and silent < LATEST_TRIAL_SECONDS
    return Answer(run, "wait", min(pause(silent), MOST_PAUSE_SECONDS) if soon else pause(silent))


def _rolled_back(run: Run, kit: Kit, message: str) -> Answer:
    """That is all; `message` is empty where there was nothing to take back."""
    over = replace(run, promotion={**run.promotion, "phase": "rolled back"})
    return Answer(over.saying("Rollback", kit.now, message) if message else over)


def lit_for_it(run: Run) -> bool:
    """Whether the endpoint was off, by somebody's wish, and is on for this run only."""
    return bool(run.promotion) and not run.promotion["was_on"]


def settle(run: Run, kit: Kit) -> Run:
    """An endpoint that was off is turned off again, and the next run has its turn."""
    state, left = run.promotion, ""
    if lit_for_it(run) and state["phase"] != "settled":
        given = {"target": "off", "reason": "promotion over", "by": f"fine-tune {run.id}"}
        left = _start(kit, _name(run, "off", 0), given)
    turn_taking.leave(run.id, kit, left)
    return replace(run, promotion={**state, "phase": "settled"}) if state else run


def _begin(run: Run, kit: Kit) -> Answer:
    found = endpoint_stack(kit)
    if found is None:
        name = kit.settings.endpoint_stack_name
        raise RunFailed(f"There is no stack {name} to serve the model with: deploy it, then attach the job.")
    state = {"phase": "asked", "previous": found.override("ModelDataUrl"), "was_on": _is_on(kit), "tries": 1}
    return _ask(run, kit, state, run.artifact, "promote")


def _is_on(kit: Kit) -> bool:
    """Whether there is an endpoint, and none that goes: the run before may have had it turned off a moment ago."""
    off = turn_taking.off_before(kit)
    if off and _runs(kit, off):
        return False
    endpoint = describe.endpoint(kit.sagemaker, kit.settings.endpoint_name)
    return endpoint is not None and endpoint.status != "Deleting"


def _ask(run: Run, kit: Kit, state: Mapping[str, Any], artifact: str, why: str) -> Answer:
    given = {
        "target": "on",
        "reason": "promotion" if why == "promote" else "rollback",
        "by": f"fine-tune {run.id}",
        "overrides": {"ModelDataUrl": artifact},
    }
    execution = _start(kit, _name(run, why, state["tries"]), given)
    said = (
        "The switch is asked to serve the tuned model."
        if why == "promote"
        else "The switch is asked to serve the previous model."
    )
    asked = replace(run, promotion={**state, "execution": execution})
    return Answer(asked.saying("Promote" if why == "promote" else "Rollback", kit.now, said), "wait", SHORTEST_SECONDS)


def _name(run: Run, why: str, number: int) -> str:
    return f"{run.id[:60]}-{why}-{number}"


def _start(kit: Kit, name: str, given: Mapping[str, Any]) -> str:
    """The execution's ARN. Its name makes a repeated step harmless."""
    start_once(kit.stepfunctions, kit.settings.switch_arn, name, given)
    return execution_arn(kit.settings.switch_arn, name)


def _ended(kit: Kit, execution: str) -> tuple[str, str] | None:
    """The switch's (outcome, message); None while it is at it."""
    found = kit.stepfunctions.describe_execution(executionArn=execution)
    if found["status"] == "RUNNING":
        return None
    said = _said(found.get("output" if found["status"] == "SUCCEEDED" else "cause") or "")
    return str(said.get("outcome", "failed")), str(said.get("message") or f"The switch's execution {found['status']}.")


def _said(text: str) -> Mapping[str, Any]:
    """The switch's answer (docs/switch.md); empty for an execution that somebody stopped."""
    try:
        said = json.loads(text)
    except ValueError:
        return {"message": text} if text else {}
    return said if isinstance(said, Mapping) else {}


def _runs(kit: Kit, execution: str) -> bool:
    return describe.execution_status(kit.stepfunctions, execution) == "RUNNING"
