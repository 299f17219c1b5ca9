"""Models that work by name, instance types that host them, Regions that hold them: facts as data, in `data/`.

Each file names its sources in its header. Nothing here asks the network.
"""

import csv
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Contract = Literal["alexatm", "tgi", "openai"]

CUSTOM_MODEL: Final = "custom"  # the user's own container
PLAIN_TEMPLATE: Final = "plain"  # for a model that was not trained to chat
LOCAL_MODEL: Final = "smollm2-135m-instruct"  # the model behind every stage of the embedded cloud

_DATA: Final = Path(__file__).parent / "data"

HUB_VARIABLE: Final = "SM_VLLM_MODEL"
"""Where vLLM's container takes its model from: a folder, or an id of huggingface.co."""
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

OPEN_BUCKET: Final = "jumpstart-cache-prod-{region}"
GATED_BUCKET: Final = "jumpstart-private-cache-prod-{region}"
"""JumpStart's, in each Region."""

LOCK_FILE: Final = _DATA / "jumpstart.lock.json"
"""Models by their JumpStart ids, as `pilot models lock` found them."""

_UNREAD: Final = "{name} has a licence that is not known here: read its {where} before you use it."

# What no spec says. Nor does any say how large the model is, so the timeouts are SageMaker's maximum: a longer wait
# costs less than a failed start.
_UNSAID: Final[Mapping[str, Any]] = {
    "contract": "tgi",
    "model_data_download_timeout_seconds": 3600,
    "container_startup_timeout_seconds": 3600,
    "wake_seconds": 600,
}


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(_Fact):
    """One model: what to run, what it needs, and the defaults of a stage that names it.

    `image` is a template over {account} and {region}, `artifact` (an S3 prefix, ends with `/`) one over
    {region}; both are None where the user has to give them, but for a model of huggingface.co (`hub`), which the
    container fetches itself. `known_instance_types` are those that the model's
    publisher tested or lists. The minima are for one instance.
    """

    name: str
    contract: Contract | None = None  # None: the stage says which
    chat_template: str | None = None  # None: the stage says which, or the plain one
    licence: str
    licence_notice: str | None = None
    eula_key: str | None = None  # in the JumpStart bucket; only a model that has one asks for its EULA to be accepted
    jumpstart_id: str | None = None
    jumpstart_version: str | None = None
    local_only: bool = False
    hub: bool = False
    image: str | None = None
    artifact: str | None = None
    regions: tuple[str, ...] = ()  # that have its image; empty: all of `registry_accounts`
    default_instance_type: str | None = None
    known_instance_types: tuple[str, ...] = ()
    min_gpu_memory_gib: int = 0
    min_memory_gib: int = 0
    min_volume_size_gb: int = 1
    model_data_download_timeout_seconds: int
    container_startup_timeout_seconds: int
    wake_seconds: int
    window_tokens: int | None = None  # for a container whose environment does not say it
    inference_ami_version: str | None = None  # of the instances, where their usual driver is too old for the image
    environment: Mapping[str, str] = Field(default_factory=dict)
    environment_by_instance_type: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)

    def environment_on(self, instance_type: str) -> dict[str, str]:
        """The container environment on this instance type: it tells a TGI container its number of GPUs."""
        return {**self.environment, **self.environment_by_instance_type.get(instance_type, {})}

    @property
    def gated(self) -> bool:
        """Whether the artifact lies where only who accepts the EULA may read."""
        return self.artifact is not None and self.artifact.startswith(f"s3://{GATED_BUCKET}/")

    @property
    def model_variable(self) -> str | None:
        """What tells its container where other files than its own lie; None where it looks for them by itself."""
        if self.hub:
            return HUB_VARIABLE
        is_lmi = self.image is not None and "/djl-inference:" in self.image
        return "HF_MODEL_ID" if is_lmi and "HF_MODEL_ID" not in self.environment else None

    def eula_url(self, region: str) -> str | None:
        """Where the EULA can be read; None for a model without one."""
        if self.eula_key is None:
            return None
        return f"https://{OPEN_BUCKET.format(region=region)}.s3.{region}.amazonaws.com/{self.eula_key}"


