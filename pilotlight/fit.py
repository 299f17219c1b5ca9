"""Whether a model fits its instances: storage, memory, GPUs, one environment for all; and its window. Pure rules.

The facts are the catalog's; the limits are SageMaker's service model (botocore 1.43.106).
"""

from collections.abc import Iterator
from typing import Final

from pilotlight.catalog import Model, instances
from pilotlight.choice import Choice
from pilotlight.config_errors import ABSENT, Problem
from pilotlight.config_file import did_you_mean

_LARGEST_VOLUME_GB: Final = 512
_USUAL_VOLUME_GB: Final = 256  # AlexaTM's and Llama 2's tutorials use it; every model of the catalog fits
_MOST_VARIABLES: Final = 100
_VOLTA: Final = "ml.p3."  # the one family of instances.csv whose GPUs CUDA 13 has dropped


def problems(choice: Choice) -> Iterator[Problem]:
    """Everything about the instances that forbids this choice."""
    yield from _instance_types(choice)
    yield from _instance_pools(choice)
    yield from _storage(choice)
    yield from _memory(choice)
    yield from _gpus_of_the_hub(choice)
    yield from _gpu_count(choice)
    yield from _environment(choice)
    yield from _window(choice)


def _instance_types(choice: Choice) -> Iterator[Problem]:
    key = choice.key("instance_types")
    if not choice.instance_types:
        yield Problem(
            key=key,
            reason=f"this key is missing, and the model {choice.model.name} has no default",
            allowed=", ".join(instances()),
            fix='write, for example: instance_types = ["ml.g5.2xlarge"]',
        )
    for name in choice.instance_types:
        if name not in instances():
            yield Problem(
                key=key,
                value=name,
                reason=f"no facts to check this type against{did_you_mean(name, instances())}",
                allowed=", ".join(instances()),
                fix="name one of these, or add the type's facts to pilotlight/data/instances.csv",
            )
    if len(set(choice.instance_types)) < len(choice.instance_types):
        yield Problem(
            key=key,
            value=choice.instance_types,
            reason="a type stands in the list twice",
            allowed="different types, first choice first",
            fix="remove the repetition",
        )


def _instance_pools(choice: Choice) -> Iterator[Problem]:
    if choice.table.instance_pools and len(choice.instance_types) < 2:
        yield Problem(
            key=choice.key("instance_pools"),
            value=True,
            reason=f"there is nothing to fall back on: instance_types is {list(choice.instance_types)}",
            allowed="true with two to five instance_types, else false",
            fix='write, for example: instance_types = ["ml.g5.2xlarge", "ml.g5.4xlarge"]',
        )


def _storage(choice: Choice) -> Iterator[Problem]:
    nvme = [instance.instance_type for instance in choice.instances if instance.storage == "nvme"]
    ebs = [instance.instance_type for instance in choice.instances if instance.storage == "ebs"]
    size, least = choice.table.volume_size_gb, choice.model.min_volume_size_gb
    if nvme and ebs:
        yield Problem(
            key=choice.key("instance_types"),
            value=choice.instance_types,
            reason=f"{', '.join(nvme)} must have no volume and {', '.join(ebs)} must have one, "
            "but one volume size holds for all",
            allowed="types with local NVMe only, or types with EBS only",
            fix=f"remove {', '.join(ebs)}, or {', '.join(nvme)}",
        )
    elif nvme and size is not None:
        yield Problem(
            key=choice.key("volume_size_gb"),
            value=size,
            reason=f"{', '.join(nvme)} has a local NVMe disk, and SageMaker refuses a volume beside it",
            allowed="no such key",
            fix="remove volume_size_gb",
        )
    elif ebs and (size is None or size < least):
        yield Problem(
            key=choice.key("volume_size_gb"),
            value=ABSENT if size is None else size,
            reason=f"{choice.model.name} on {', '.join(ebs)} needs an EBS volume of at least {least} GB",
            allowed=f"an integer from {least} to {_LARGEST_VOLUME_GB} (GB)",
            fix=f"write volume_size_gb = {_USUAL_VOLUME_GB}",
        )


