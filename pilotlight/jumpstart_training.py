"""JumpStart's own trainings, out of its specs, for `pilot models lock-training`; synth reads only what that wrote.

A training becomes a row of the lock file where it is Llama 2's with other files: the same hyperparameters, none with
fewer values, perhaps further ones, the same metrics, in isolation. Any other one becomes a table for program = "script"
(jumpstart_program). Pure. The keys of a spec are those that the SDK reads (sagemaker-core 2.27.0, jumpstart/types.py).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final, cast

from finetune.errors import BadRequest
from finetune.hyperparameters import MAX_INTEGER, RULES, Profile, Rule, complete

from pilotlight.catalog import GATED_BUCKET, OPEN_BUCKET, Model
from pilotlight.jumpstart import REGISTRY, LockError, regions_with
from pilotlight.training_file import JumpStartProgram, Metric, OwnModel, TrainingFile

_LONGEST_FURTHER: Final = 200
"""Characters of fine_tune.LONGEST_SETTINGS for hyperparameters that only one model has."""
_MAX_RUN_SECONDS: Final = 86400  # the SDK's, where a spec says nothing


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a spec says of a training on its first instance type, and on those where it is the same.

    `image_regions` are those that the spec names the image for; None: it names none. `said` is what it says of each
    hyperparameter.
    """

    model_id: str
    version: str
    program: JumpStartProgram
    image_regions: frozenset[str] | None
    artifact_key: str
    instance_types: tuple[str, ...]
    said: Mapping[str, Mapping[str, Any]]
    metrics: tuple[Metric, ...]
    network_isolation: bool
    asks_for_a_eula: bool

    @property
    def further(self) -> dict[str, dict[str, Any] | None]:
        """What the hyperparameters beside Llama 2's may be, as a profile has them; None where a row cannot say it."""
        return {name: _rule(one) for name, one in self.said.items() if name not in RULES}

    @property
    def defaults(self) -> dict[str, str | None]:
        """Of the hyperparameters that are known here, in their wire form; None is a value that they do not take."""
        return {name: RULES[name].wire(one["default"]) for name, one in self.said.items() if name in RULES}


def parse(
    spec: Mapping[str, Any], *, accounts: Mapping[str, str], known_types: Iterable[str], usual: JumpStartProgram
) -> Training:
    """`accounts` own the images, by Region; `known_types` are the instance types with facts; `usual` is Llama 2's
    program. Raises LockError where the spec lacks something, or is made differently.
    """
    try:
        return _parse(spec, accounts, frozenset(known_types), usual)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise LockError(f"The spec is not made as those that are known here: {error!r}.") from error


def _parse(
    spec: Mapping[str, Any], accounts: Mapping[str, str], known_types: frozenset[str], usual: JumpStartProgram
) -> Training:
    first, own = spec["default_training_instance_type"], _variant(spec, spec["default_training_instance_type"])
    alike = (name for name in spec["supported_training_instance_types"] if _variant(spec, name) == own)
    types = tuple(name for name in dict.fromkeys((first, *alike)) if name in known_types)
    if not types:
        raise LockError(f"{spec['model_id']} is trained on {first}, of which nothing is known here.")
    image, regions = _image(spec, own, accounts, usual)
    gated = bool(spec.get("gated_bucket"))
    asks = gated or spec.get("hosting_eula_key") is not None
    said = {one["name"]: one for one in (*spec["hyperparameters"], *own.get("hyperparameters", ()))}
    container = {name: str(one["default"]) for name, one in said.items() if one["scope"] == "container"}
    script = spec.get("training_prepacked_script_key") or spec["training_script_key"]
    keys = [own.get("training_artifact_key")]
    if gated:  # where the plain key may be a dummy's (aws/sagemaker-python-sdk PR 4485)
        keys = [own.get("gated_model_key_env_var_value"), spec.get("gated_training_artifact_key"), *keys]
    return Training(
        model_id=spec["model_id"],
        version=spec["version"],
        program=JumpStartProgram(
            image=image,
            script=f"s3://{OPEN_BUCKET}/{script}",
            artifact_bucket=GATED_BUCKET if gated else OPEN_BUCKET,
            volume_size_gb=spec.get("training_volume_size") or usual.volume_size_gb,
            max_run_seconds=(spec.get("estimator_kwargs") or {}).get("max_run", _MAX_RUN_SECONDS),
            environment={
                **({"accept_eula": "true"} if asks else {}),
                **{name: str(value) for name, value in own.get("environment_variables", {}).items()},
            },
            fixed_hyperparameters=container,
        ),
        image_regions=regions,
        artifact_key=next((key for key in keys if key), None) or spec["training_artifact_key"],
        instance_types=types,
        said={name: one for name, one in said.items() if name not in container},
        metrics=tuple(Metric(Name=one["Name"], Regex=one["Regex"]) for one in own.get("metrics") or spec["metrics"]),
        network_isolation=bool(spec.get("training_enable_network_isolation")),
        asks_for_a_eula=asks,
    )


def _variant(spec: Mapping[str, Any], instance_type: str) -> dict[str, Any]:
    """What the spec says for this instance type, or for its family."""
    variants = (spec.get("training_instance_type_variants") or {}).get("variants") or {}
    found: dict[str, Any] = {}
    for name in (instance_type.split(".")[1], instance_type):
        for kind in ("regional_properties", "properties"):
            found |= variants.get(name, {}).get(kind) or {}
    return found