class Instance(_Fact):
    """One instance type. `storage` nvme: a local SSD, no volume can be asked for; ebs: a volume must be."""

    instance_type: str
    gpus: int
    gpu_memory_gib: int  # all GPUs together
    memory_gib: int
    storage: Literal["nvme", "ebs"]


class ChatTemplate(_Fact):
    """How a conversation becomes one prompt; `data/chat_templates.toml` says what each field means."""

    name: str
    system: str
    user: str
    assistant: str
    answer: str
    stop: tuple[str, ...] = ()
    reserved: tuple[str, ...]
    line_breaks: str | None = None
    strips: bool = False
    alternates: bool = False


@cache
def models() -> Mapping[str, Model]:
    """Every model that has a name of its own, by that."""
    return {name: Model(name=name, **table) for name, table in _models_file()["models"].items()}


@cache
def jumpstart_models() -> Mapping[str, Model]:
    """Every further model of the JumpStart catalog that can be deployed, by its id."""
    rows = locked(LOCK_FILE).items()
    return {name: Model(name=name, **_UNSAID, **_licence(row), **row) for name, row in rows}


def locked(file: Path) -> dict[str, dict[str, Any]]:
    """A lock file's rows by the names of their models; `jumpstart.lock_text` writes one."""
    rows: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["models"]
    return rows


def model(name: str) -> Model | None:
    """The model of this name, JumpStart id, or id on huggingface.co; None where there can be none."""
    by_id = {known.jumpstart_id: known for known in models().values()}
    found = models().get(name) or by_id.get(name) or jumpstart_models().get(name)
    return _of_the_hub(name) if found is None and _HUB_ID.fullmatch(name) else found


def _of_the_hub(name: str) -> Model:
    """Nobody asks huggingface.co whether it exists: synth does not use the network."""
    return Model(
        name=name,
        hub=True,
        licence_notice=_UNREAD.format(name=name, where="page on huggingface.co"),
        environment={HUB_VARIABLE: name, "SM_VLLM_HOST": "0.0.0.0"},  # noqa: S104 (its container's own network)
        environment_by_instance_type={
            instance.instance_type: {"SM_VLLM_TENSOR_PARALLEL_SIZE": str(instance.gpus)}
            for instance in instances().values()
            if instance.gpus > 1
        },
        **_models_file()["hub"],
    )


def _models_file() -> dict[str, Any]:
    return tomllib.loads((_DATA / "models.toml").read_text(encoding="utf-8"))


def _licence(row: Mapping[str, Any]) -> dict[str, str]:
    if "eula_key" in row:
        return {"licence": "the agreement at eula_key"}
    return {
        "licence": "not known",
        "licence_notice": _UNREAD.format(name=row["jumpstart_id"], where="card in JumpStart"),
    }


@cache
def chat_templates() -> Mapping[str, ChatTemplate]:
    """Every chat template by its name."""
    tables = tomllib.loads((_DATA / "chat_templates.toml").read_text(encoding="utf-8"))["chat_templates"]
    return {name: ChatTemplate(name=name, **table) for name, table in tables.items()}


@cache
def instances() -> Mapping[str, Instance]:
    """Every instance type that a stage may name, by its name (`ml.g4dn.12xlarge`)."""
    return {row["instance_type"]: Instance.model_validate(row) for row in _rows("instances.csv")}


@cache
def registry_accounts() -> Mapping[str, str]:
    """The account that owns the deep-learning containers, by Region; JumpStart's models are in these only."""
    return {row["region"]: row["registry_account"] for row in _rows("regions.csv")}


@cache
def regions_with_instance_pools() -> frozenset[str]:
    """The Regions in which SageMaker chooses among several instance types by itself."""
    return frozenset(row["region"] for row in _rows("regions.csv") if row["instance_pools"] == "yes")


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))
