"""How a stage's model is fine-tuned: its program, resolved for one stage without asking the network.

The result is made of the Lambda code's own types, so that what is checked here is what is read there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, assert_never, cast

from finetune import free
from finetune.errors import BadRequest
from finetune.hyperparameters import RULES, Profile, complete
from finetune.memory import check_training
from finetune.programs import JumpStart, OwnContainer, Script
from finetune.sizes import InstanceFacts, Shape
from finetune.spec import Settings, TrainingSpec
from finetune.window import check_length

from pilotlight.finetune_table import BUILD
from pilotlight.training_file import JumpStartModel, Metric, ModelShape, OwnModel, training

__all__ = [
    "RULES",
    "BadRequest",
    "FineTune",
    "InstanceFacts",
    "Settings",
    "check_length",
    "check_training",
    "complete",
    "free",
]

CODE_CHANNEL: Final = "/opt/ml/input/data/code"


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTune:
    """A stage's fine-tuning: what its functions are told, and what its jobs must be allowed to read."""

    settings: Settings

    def to_json(self) -> str:
        """What the functions read (`finetune.spec.Settings.from_json`)."""
        return self.settings.to_json()

    @property
    def inputs(self) -> tuple[str, ...]:
        """S3 URIs of objects and prefixes that jobs read beside the dataset."""
        settings = self.settings
        return tuple(dict.fromkeys((*settings.spec.channels.values(), settings.spec.base_model, *settings.attach_from)))

    @property
    def images(self) -> tuple[str, ...]:
        """Image URIs that jobs run; one that is still to be built is BUILD."""
        spec = self.settings.spec
        return tuple(dict.fromkeys(uri for uri in (spec.image_uri, spec.evaluation_image_uri) if uri))

    @property
    def builds(self) -> bool:
        """Whether a deploy builds the project's container."""
        return BUILD in self.images

    def with_image(self, uri: str) -> "FineTune":
        """With the address of what was built, wherever it is named."""
        spec = self.settings.spec
        built = replace(
            spec,
            image_uri=uri if spec.image_uri == BUILD else spec.image_uri,
            evaluation_image_uri=uri if spec.evaluation_image_uri == BUILD else spec.evaluation_image_uri,
        )
        return FineTune(settings=replace(self.settings, spec=built))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptModel:
    """A model that a program of the user's own trains: an image, and a script for it unless the image is the program.

    `script`: the S3 URI of a .tar.gz, and the file in it to run. `base_model_url` is what the program starts from;
    None: the artifact that is served.
    """

    image_uri: str
    script: tuple[str, str] | None
    base_model_url: str | None
    environment: Mapping[str, str]
    metrics: tuple[Metric, ...]
    volume_size_gb: int
    network_isolation: bool
    instance_types: tuple[str, ...]
    shape: ModelShape | None
    program: Literal["script"] = "script"


TrainedModel = OwnModel | JumpStartModel | ScriptModel


def profile(name: str, model: OwnModel | JumpStartModel) -> Profile:
    """What the model adds to the table of hyperparameters."""
    further = dict(model.hyperparameters) if isinstance(model, JumpStartModel) else {}
    return Profile(name, dict(model.defaults), model.fsdp, model.neither, further)


def shape(model: OwnModel | JumpStartModel) -> Shape:
    """The model's size."""
    return Shape(**model.shape.model_dump())


def resolve(
    name: str,
    model: TrainedModel,
    *,
    region: str,
    account: str | None,
    base_model: str,
    gated: bool,
    own_image_uri: str | None,
) -> TrainingSpec:
    """The model's program with its images and artifacts.

    `account` owns JumpStart's images in `region`, for a model that JumpStart trains. `base_model` is the served
    artifact's prefix. `own_image_uri` is the project's training container: needed where it trains, and everywhere
    what evaluates.
    """
    common: dict[str, Any] = {
        "model": name,
        "base_model": base_model,
        "gated": gated,
        "metrics": tuple(metric.model_dump() for metric in training().metrics),
        "evaluation_image_uri": own_image_uri,
        "network_isolation": True,
        "encrypts_between_containers": True,
    }
    match model:
        case OwnModel():
            return TrainingSpec(**common, **_own(name, model, base_model, cast(str, own_image_uri)))
        case JumpStartModel():
            return TrainingSpec(**common, **_jumpstart(name, model, region, account))
        case ScriptModel():
            return TrainingSpec(**(common | _script(model, base_model)))
        case _:
            assert_never(model)


def _own(name: str, model: OwnModel, base_model: str, image_uri: str) -> dict[str, Any]:
    program = training().own
    return {
        "program": OwnContainer(profile=profile(name, model), shape=shape(model)),
        "image_uri": image_uri,
        "channels": {"model": base_model},
        "environment": {},
        "fixed_hyperparameters": {},
        "volume_size_gb": program.volume_size_gb,
        "max_run_seconds": program.max_run_seconds,
    }


def _jumpstart(name: str, model: JumpStartModel, region: str, account: str | None) -> dict[str, Any]:
    program = model.over(training().jumpstart)
    bucket = program.artifact_bucket.format(region=region)
    return {
        "program": JumpStart(profile=profile(name, model), shape=shape(model)),
        "image_uri": program.image.format(account=account, region=region),
        "channels": {"code": program.script.format(region=region), "model": f"s3://{bucket}/{model.artifact_key}"},
        "environment": dict(program.environment),
        "fixed_hyperparameters": dict(program.fixed_hyperparameters),
        "volume_size_gb": program.volume_size_gb,
        "max_run_seconds": program.max_run_seconds,
    }


def _script(model: ScriptModel, base_model: str) -> dict[str, Any]:
    """As JumpStart's program is given its script: in a channel of its own, named by two hyperparameters."""
    base = {"model": model.base_model_url or base_model}
    channels, fixed = base, {}
    if model.script is not None:
        url, entry_point = model.script
        channels = {"code": url, **base}
        fixed = {
            "sagemaker_program": entry_point,
            "sagemaker_submit_directory": f"{CODE_CHANNEL}/{url.rpartition('/')[2]}",
        }
    return {
        "program": Script(shape=Shape(**model.shape.model_dump()) if model.shape else None),
        "image_uri": model.image_uri,
        "channels": channels,
        "environment": dict(model.environment),
        "fixed_hyperparameters": fixed,
        "metrics": tuple(metric.model_dump() for metric in model.metrics),
        "volume_size_gb": model.volume_size_gb,
        "max_run_seconds": training().own.max_run_seconds,
        "network_isolation": model.network_isolation,
    }
