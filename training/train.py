"""The task `train`: from the channels `training` and `model` to a model folder that can be served."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training import checkpoints, dataset, encode, model
from training.encode import Example
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.layout import Layout, write_json
from training.learner import Learner, State
from training.loop import Loop, Progress, to_data
from training.rows import Row, Rows
from training.stop import Stop
from training.world import World


def run(
    layout: Layout,
    asked: Hyperparameters,
    world: World,
    stop: Stop,
    *,
    say: Callable[[str], None],
    clock: Callable[[], float],
) -> None:
    """Train, or go on where a checkpoint ends, and write the model.

    Raises:
        TrainingError: for a person, see there.
        InterruptedRun: the process was asked to end.
    """
    base = layout.required_channel("model", "the base model as a Transformers folder")
    rows, tokenizer = read_rows(layout, base, asked)
    train = encoded(rows.train, tokenizer, base, asked)
    validation = encoded(rows.validation, tokenizer, base, asked)
    if not train:
        raise TrainingError(
            "No training row has a token to learn within max_input_length: raise it, or shorten the prompts."
        )
    say(f"{len(rows.train)} rows to train on, {len(rows.validation)} to validate with")
    fingerprint = _fingerprint(base, asked, (train, validation))
    found = checkpoints.newest(layout.checkpoints, fingerprint, say)
    progress = Progress() if found is None else Progress.from_state(found["progress"])
    if progress.epoch <= asked.epoch:
        learner = Learner(model.trainable(base, asked, world), tokenizer.pad_token_id, world, seed=asked.seed)
        if found is not None:
            say(f"Going on in epoch {progress.epoch}, after {progress.rows_done} of its rows")
            learner.restore(found["adapter"], found["optimizer"])

        def save(progress: Progress, adapter: State, optimizer: State) -> None:
            if world.leads:
                state = {"progress": progress.to_state(), "adapter": adapter, "optimizer": optimizer}
                checkpoints.save(layout.checkpoints, progress.name, {"fingerprint": fingerprint, **state})

        Loop(learner, train, validation, asked, world, stop, save, say, clock).run(progress)
    if world.leads:
        _write(layout, base, asked, rows, progress)
        say(f"The model of epoch {progress.best_epoch} is written")


def read_rows(layout: Layout, base: Path, asked: Hyperparameters) -> tuple[Rows, Any]:
    """The dataset's rows and the base model's tokenizer."""
    tokenizer = model.tokenizer_of(base)
    if asked.chat_dataset and not tokenizer.chat_template:
        raise TrainingError("Hyperparameter chat_dataset is True, but this model's tokenizer has no chat template.")

    def render(messages: list[dict[str, str]], opened: bool) -> str:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened)
        return text

    return dataset.read(layout, asked, render), tokenizer


def encoded(rows: Sequence[Row], tokenizer: Any, base: Path, asked: Hyperparameters) -> list[Example]:
    longest = encode.window(asked.max_input_length, model.window_of(base))
    if asked.instruction_tuned or asked.chat_dataset:
        return encode.examples(rows, tokenizer, longest, marked=asked.chat_dataset)
    return encode.packed(rows, tokenizer, longest)


def _fingerprint(base: Path, asked: Hyperparameters, parts: Sequence[Sequence[Example]]) -> str:
    """Of everything that a checkpoint depends on."""
    digest = hashlib.sha256((base / "config.json").read_bytes())
    digest.update(json.dumps(asked.to_data(), sort_keys=True).encode())
    for part in parts:
        for example in part:
            digest.update(example.tokens.tobytes() + example.labels.tobytes() + b"\n")
        digest.update(b"\n\n")
    return digest.hexdigest()


def _write(layout: Layout, base: Path, asked: Hyperparameters, rows: Rows, progress: Progress) -> None:
    model.merge(base, progress.best_adapter, asked, layout.model)
    counted = {"train": len(rows.train), "validation": len(rows.validation)}
    facts = to_data(progress) | {"rows": counted, "hyperparameters": asked.to_data()}
    write_json(layout.model / "pilotlight" / "training.json", facts)
