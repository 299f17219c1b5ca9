"""A job's dataset: where its parts lie, and which rows train and which validate."""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from training import formats
from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.layout import Layout
from training.rows import Row, Rows

Item = TypeVar("Item")


def read(layout: Layout, hyperparameters: Hyperparameters, render: formats.Render) -> Rows:
    """The rows of the channels `training` and `validation`, split where there is no validation set.

    Training rows lie in the channel itself or in its folder `train`, validation rows in a channel of their own or
    in the folder `validation` beside them.

    Raises:
        TrainingError: a channel, file or row is not as it must be, or no row is left to train on.
    """
    channel = layout.required_channel("training", "the dataset's files")
    folder = channel / "train" if (channel / "train").is_dir() else channel
    rows = formats.read(folder, _template_folder(folder, channel), hyperparameters, render)
    apart = layout.channel("validation") or channel / "validation"
    if apart.is_dir():
        train, validation = rows, formats.read(apart, _template_folder(folder, channel), hyperparameters, render)
    else:
        train, validation = split(
            rows, ratio=hyperparameters.validation_split_ratio, seed=hyperparameters.train_data_split_seed
        )
    if not train:
        raise TrainingError(
            f"validation_split_ratio is {hyperparameters.validation_split_ratio:g}, which leaves none of the"
            f" {len(rows)} rows to train on: lower it, or add rows."
        )
    return Rows(_first(train, hyperparameters.max_train_samples), _first(validation, hyperparameters.max_val_samples))


def split(rows: Sequence[Item], *, ratio: float, seed: int) -> tuple[list[Item], list[Item]]:
    """What trains and what validates, each in its old order: the share `ratio`, rounded up, validates.

    The same rows, ratio and seed give the same split on every machine.
    """
    count = math.ceil(round(len(rows) * ratio, 9))  # 0.07 × 100 is a little more than 7
    return divided(rows, count, seed=seed)


def divided(rows: Sequence[Item], count: int, *, seed: int) -> tuple[list[Item], list[Item]]:
    """What is left, and `count` of them that are drawn at random, alike each time; each in its old order."""
    chosen = set(random.Random(seed).sample(range(len(rows)), count))  # noqa: S311 - repeatable, not secret
    left = [row for index, row in enumerate(rows) if index not in chosen]
    return left, [row for index, row in enumerate(rows) if index in chosen]


def _template_folder(folder: Path, channel: Path) -> Path:
    """template.json lies beside the rows, or at the root of the dataset."""
    return folder if (folder / "template.json").is_file() else channel


def _first(rows: Sequence[Row], count: int) -> tuple[Row, ...]:
    return tuple(rows if count == -1 else rows[:count])
