"""Requests that the document shows, with the answers that they were given (`python -m openapi.record`)."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from openapi.files import ROOT
from openapi.schemas import Json

RECORDED = ROOT / "openapi" / "examples.json"


@dataclass(frozen=True)
class Example:
    """`answer` is None until somebody has asked."""

    method: str
    path: str
    summary: str
    request: Json | None = None
    answer: Any = None
    changes_something: bool = False


ASKED = (
    Example(
        "POST",
        "/generate",
        "A question after an example, cut where the answer ends",
        {
            "text_inputs": "Question: What is the capital of Italy? Answer: Rome; "
            "Question: What is the capital of France? Answer:",
            "trim_at": ";",
        },
    ),
    Example(
        "POST",
        "/generate",
        "Two texts, two samples of each",
        {
            "text_inputs": ["The light of the bridge", "A window over the water"],
            "max_length": 24,
            "do_sample": True,
            "num_return_sequences": 2,
            "seed": 7,
        },
    ),
    Example(
        "POST",
        "/tasks/summarize",
        "One shot",
        {
            "shots": [{"article": "The bridge was closed on Monday for repairs.", "summary": "Bridge closed."}],
            "article": "The library opens on Sunday for the first time in ten years.",
        },
    ),
    Example(
        "POST",
        "/tasks/describe",
        "The prompt alone",
        {
            "shots": [{"input": "name: The Lamp | type: pub", "output": "The Lamp is a pub."}],
            "input": "name: Harbour | type: café",
            "prompt_only": True,
        },
    ),
    Example(
        "POST",
        "/tasks/translate",
        "From French, after one shot",
        {"shots": [{"source": "Bonsoir", "target": "Good evening"}], "source": "Bonjour", "target_language": "English"},
    ),
    Example(
        "POST",
        "/tasks/answer",
        "A question about a passage",
        {"context": "The lighthouse was built in 1870 by the harbour.", "question": "When was it built?"},
    ),
    Example(
        "POST",
        "/tasks/entail",
        "Whether it follows",
        {"context": "The lighthouse was built in 1870.", "hypothesis": "The lighthouse is older than a century."},
    ),
    Example(
        "POST",
        "/v1/chat/completions",
        "A chat",
        {
            "model": "smollm2-135m-instruct",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a bridge?"}],
            "max_tokens": 40,
            "temperature": 0,
        },
    ),
    Example(
        "POST",
        "/v1/completions",
        "A text, up to a stop",
        {"model": "smollm2-135m-instruct", "prompt": "The capital of France is", "max_tokens": 12, "stop": ["."]},
    ),
    Example("GET", "/v1/models", "The names of one model"),
    Example("GET", "/tasks", "The tasks that are shipped"),
    Example("POST", "/endpoint", "On for three hours", {"state": "on", "hours": 3}, changes_something=True),
    Example("POST", "/endpoint/snooze", "Left on for an hour", {"hours": 1}, changes_something=True),
    Example("GET", "/endpoint", "On"),
)


@cache
def recorded() -> list[Example]:
    return [Example(**fields) for fields in json.loads(RECORDED.read_text(encoding="utf-8"))]


def shown(method: str, path: str, part: str) -> Json:
    """The examples of an operation as a media type holds them; `part` is "request" or "answer"."""
    found = [example for example in recorded() if (example.method, example.path) == (method, path)]
    named = {
        f"example{number}": {"summary": example.summary, "value": getattr(example, part)}
        for number, example in enumerate(found, start=1)
    }
    return {"examples": named} if named else {}
