"""The task `evaluate`: the base and the tuned model over the same validation rows and prompts, side by side."""

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training import answers, archive, files, model, report
from training.answers import Prompt
from training.dataset import divided
from training.encode import Example
from training.errors import InterruptedRun, TrainingError
from training.hyperparameters import Hyperparameters
from training.layout import Layout, write_json
from training.learner import loss_of
from training.metrics import perplexity
from training.stop import Stop
from training.train import encoded, read_rows

MOST_EXAMPLES = 1_000
"""That each model is judged on: an evaluation has an hour, whatever the dataset's size, and is paid for by it."""


@dataclass(frozen=True)
class Judged:
    """What one model came to. `loss` is None where there is no validation row."""

    loss: float | None
    answers: list[str]
    passed: list[bool]

    def to_data(self) -> dict[str, Any]:
        return {
            "eval_loss": self.loss,
            "perplexity": None if self.loss is None else perplexity(self.loss),
            "prompts_passed": sum(self.passed),
        }


def run(layout: Layout, asked: Hyperparameters, stop: Stop, *, say: Callable[[str], None]) -> None:
    """Judge both models and write evaluation.json and report.html.

    The validation rows are those of the training: the same split by the same seed. Of more than MOST_EXAMPLES both
    models are judged on the same sample.

    Raises:
        TrainingError: a channel or a row is not as it must be, or there is nothing to judge by.
        InterruptedRun: the process was asked to end; nothing is written.
    """
    base = layout.required_channel("model", "the base model as a Transformers folder")
    channel = layout.required_channel("tuned", f"the tuned model as a Transformers folder, or as {archive.NAME}")
    with archive.unpacked(channel, stop, say=say) as tuned:
        _compare(layout, base, tuned, asked, stop, say)


def _compare(
    layout: Layout, base: Path, tuned: Path, asked: Hyperparameters, stop: Stop, say: Callable[[str], None]
) -> None:
    rows, tokenizer = read_rows(layout, base, asked)
    validation = encoded(rows.validation, tokenizer, base, asked)
    prompts = _prompts(layout)
    if not validation and not prompts:
        raise TrainingError(
            f"There is nothing to judge by: neither validation rows (validation_split_ratio is"
            f" {asked.validation_split_ratio:g}) nor a file {files.PROMPTS}."
        )
    sample = _sample(validation, asked.train_data_split_seed)
    size = asked.per_device_eval_batch_size
    judged = {}
    for name, folder in (("base", base), ("tuned", tuned)):
        judged[name] = _judge(folder, sample, prompts, size, stop)
        _say_result(name, judged[name], say)
    counts = {"rows": len(rows.validation), "examples": len(validation), "examples_compared": len(sample)}
    evaluation = {**counts, **_compared(judged["base"], judged["tuned"], prompts)}
    write_json(layout.model / "evaluation.json", evaluation)
    page = report.page(evaluation, _history(tuned))
    (layout.model / "report.html").write_text(page, encoding="utf-8")


def _prompts(layout: Layout) -> list[Prompt]:
    """From the channel `prompts`, or beside the dataset's rows."""
    for name in ("prompts", "training"):
        folder = layout.channel(name)
        if folder is not None and (folder / files.PROMPTS).is_file():
            return answers.read_prompts(folder / files.PROMPTS)
    return []


@torch.inference_mode()
def _judge(folder: Path, validation: Sequence[Example], prompts: Sequence[Prompt], size: int, stop: Stop) -> Judged:
    """In the precision in which the endpoint serves it, so that the answers are the endpoint's."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    judge: Any = model.load(folder, dtype="auto", device_map="auto" if device == "cuda" else None)
    judge.eval()
    tokenizer = model.tokenizer_of(folder)

    def look_up() -> None:
        if stop.asked:
            raise InterruptedRun

    loss = 0.0
    for start in range(0, len(validation), size):
        look_up()
        loss += float(loss_of(judge, validation[start : start + size], tokenizer.pad_token_id, judge.device))
    texts = answers.answer(judge, tokenizer, prompts, model.window_of(folder), look_up=look_up)
    del judge
    gc.collect()  # both models at once need not fit
    learned = sum(example.learned for example in validation)
    passed = [prompt.accepts(text) for prompt, text in zip(prompts, texts, strict=True)]
    return Judged(loss / learned if learned else None, texts, passed)


def _sample(examples: Sequence[Example], seed: int) -> Sequence[Example]:
    """At most MOST_EXAMPLES of them: at random, as rows may come in turns."""
    return divided(examples, min(len(examples), MOST_EXAMPLES), seed=seed)[1]


def _compared(base: Judged, tuned: Judged, prompts: Sequence[Prompt]) -> dict[str, Any]:
    better = None if base.loss is None or tuned.loss is None else (base.loss - tuned.loss) / base.loss
    return {
        "base": base.to_data(),
        "tuned": tuned.to_data(),
        "improvement": better,
        "prompts": [
            prompt.to_data()
            | {"base": base.answers[index], "tuned": tuned.answers[index]}
            | {"base_passed": base.passed[index], "tuned_passed": tuned.passed[index]}
            for index, prompt in enumerate(prompts)
        ],
    }


def _history(tuned: Path) -> list[dict[str, Any]]:
    """The epochs of the training, where the tuned model brings them: a model from elsewhere does not."""
    path = tuned / "pilotlight" / "training.json"
    if not path.is_file():
        return []
    try:
        epochs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["epochs"]
    except (ValueError, KeyError, TypeError) as exc:
        raise TrainingError(
            f"pilotlight/training.json in the channel {tuned.name} is not what a training writes."
        ) from exc
    return epochs


def _say_result(name: str, judged: Judged, say: Callable[[str], None]) -> None:
    loss = (
        "no validation row"
        if judged.loss is None
        else f"loss {judged.loss:.4f}, perplexity {perplexity(judged.loss):.4f}"
    )
    say(f"{name}: {loss}, {sum(judged.passed)} of {len(judged.passed)} prompts passed")
