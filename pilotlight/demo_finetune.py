"""`make demo-finetune`: a small model learns an answer format from fifty rows, and the API then answers in it.

The state machine, the container and the promotion are those that are deployed to AWS; the embedded cloud runs the job.
"""

import json
from typing import Any

from pilotlight.cli.target import call
from pilotlight.demo import Narrator, deployed, run, undrifted
from pilotlight.finetune import FineTuneError, FineTunes, dataset, run_name
from pilotlight.local.cloud import ROOT, Cloud, State

EXAMPLE = ROOT / "examples" / "finetune"
STEPS = 10
MOST_TOKENS = 48
LEARNED = 0.8
"""The share of unseen prompts that the tuned model must answer in the format."""
AT_ONCE = 5
"""Prompts in one call: a batch takes little longer than its longest answer."""


def main() -> None:
    run(tell, steps=STEPS)


def tell(narrator: Narrator, cloud: Cloud) -> None:
    url, state = deployed(narrator, cloud)
    prompts = [json.loads(line) for line in (EXAMPLE / "prompts.jsonl").read_text().splitlines()]
    with narrator.step("Ask what the model was never taught") as said:
        before = answered(state, prompts)
        said.extend(told(prompts, before))
        check_never_taught(formatted(prompts, before), len(prompts))
    with narrator.step("Fine-tune: pilot finetune examples/finetune --wait") as said:
        record = finetuned(state, narrator)
        said.append(f"for about USD {record['usd']:.4f}, by the price of the instance that it would have run on:")
        said.extend(f"{step['name']}: {step['message']}" for step in record["steps"])
    with narrator.step("Ask again") as said:
        after = answered(state, prompts)
        said.extend(told(prompts, after))
        check_learned(formatted(prompts, after), len(prompts))
    undrifted(narrator, cloud, url)
    with narrator.step("Destroy: cdk destroy --all") as said:
        cloud.cdk(url, "local", "destroy", "--all", "--force")
        said.append("every stack is gone; the bucket with the dataset and the tuned model is kept on purpose")
        said.append("(here it goes with the embedded cloud)")


def answered(state: State, prompts: list[dict[str, Any]]) -> list[str]:
    """Greedy, so that it is the model that differs and not the dice."""
    answers: list[str] = []
    for first in range(0, len(prompts), AT_ONCE):
        texts = [prompt["prompt"] for prompt in prompts[first : first + AT_ONCE]]
        body = {"model": "smollm2-135m-instruct", "prompt": texts, "max_tokens": MOST_TOKENS, "temperature": 0}
        choices = call(state.deployment, "POST", "/v1/completions", body)["choices"]
        answers += [str(choice["text"]).strip() for choice in choices]
    return answers


def formatted(prompts: list[dict[str, Any]], answers: list[str]) -> int:
    """How many answers have the format that is to be learned."""
    return sum(
        all(part in answer for part in prompt["expected"]) for prompt, answer in zip(prompts, answers, strict=True)
    )


def check_never_taught(count: int, asked: int) -> None:
    """Raises FineTuneError where the base model knows the format already: learning it would then show nothing."""
    if count:
        raise FineTuneError(
            f"The base model answered {count} of {asked} prompts in the format that it was never taught, and 0 were "
            f"expected: change the format in {EXAMPLE}."
        )


def check_learned(count: int, asked: int) -> None:
    """Raises FineTuneError where the tuned model has not learned the format."""
    if count < asked * LEARNED:
        raise FineTuneError(
            f"The tuned model answered {count} of {asked} prompts in the format that it was taught, and at least "
            f"{LEARNED:.0%} were expected: raise epoch in {EXAMPLE / 'run.toml'}, or look at the run's losses."
        )


def told(prompts: list[dict[str, Any]], answers: list[str]) -> list[str]:
    right = formatted(prompts, answers)
    shown = " ".join(answers[0].split())
    return [f"{right} of {len(prompts)} answers have the format that is to be learned; the first:", shown[:200]]


def finetuned(state: State, narrator: Narrator) -> dict[str, Any]:
    """Raises FineTuneError where the run did not end well."""
    runs = FineTunes(state.deployment)
    data = dataset(EXAMPLE)
    now = state.deployment.now()
    asked = {"dataset": runs.upload(data, now, lambda *_: None), **data.settings}
    name = runs.start(asked, name=run_name(now), by="make demo-finetune")
    record: dict[str, Any] = {}
    for record in runs.follow(name):
        narrator.doing(f"Fine-tune: {record['step']}")
    if record["status"] != "done":
        raise FineTuneError(f"The run failed at {record['step']}: {record['message']}")
    return record


if __name__ == "__main__":
    main()
