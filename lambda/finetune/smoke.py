"""Real prompts through the public API, once the tuned model serves: does it answer as it was taught?"""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from finetune.answer import Answer, RunFailed
from finetune.clients import Kit
from finetune.run import Run
from finetune.window import ANSWER_TOKENS

MOST_PROMPTS = 5
PAUSE_SECONDS = 15
MOST_TRIES = 4
NEEDED_SHARE = 0.5
"""Of the answers that the tuned model got right in its evaluation: sampling and another server change some."""

_PLAIN = {"prompt": "Say hello."}


def smoke(run: Run, kit: Kit, *, endpoint_url: str | None) -> Answer:
    """Raises RunFailed where the API does not answer, or the answers are not what they were in the evaluation.

    `endpoint_url` is where the SDK's calls are diverted to, if they are: the API is reached there too.
    """
    url, headers = _api(kit, endpoint_url)
    asked = [(prompt, _ask(kit, url, headers, prompt)) for prompt in _prompts(run)]
    # What the API does not take, as too long for it, says nothing of the model.
    heard = [(prompt, said) for prompt, said in asked if not said.is_refused]
    heard = heard or [(_PLAIN, _ask(kit, url, headers, _PLAIN))]
    unanswered = [said.text for _, said in heard if not said.is_answer]
    tries = int(run.smoke.get("tries", 0)) + 1
    if unanswered:
        if tries < MOST_TRIES:
            again = replace(run, smoke={"tries": tries}).saying(
                "Smoke", kit.now, f"The API did not answer yet: {unanswered[0]}"
            )
            return Answer(again, "wait", PAUSE_SECONDS)
        raise RunFailed(f"The API did not answer {len(unanswered)} of {len(heard)} smoke prompts: {unanswered[0]}")
    return Answer(_judged(run, kit, [(prompt, said.text) for prompt, said in heard]))


def _judged(run: Run, kit: Kit, answered: list[tuple[Mapping[str, Any], str]]) -> Run:
    expecting = [(prompt, answer) for prompt, answer in answered if "expected" in prompt or "label" in prompt]
    right = sum(is_right(prompt, answer) for prompt, answer in expecting)
    if right < NEEDED_SHARE * len(expecting):
        raise RunFailed(
            f"Only {right} of {len(expecting)} smoke prompts, which the tuned model had answered as expected in its "
            f"evaluation, were answered so through the API. The last answer: {answered[-1][1][:200]!r}."
        )
    passed = {"prompts": [{"prompt": prompt["prompt"], "answer": answer} for prompt, answer in answered]}
    said = f"{len(answered)} prompts were answered through the API" + (
        f", {right} of {len(expecting)} as expected." if expecting else "."
    )
    return replace(run, smoke=passed).saying("Smoke", kit.now, said)


def _prompts(run: Run) -> list[Mapping[str, Any]]:
    """What the tuned model got right in its evaluation, the first few; a greeting where there was none."""
    rows = [row for row in run.evaluation.get("prompts", []) if row.get("tuned_passed")]
    return rows[:MOST_PROMPTS] or [_PLAIN]


def is_right(prompt: Mapping[str, Any], answer: str) -> bool:
    """By the rule of the evaluation (training/answers.py), else a model would be taken back for a full stop."""
    if "label" in prompt:
        return _bare(answer.strip().partition("\n")[0]) == _bare(str(prompt["label"]))
    return all(part in answer for part in prompt["expected"])


def _bare(text: str) -> str:
    text = text.strip().casefold()
    return text.rstrip(string.punctuation).rstrip() or text


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


@dataclass(frozen=True)
class _Said:
    """The answer to a prompt, or what was said instead."""

    text: str
    is_answer: bool = False
    is_refused: bool = False


def _ask(kit: Kit, url: str, headers: Mapping[str, str], prompt: Mapping[str, Any]) -> _Said:
    body = {"model": kit.settings.model, "prompt": prompt["prompt"], "max_tokens": ANSWER_TOKENS, "temperature": 0}
    sent = json.dumps(body).encode()
    try:
        status, answer = kit.post(url, headers if "x-api-key" in headers else kit.sign(url, headers, sent), sent)
    except OSError as error:
        return _Said(str(error))
    if status != 200:
        refused = 400 <= status < 500 and status != 429
        return _Said(f"{status} {answer[:300].decode(errors='replace')}", is_refused=refused)
    text = str(json.loads(answer)["choices"][0]["text"])
    return _Said(text, is_answer=True) if text.strip() else _Said("an empty answer")
