"""The Smoke step, of a model that is on trial or of one that serves already.

On trial is a model while the endpoint's update bakes: it has the traffic, and the one from before stands by. What fails
the smoke test meanwhile rings an alarm of the endpoint's stack, at which SageMaker goes back by itself; what passes it
waits until the trial is over. Where there is no trial (the endpoint was off, `promotion = "replace"`, a bake of no
seconds, or one that nobody saw), a failure is what it always is: Rollback takes the model back.
"""

from dataclasses import replace

from finetune import promotion
from finetune.answer import Answer, RunFailed
from finetune.bake import RINGING_SECONDS, baking, ring
from finetune.clients import Kit
from finetune.run import Run
from finetune.smoke import smoke
from finetune.waits import SHORTEST_SECONDS


def try_out(run: Run, kit: Kit, *, endpoint_url: str | None) -> Answer:
    """Raises RunFailed where the model failed, once SageMaker is done with its trial. `endpoint_url` as for `smoke`."""
    if run.promotion.get("phase") != promotion.ON_TRIAL:
        return smoke(run, kit, endpoint_url=endpoint_url)
    if "failed" in run.smoke:
        return _taken_back(run, kit)
    if "prompts" in run.smoke:
        return promotion.promote(run, kit)
    if baking(run, kit) is None:  # it is through, or was taken back: the model from before would be judged
        came = promotion.promote(run, kit)
        return came if came.next == "wait" else smoke(came.run, kit, endpoint_url=endpoint_url)
    try:
        answer = smoke(run, kit, endpoint_url=endpoint_url)
    except RunFailed as failed:
        lost = replace(run, smoke={"failed": str(failed)})
        return _taken_back(lost.saying("Smoke", kit.now, f"{failed} SageMaker is told so, and goes back."), kit)
    return answer if answer.next == "wait" else Answer(answer.run, "wait", SHORTEST_SECONDS)


def _taken_back(run: Run, kit: Kit) -> Answer:
    if promotion.is_over(run, kit):
        raise RunFailed(run.smoke["failed"])
    if config := baking(run, kit):
        ring(config, kit)
    return Answer(run, "wait", RINGING_SECONDS)
