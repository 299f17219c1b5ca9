"""Real prompts through the public API, once the tuned model serves: does it answer as it was taught?"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.run import Run

MOST_PROMPTS = 5
MOST_TOKENS = 64
PAUSE_SECONDS = 15
MOST_TRIES = 4
NEEDED_SHARE = 0.5
"""Of the answers that the tuned model got right in its evaluation: sampling and another server change some."""

_PLAIN = {"prompt": "Say hello."}


def smoke(run: Run, kit: Kit, *, endpoint_url: str | None) -> Answer:
    """Raises RunFailed where the API does not answer, or the answers are not what they were in the evaluation.

    `endpoint_url` is where the SDK's calls are diverted to, if they are: the API is reached there too.
    """
    prompts = _prompts(run)
    url, headers = _api(kit, endpoint_url)
    asked = [_ask(kit, url, headers, prompt) for prompt in prompts]
    unanswered = [said for answered, said in asked if not answered]
    tries = int(run.smoke.get("tries", 0)) + 1
    if unanswered:
        if tries < MOST_TRIES:
            again = replace(run, smoke={"tries": tries}).saying(
                "Smoke", kit.now, f"The API did not answer yet: {unanswered[0]}"
            )
            return Answer(again, "wait", PAUSE_SECONDS)
        raise RunFailed(f"The API did not answer {len(unanswered)} of {len(asked)} smoke prompts: {unanswered[0]}")
    return Answer(_judged(run, kit, prompts, [said for _, said in asked]))


def _judged(run: Run, kit: Kit, prompts: list[Mapping[str, Any]], answers: list[str]) -> Run:
    expecting = [(p, a) for p, a in zip(prompts, answers, strict=True) if "expected" in p or "label" in p]
    right = sum(_is_right(prompt, answer) for prompt, answer in expecting)
    if right < NEEDED_SHARE * len(expecting):
        raise RunFailed(
            f"Only {right} of {len(expecting)} smoke prompts, which the tuned model had answered as expected in its "
            f"evaluation, were answered so through the API. The last answer: {answers[-1][:200]!r}."
        )
    passed = {"prompts": [{"prompt": p["prompt"], "answer": a} for p, a in zip(prompts, answers, strict=True)]}
    said = f"{len(answers)} prompts were answered through the API" + (
        f", {right} of {len(expecting)} as expected." if expecting else "."
    )
    promotion = {**run.promotion, "phase": "smoked"}
    return replace(run, smoke=passed, promotion=promotion).saying("Smoke", kit.now, said)


def _prompts(run: Run) -> list[Mapping[str, Any]]:
    """What the tuned model got right in its evaluation, the first few; a greeting where there was none."""
    rows = [row for row in run.evaluation.get("prompts", []) if row.get("tuned_passed")]
    return rows[:MOST_PROMPTS] or [_PLAIN]


def _is_right(prompt: Mapping[str, Any], answer: str) -> bool:
    if "label" in prompt:
        return answer.strip().lower().startswith(str(prompt["label"]).lower())
    return all(part in answer for part in prompt["expected"])


def _api(kit: Kit, endpoint_url: str | None) -> tuple[str, dict[str, str]]:
    """The address of /v1/completions and the headers of a caller."""
    try:
        answer = kit.cloudformation.describe_stacks(StackName=kit.settings.api_stack_name)
    except ClientError as error:
        raise RunFailed(f"There is no API to ask through: {error}. Deploy the stage.") from error
    outputs = {o["OutputKey"]: o["OutputValue"] for o in answer["Stacks"][0].get("Outputs", [])}
    url = urlsplit(outputs["ApiUrl"])
    base = (
        f"{endpoint_url}/_aws/execute-api/{url.netloc.partition('.')[0]}{url.path}"
        if endpoint_url
        else outputs["ApiUrl"]
    )
    headers = {"content-type": "application/json"}
    if "ApiKeyId" in outputs:  # else the API takes signed calls
        headers["x-api-key"] = kit.apigateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return f"{base.rstrip('/')}/v1/completions", headers


def _ask(kit: Kit, url: str, headers: Mapping[str, str], prompt: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it was answered, and the answer, or what was said instead."""
    body = {"model": kit.settings.model, "prompt": prompt["prompt"], "max_tokens": MOST_TOKENS, "temperature": 0}
    sent = json.dumps(body).encode()
    try:
        status, answer = kit.post(url, headers if "x-api-key" in headers else kit.sign(url, headers, sent), sent)
    except OSError as error:
        return False, str(error)
    if status != 200:
        return False, f"{status} {answer[:300].decode(errors='replace')}"
    text = str(json.loads(answer)["choices"][0]["text"])
    return bool(text.strip()), text if text.strip() else "an empty answer"