def _memory(choice: Choice) -> Iterator[Problem]:
    model = choice.model
    for instance in choice.instances:
        shortfalls = [
            f"has {has} GiB of {kind} memory, and {model.name} needs at least {needs}"
            for kind, has, needs in (
                ("GPU", instance.gpu_memory_gib, model.min_gpu_memory_gib),
                ("CPU", instance.memory_gib, model.min_memory_gib),
            )
            if has < needs
        ]
        if shortfalls:
            yield Problem(
                key=choice.key("instance_types"),
                value=instance.instance_type,
                reason=f"it {'; it '.join(shortfalls)}",
                allowed=", ".join(fitting_instance_types(model)),
                fix=f'write, for example: instance_types = ["{model.default_instance_type}"]',
            )


def _gpus_of_the_hub(choice: Choice) -> Iterator[Problem]:
    """The catalog's vLLM image has CUDA 13, which knows no GPU before Turing: it would fail after a whole wake."""
    if not choice.model.hub or choice.table.image_uri is not None:
        return
    able = [name for name, instance in instances().items() if instance.gpus and not name.startswith(_VOLTA)]
    for instance in choice.instances:
        if instance.instance_type not in able:
            has = "a GPU too old for CUDA 13" if instance.gpus else "no NVIDIA GPU"
            yield Problem(
                key=choice.key("instance_types"),
                value=instance.instance_type,
                reason=f"it has {has}, and cannot run the image that serves {choice.model.name}",
                allowed=", ".join(able),
                fix='write, for example: instance_types = ["ml.g5.2xlarge"], or name another image_uri',
            )


def fitting_instance_types(model: Model) -> list[str]:
    """The instance types with enough memory for the model, in the order of the data."""
    return [
        instance.instance_type
        for instance in instances().values()
        if instance.gpu_memory_gib >= model.min_gpu_memory_gib and instance.memory_gib >= model.min_memory_gib
    ]


def _environment(choice: Choice) -> Iterator[Problem]:
    if not choice.instance_types:
        return
    first, *others = choice.instance_types
    shared = choice.environment_on(first)
    for other in others:
        differing = sorted(dict(shared.items() ^ choice.environment_on(other).items()))
        if differing:
            yield Problem(
                key=choice.key("instance_types"),
                value=choice.instance_types,
                reason=f"{first} and {other} need different values of {', '.join(differing)}, "
                "but a model has one environment",
                allowed=f"types that need the same environment as {first}",
                fix=f"remove {other}, or give {', '.join(differing)} in [stages.{choice.stage}.environment]",
            )
    if len(shared) > _MOST_VARIABLES:
        yield Problem(
            key=choice.key("environment"),
            value=len(shared),
            reason="too many variables, the model's own included",
            allowed=f"at most {_MOST_VARIABLES}",
            fix="remove some",
        )


def _window(choice: Choice) -> Iterator[Problem]:
    stated = choice.table.window_tokens
    known = choice.known_window if choice.instance_types else None
    if stated is not None and known is not None and stated > known.total_tokens:
        yield Problem(
            key=choice.key("window_tokens"),
            value=stated,
            reason=f"the container of {choice.model.name} takes {known.total_tokens} tokens, input and output together",
            allowed=f"an integer from 128 to {known.total_tokens}, or no such key",
            fix=f"remove window_tokens, or write window_tokens = {known.total_tokens}",
        )


def _gpu_count(choice: Choice) -> Iterator[Problem]:
    for instance in choice.instances:
        wanted = choice.environment_on(instance.instance_type).get("SM_NUM_GPUS", "")
        if wanted.isdecimal() and int(wanted) > instance.gpus > 0:
            yield Problem(
                key=choice.key("environment.SM_NUM_GPUS"),
                value=wanted,
                reason=f"the model would be spread over {wanted} GPUs, "
                f"but {instance.instance_type} has {instance.gpus}",
                allowed=f'"1" to "{instance.gpus}", or an instance type with more GPUs',
                fix=f'write SM_NUM_GPUS = "{instance.gpus}" in [stages.{choice.stage}.environment]',
            )
