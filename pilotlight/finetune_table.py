"""[stages.NAME.finetune] as it is written, each key by itself. Which go together: `pilotlight.training_choice`."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from pilotlight.config_table import IMAGE_URI, Table, VariableName

BUILD: Final = "build"
"""Stands for the project's training container, which `cdk deploy` builds from training/ and pushes."""
_OR_BUILD: Final = f"^{BUILD}$|{IMAGE_URI}"


def _scalar(value: object) -> object:
    if not isinstance(value, str | int | float | bool):
        raise ValueError(value)
    return value


def _measuring(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(value) from error
    if groups == 0:
        raise ValueError(value)
    return value


AttachedPrefix = Annotated[
    # Without what a policy takes for a pattern or a variable: it must name what is written and no more.
    str, Field(strict=True, pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\s*?$]*$", max_length=1024)
]


class ShapeTable(Table):
    """[stages.NAME.finetune.shape]: the model's size, as its config.json has it."""

    parameters: int = Field(
        ge=1_000_000, le=10**13, description="an integer from 1000000: all parameters", examples=["6738415616"]
    )
    layers: int = Field(ge=1, le=1000, description="an integer from 1 to 1000: num_hidden_layers", examples=["32"])
    hidden: int = Field(ge=1, le=10**6, description="an integer from 1 to 1000000: hidden_size", examples=["4096"])
    vocabulary: int = Field(ge=1, le=10**7, description="an integer from 1 to 10000000: vocab_size", examples=["32000"])
    window: int | None = Field(
        None,
        ge=128,
        le=10**8,
        description="an integer from 128: max_position_embeddings, the tokens that it reads at most",
        examples=["4096"],
    )


class MetricTable(Table):
    """[[stages.NAME.finetune.metrics]]: a number that SageMaker reads from the training's log."""

    name: str = Field(
        min_length=1,
        max_length=255,
        description="1 to 255 characters; one that ends with train-loss or eval-loss is drawn",
        examples=['"mine:train-loss"'],
    )
    regex: Annotated[str, AfterValidator(_measuring)] = Field(
        min_length=1,
        max_length=500,
        description="a regular expression of at most 500 characters, with the number in its first group",
        examples=["'loss=([0-9.]+)'"],
    )


class FineTuneTable(Table):
    """[stages.NAME.finetune]: what a run takes that does not say otherwise."""

    program: Literal["own", "script"] | None = Field(
        None,
        description='"own" (the project\'s training container) or "script" (an image, and a script for it, of yours)',
        examples=['"own"'],
    )
    image_uri: str | None = Field(
        None,
        pattern=_OR_BUILD,
        max_length=255,
        description='"build" (cdk builds the project\'s training container with Docker, and pushes it), or a training '
        'container in Amazon ECR (the project\'s, or with program = "script" yours), '
        "ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, of at most 255 characters",
        examples=['"build"'],
    )
    shape: ShapeTable | None = Field(
        None,
        description="a table of the model's size",
        examples=["{ parameters = 6738415616, layers = 32, hidden = 4096, vocabulary = 32000, window = 4096 }"],
    )
    script_url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(\S*/)?[A-Za-z0-9._-]+\.tar\.gz$",
        max_length=1024,
        description="the S3 URI of a .tar.gz, whose last part has letters, digits and . _ - only",
        examples=['"s3://my-bucket/training/sourcedir.tar.gz"'],
    )
    entry_point: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\.(py|sh)$",
        max_length=256,
        description="the file in script_url to run, a .py or .sh",
        examples=['"train.py"'],
    )
    base_model_url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(\S*[^/\s]/?)?$",
        max_length=1024,
        description="the S3 URI of what the program starts from: a prefix that ends with a slash, or one object",
        examples=['"s3://my-bucket/base-model/"'],
    )
    evaluation_image_uri: str | None = Field(
        None,
        pattern=_OR_BUILD,
        max_length=255,
        description='"build" (cdk builds the project\'s training container with Docker, and pushes it), or that '
        "container in Amazon ECR, ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, of at most 255 characters",
        examples=['"build"'],
    )
    metrics: tuple[MetricTable, ...] = Field(
        (),
        strict=False,
        max_length=40,
        description="at most 40 tables [[stages.NAME.finetune.metrics]]",
        examples=["[{ name = \"mine:train-loss\", regex = 'loss=([0-9.]+)' }]"],
    )
    environment: dict[VariableName, Annotated[str, Field(max_length=512)]] = Field(
        default_factory=dict,
        max_length=100,
        description="a table of at most 100: names of letters, digits and underscores, strings of at most 512 "
        "characters",
        examples=['{ accept_eula = "true" }'],
    )
    volume_size_gb: int = Field(
        256,
        ge=1,
        le=16_384,
        description="an integer from 1 to 16384 (GB, for base model, dataset and result)",
        examples=["64"],
    )
    network_isolation: bool = Field(True, description="true or false", examples=["false"])
    instance_types: tuple[str, ...] | None = Field(
        None,
        strict=False,
        min_length=1,
        max_length=5,
        description="an array of one to five different instance types, first choice first",
        examples=['["ml.g5.12xlarge", "ml.g5.24xlarge"]'],
    )
    max_cost_usd: float = Field(
        50,
        ge=1,
        le=1_000_000,
        description="a number from 1 to 1000000 (USD a run, its evaluation included)",
        examples=["50"],
    )
    min_improvement: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="a number from -1 to 1, the share by which the evaluation loss must fall",
        examples=["0.05"],
    )
    attach_from: tuple[AttachedPrefix, ...] = Field(
        (),
        strict=False,
        max_length=10,
        description="an array of at most ten S3 prefixes, s3://BUCKET/PREFIX without * ? $ and spaces, each a folder "
        "where it ends with a slash",
        examples=['["s3://sagemaker-us-east-1-111122223333/my-team/"]'],
    )
    spot: bool = Field(False, description="true or false", examples=["true"])
    approve: bool = Field(False, description="true or false", examples=["true"])
    approval_hours: int = Field(72, ge=1, le=720, description="an integer from 1 to 720 (hours)", examples=["72"])
    hyperparameters: dict[str, Annotated[Any, AfterValidator(_scalar)]] = Field(
        default_factory=dict,
        description="a table: names of hyperparameters and their values",
        examples=["{ epoch = 3 }"],
    )


def table_at(location: tuple[int | str, ...]) -> tuple[type[Table], tuple[int | str, ...]]:
    """The table below [stages.NAME.finetune] that a location lies in, and the rest of the location."""
    match location:
        case ("shape", _, *_):
            return ShapeTable, location[1:]
        case ("metrics", int(), _, *_):
            return MetricTable, location[2:]
        case _:
            return FineTuneTable, location
