"""Evaluate: is the tuned model better on rows that it has not seen? If not, nothing of it is served."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from finetune.answer import Answer
from finetune.clients import Kit
from finetune.deployed import check_model
from finetune.jobs import evaluation_request
from finetune.plan import Plan
from finetune.run import Run
from finetune.smoke import MOST_PROMPTS
from finetune.store import Bucket, located
from finetune.training import artifact
from finetune.watch import Completed, GaveUp, carried_out

MOST_PROMPT_BYTES = 8_000
"""Of a prompt that is kept with the run, whose entry in the ledger may have 400 KB."""
_ANSWER_CHARACTERS = 300


def evaluate(run: Run, kit: Kit) -> Answer:
    """Raises RunFailed where the model is not good enough, or the evaluation did not come about."""
    check_model(run, kit)
    if not run.plan:
        return Answer(run.saying("Evaluate", kit.now, "Not evaluated: the run has no dataset to evaluate with."))
    plan = Plan.from_data(run.plan)
    if not plan.evaluation_types:
        return Answer(run.saying("Evaluate", kit.now, "Not evaluated against the base model: see the plan's warnings."))

    def request(**attempt: Any) -> dict[str, Any]:
        settings = kit.settings
        return evaluation_request(
            plan,
            settings.training,
            tuned_model=run.artifact,
            bucket=settings.bucket,
            role_arn=settings.role_arn,
            **attempt,
        )

    came = carried_out(run, kit, step="Evaluate", kind="evaluate", plan=plan, request_of=request)
    return came if isinstance(came, Answer) else _judged(came, kit, plan)


def _judged(came: Completed, kit: Kit, plan: Plan) -> Answer:
    prefix = artifact(came.job)
    bucket, key = located(prefix)
    found = Bucket(kit.s3, bucket).json(f"{key}evaluation.json")
    if found is None:
        raise GaveUp(
            came.run,
            f"The evaluation left no {prefix}evaluation.json: its image is not the project's training container. Name "
            f"that in [stages.{kit.settings.stage}.finetune], and put the job up again with `pilot finetune --attach`.",
        )
    run = replace(came.run, evaluation=_kept(found), report=f"{prefix}report.html")
    said, improvement = _said(found), found["improvement"]
    run = run.saying("Evaluate", kit.now, f"{said}.")
    if improvement is not None and improvement < plan.min_improvement:
        refusal = (
            f"{said}, and at least {plan.min_improvement:.1%} were asked for (min_improvement): nothing is changed. "
            f"Give more rows or epochs, or lower min_improvement. The model stays at {run.artifact}, the report at "
            f"{run.report}"
        )
        return Answer(run.saying("Evaluate", kit.now, refusal), "failed")
    return Answer(run)


def _kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison, and what a smoke test can ask; all prompts and answers lie beside the report."""
    prompts = found.get("prompts", [])
    cut = ({**row, **{who: row[who][:_ANSWER_CHARACTERS] for who in ("base", "tuned")}} for row in prompts)
    asked = [row for row in cut if row["tuned_passed"] and len(json.dumps(row)) <= MOST_PROMPT_BYTES]
    compared = {name: found[name] for name in ("base", "tuned", "rows", "improvement")}
    return {**compared, "prompts_asked": len(prompts), "prompts": asked[:MOST_PROMPTS]}


def _said(found: Mapping[str, Any]) -> str:
    """The comparison in words. A dataset whose split leaves no rows unseen has no losses to compare."""
    base, tuned = found["base"], found["tuned"]
    if found["improvement"] is None:
        said = "No rows were kept unseen (validation_split_ratio), so no losses are compared"
    else:
        losses = f"from {base['eval_loss']:.4g} to {tuned['eval_loss']:.4g}"
        better = found["improvement"]
        by = f"{abs(better):.1%} {'better' if better >= 0 else 'worse'}"
        examples, sampled = found.get("examples"), found.get("examples_compared")  # of an older image there are none
        unseen = f"{found['rows']} unseen rows" if sampled == examples else f"{sampled} of {examples} unseen examples"
        said = f"The loss on {unseen} went {losses} ({by})"
    if asked := len(found.get("prompts", [])):
        passed = f"{tuned['prompts_passed']} of {asked}, before {base['prompts_passed']}"
        said += f"; prompts answered as expected: {passed}"
    return said