def _image(
    spec: Mapping[str, Any], own: Mapping[str, Any], accounts: Mapping[str, str], usual: JumpStartProgram
) -> tuple[str, frozenset[str] | None]:
    """A template, and the Regions that have it. Of a spec without variants, which names versions only, no more is known
    than whether they are those of Llama 2's image.
    """
    variants = spec.get("training_instance_type_variants")
    if variants:
        alias = own.get("image_uri", "").removeprefix("$")
        uris = {region: known.get(alias, "") for region, known in variants["regional_aliases"].items()}
        for region, account in accounts.items():
            uri, ours = uris.get(region, ""), REGISTRY.format(account=account, region=region)
            if uri.startswith(ours):
                image = uri.removeprefix(ours)
                return REGISTRY + image, frozenset(regions_with(image, uris, accounts))
    else:
        ecr = spec.get("training_ecr_specs") or {}
        name = "huggingface-pytorch-training:{framework_version}-transformers{huggingface_transformers_version}-gpu-"
        if usual.image.partition("/")[2].startswith(name.format_map(ecr) + f"{ecr['py_version']}-"):
            return usual.image, None
    raise LockError(f"{spec['model_id']} {spec['version']} names no image of AWS's to train it with.")


def differences(training: Training, model: Model | None, file: TrainingFile) -> Iterator[str]:
    """Why no row can describe it. `model` is the catalog's; None where that does not have it."""
    if model is None:
        yield "it is not in the catalog, so a stage serves it as custom"
    elif training.asks_for_a_eula and model.eula_key is None:
        yield "its training asks for a EULA to be accepted, and what is served does not"
    elif isinstance(file.models.get(model.name), OwnModel):
        yield f"{model.name} is trained with the project's own container"
    more, fewer = training.further, RULES.keys() - training.said.keys()
    unclear = sorted(name for name, rule in more.items() if rule is None)
    if unclear:
        yield f"what its own hyperparameters {', '.join(unclear)} may be is said in a way that no row can repeat"
    if len(json.dumps(more)) > _LONGEST_FURTHER:
        yield f"its own hyperparameters {', '.join(sorted(more))} are too many for a stage's settings"
    if fewer:
        yield f"it does not have the hyperparameters {', '.join(sorted(fewer))}"
    else:
        for name, default in training.defaults.items():
            if default is None or _narrower(name, training.said[name]):
                yield f"its {name} is not {RULES[name].allowed}"
    if set(training.metrics) != set(file.metrics):
        yield "its log has other metrics"
    if not training.network_isolation:
        yield "it does not run in network isolation"


def _rule(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a hyperparameter may be, as `Rule` takes it in JSON; None where the spec says more than that can hold."""
    kind = {"int": "integer", "float": "number", "text": "text"}.get(said.get("type", ""))
    held = {"options"} if kind == "text" else {"min", "max"}
    if kind is None or said.keys() & {"options", "min", "max", "exclusive_min", "exclusive_max"} - held:
        return None
    options = said.get("options", ())
    if {*options} == {"True", "False"}:
        kind, options = "flag", ()
    rule: dict[str, Any] = {"kind": kind, **({"options": list(options)} if options else {})}
    if kind in ("integer", "number"):
        rule |= {"least": said.get("min", -MAX_INTEGER), "most": said.get("max", MAX_INTEGER)}
    default = Rule(default="", **rule).wire(said.get("default"))
    return None if default is None else {**rule, "default": default}


def _narrower(name: str, said: Mapping[str, Any]) -> bool:
    """Whether it takes fewer values than are taken here. A row can say that there is no FSDP."""
    rule = RULES[name]
    if "options" in said:
        flags = {"False"} if name == "enable_fsdp" else {"True", "False"}
        return rule.kind != "flag" or not flags <= set(said["options"])
    least, most = said.get("min", -inf), said.get("max", inf)
    return bool(
        least > (rule.least if rule.also != "-1" else -1)
        or most < rule.most
        or said.get("exclusive_min", -inf) >= rule.least
        or said.get("exclusive_max", inf) <= rule.most
    )


def row(
    training: Training, *, accounts: Mapping[str, str], usual: JumpStartProgram, source: str | None = None
) -> dict[str, Any]:
    """A training without differences, for the lock file. `source` is where its spec was found; None: in the bucket.
    Raises LockError where its defaults exclude each other.
    """
    defaults = {name: value for name, value in training.defaults.items() if value != RULES[name].default}
    regions = [] if training.image_regions is None else sorted(training.image_regions)
    fsdp = "True" in training.said["enable_fsdp"].get("options", ("True",))
    neither = training.defaults["enable_fsdp"] == training.defaults["int8_quantization"] == "False"
    try:
        complete({}, Profile(training.model_id, cast(dict[str, str], defaults), fsdp, neither))
    except BadRequest as refused:
        raise LockError(f"The defaults of {training.model_id} do not fit each other: {refused.message}") from refused
    return {
        "program": "jumpstart",
        "version": training.version,
        **({"source": source} if source else {}),
        "artifact_key": training.artifact_key,
        "instance_types": list(training.instance_types),
        "defaults": defaults,
        **({"hyperparameters": training.further} if training.further else {}),
        "spec": {name: value for name, value in training.program.model_dump().items() if value != getattr(usual, name)},
        **({} if set(regions) in ({*accounts}, set()) else {"regions": regions}),
        **({} if fsdp else {"fsdp": False}),  # else a row of training.toml may still forbid it
        **({"neither": True} if neither else {}),
    }
