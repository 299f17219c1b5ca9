"""Whether the stage still has the model that a run began with: for the steps that would go wrong over another one.

A training goes on to its end, as it can be attached later. Approve waits for a person's word and not for its step's
answer, so it is left to Promote.
"""

from finetune.answer import RunFailed
from finetune.clients import Kit
from finetune.run import Run


def check_model(run: Run, kit: Kit) -> None:
    """Raises RunFailed where another model was deployed since: what the run trained would be compared with that, and
    served in its container.
    """
    began_with, now = run.plan.get("base_model", ""), kit.settings.training.spec.base_model
    if began_with in ("", now):
        return
    job = run.job("train")
    raise RunFailed(
        f"The stage's model is another one by now: this run began with {began_with}, and {now} was deployed "
        "meanwhile. Its own model stays where it is: deploy the former configuration, then attach its job"
        f"{f', pilot finetune --attach {job.name}' if job else ''}."
    )
