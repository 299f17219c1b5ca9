"""JumpStart's open bucket: which versions of a model can be trained, and the spec of one of them; or that spec from a
file.

The manifest and the specs are read as the SDK reads them (sagemaker-core 2.27.0, jumpstart/cache.py and types.py).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pilotlight.catalog import OPEN_BUCKET
from pilotlight.config_file import did_you_mean
from pilotlight.jumpstart import LockError, version_of

MANIFEST: Final = "models_manifest.json"


def training_spec(s3: Any, region: str, model_id: str, version: str | None) -> dict[str, Any]:
    """The spec of `version`, or of the newest one that can be trained. `s3` is boto3's client. Raises LockError."""
    bucket, left = OPEN_BUCKET.format(region=region), []
    try:
        for header in _headers(_read(s3, bucket, MANIFEST), model_id, version):
            spec = _read(s3, bucket, header["spec_key"])
            reason = _untrainable(spec)
            if reason is None:
                return _configured(spec)
            left.append(f"version {header['version']} {reason}")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise LockError(f"What s3://{bucket} holds is not made as it is known here: {error!r}.") from error
    raise LockError(f"JumpStart does not train {model_id}: {left[0]}.")


def spec_in_file(file: Path, model_id: str) -> dict[str, Any]:
    """The same from a file, which has the spec as the bucket does. Raises LockError."""
    try:
        spec = json.loads(file.read_text(encoding="utf-8"))
        if spec["model_id"] != model_id:
            raise LockError(f"{file} has the spec of {spec['model_id']}, not of {model_id}. Name that model.")
        reason = _untrainable(spec)
        if reason is not None:
            raise LockError(f"JumpStart does not train {model_id}: version {spec['version']} {reason}.")
        return _configured(spec)
    except OSError as error:
        raise LockError(f"{file} cannot be read: {error}.") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise LockError(f"{file} is not made as JumpStart's specs are: {error!r}.") from error


def _read(s3: Any, bucket: str, key: str) -> Any:
    try:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except (BotoCoreError, ClientError) as error:
        raise LockError(
            f"s3://{bucket}/{key} cannot be read: {error}. It is open to every AWS account: use credentials that allow "
            "s3:GetObject on it, and a Region that has JumpStart (--region)."
        ) from error


def _headers(manifest: list[dict[str, Any]], model_id: str, version: str | None) -> list[dict[str, Any]]:
    """Its entries in the manifest, newest first."""
    found = sorted((one for one in manifest if one["model_id"] == model_id), key=version_of, reverse=True)
    if not found:
        near = did_you_mean(model_id, {one["model_id"] for one in manifest})
        raise LockError(f"JumpStart has no model {model_id}{near}. Correct its id.")
    named = [one for one in found if version in (None, one["version"])]
    if not named:
        there = ", ".join(one["version"] for one in found)
        raise LockError(f"{model_id} has no version {version}; there are {there}.")
    return named


def _untrainable(spec: Mapping[str, Any]) -> str | None:
    """Why this version is none to train, in words that follow its number. The SDK refuses the first three as well."""
    if not spec.get("training_supported"):
        return "cannot be trained"
    if spec.get("deprecated"):
        return "is deprecated"
    if spec.get("training_vulnerable"):
        return "trains with packages that are known to be vulnerable"
    if spec.get("training_model_package_artifact_uris"):
        return "is trained from a model package, and here models are trained from an artifact"
    return None


def _configured(spec: dict[str, Any]) -> dict[str, Any]:
    """With the parts of the training configuration that ranks first, where a spec has several."""
    configs = spec.get("training_configs")
    if not configs:
        return spec
    ranked = (spec.get("training_config_rankings") or {}).get("overall", {}).get("rankings") or sorted(configs)
    for name in configs[ranked[0]].get("component_names") or ():
        spec = _over(spec, spec["training_config_components"][name])
    return spec


def _over(under: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _over(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in upper.items()
    }
    return {**under, **both}
