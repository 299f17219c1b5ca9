"""Whether a job's GPUs hold it: an estimate, meant to refuse what surely fails and to let pass what JumpStart lists.

Per GPU, in bytes:
* weights: parameters x 2 (bfloat16), x 4 on P3 and G4, which have no bfloat16, x 1 with int8; divided over all GPUs of
  the job by FSDP, over those of one instance by int8 (layers spread over them), whole on each GPU with neither;
* LoRA: matrix pairs of rank r on two projections a layer, 16 bytes a parameter (weight, gradient, two moments in
  float32);
* activations with checkpointing, for batch x length tokens: 2 bytes x hidden x (2 x layers + 34), where one layer is
  recomputed (34 bytes a value: Korthikanti et al. 2022), and the logits, 10 bytes x vocabulary (bfloat16, float32, its
  gradient); with int8 the layers of one GPU only;
* or, where that is more, of a validation's batch x length tokens one layer's values and the logits: nothing is kept;
* 1.5 GiB for CUDA and the allocator; a tenth of the GPU is left free.
Not measured on a GPU.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from finetune.errors import BadRequest
from finetune.sizes import InstanceFacts, Shape

GIB: Final = 2**30
_RUNTIME_BYTES: Final = 3 * GIB // 2
_USABLE: Final = 0.9
_NO_BFLOAT16: Final = ("ml.p3.", "ml.p3dn.", "ml.g4dn.")
_DEFAULT_LENGTH: Final = 1024


def training_bytes(shape: Shape, hyperparameters: Mapping[str, str], instance_type: str, gpus: int, count: int) -> int:
    """What each GPU has to hold while it trains. `gpus` are one instance's."""
    width = _width(instance_type)
    int8, fsdp = hyperparameters["int8_quantization"] == "True", hyperparameters["enable_fsdp"] == "True"
    layers = ceil(shape.layers / gpus) if int8 else shape.layers
    sharing = gpus if int8 else gpus * count if fsdp else 1
    weights = (1 if int8 else width) * shape.parameters // sharing
    length = int(hyperparameters["max_input_length"])
    length = _DEFAULT_LENGTH if length == -1 else length
    tokens = int(hyperparameters["per_device_train_batch_size"]) * length
    validated = int(hyperparameters["per_device_eval_batch_size"]) * length
    lora = 16 * int(hyperparameters["lora_r"]) * 4 * shape.hidden * layers
    activations = tokens * (width * shape.hidden * (2 * layers + 34) + 10 * shape.vocabulary)
    validation = validated * (width * shape.hidden * 34 + 10 * shape.vocabulary)
    return weights + lora + max(activations, validation) + _RUNTIME_BYTES


def check_training(
    shape: Shape, hyperparameters: Mapping[str, str], instance_type: str, facts: InstanceFacts, count: int
) -> None:
    """Raises BadRequest where the job does not fit the instance type."""
    if facts.gpus == 0:
        raise BadRequest(f"{instance_type} has no GPU. Choose another instance type.", param="instance_types")
    needs = training_bytes(shape, hyperparameters, instance_type, facts.gpus, count)
    has = usable_bytes(facts)
    if needs > has:
        raise BadRequest(
            f"{instance_type} has about {has / GIB:.1f} GiB free on each GPU, and this job needs about "
            f"{needs / GIB:.1f}. Lower per_device_train_batch_size, per_device_eval_batch_size or max_input_length, "
            "set int8_quantization to True, or choose an instance type with more GPU memory.",
            param="instance_types",
        )


def fits_evaluation(shape: Shape, instance_type: str, facts: InstanceFacts) -> bool:
    """Whether one model at a time fits the instance's GPUs together, a sixth above its weights."""
    return (
        facts.gpus > 0
        and _width(instance_type) * shape.parameters * 7 // 6 + _RUNTIME_BYTES <= usable_bytes(facts) * facts.gpus
    )


def usable_bytes(facts: InstanceFacts) -> int:
    """Of one GPU."""
    return int(facts.gpu_memory_gib / facts.gpus * GIB * _USABLE)


def _width(instance_type: str) -> int:
    """Bytes of a value that is not quantized."""
    return 4 if instance_type.startswith(_NO_BFLOAT16) else 2
