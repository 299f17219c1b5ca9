"""The model: read from its folder, with LoRA's two small matrices beside each chosen layer, merged at the end."""

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from training.errors import TrainingError
from training.hyperparameters import Hyperparameters
from training.world import World

PROJECTIONS = (("q_proj", "v_proj"), ("query_key_value",), ("c_attn",))
"""The attention projections that LoRA learns: Llama's and its many relatives', Falcon's, GPT-2's."""


def tokenizer_of(folder: Path, **options: Any) -> Any:
    """Raises TrainingError where the folder holds no tokenizer."""
    _check_is_model(folder)
    try:
        # transformers' types do not say what its Auto classes return
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as exc:
        raise TrainingError(f"The tokenizer in the channel {folder.name} cannot be read: {_first_line(exc)}.") from exc
    if tokenizer.eos_token_id is None:
        raise TrainingError(f"The tokenizer in the channel {folder.name} has no end mark (eos_token): give it one.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def window_of(folder: Path) -> int:
    """How many tokens the model in `folder` reads at most."""
    config: Any = AutoConfig.from_pretrained(folder)
    limit: Any = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", 2048)
    return int(limit)


def load(folder: Path, **options: Any) -> Any:
    """The causal language model in `folder`. Raises TrainingError where there is none that can be read."""
    _check_is_model(folder)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise TrainingError(f"The model in the channel {folder.name} cannot be read: {_first_line(exc)}.") from exc
    return model


def trainable(folder: Path, asked: Hyperparameters, world: World) -> Any:
    """The model with a LoRA adapter, ready to be trained by this process's part of the world."""
    model = _base(folder, asked, world)
    torch.manual_seed(asked.seed)  # the adapter begins the same in every process and every run
    model = _adapted(model, asked)
    if world.device.type == "cuda":  # a third more time for a fraction of the memory
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    if world.size > 1:
        _shard(model, world)
    elif not asked.int8_quantization:
        model.to(world.device)
    return model


def merge(folder: Path, adapter: Mapping[str, torch.Tensor], asked: Hyperparameters, into: Path) -> None:
    """Write the model in `folder` with `adapter` merged into it, in the precision that it came in.

    It is read afresh: neither eight bits nor shards nor a training precision leave a trace in what is served.
    """
    model = _adapted(load(folder, dtype="auto"), asked)
    set_model_state_dict(model, dict(adapter), options=StateDictOptions(strict=False))  # the frozen base is not in it
    merged: Any = model.merge_and_unload(safe_merge=True)
    merged.save_pretrained(into)
    tokenizer_of(folder).save_pretrained(into)


def _base(folder: Path, asked: Hyperparameters, world: World) -> Any:
    if asked.int8_quantization:
        _check_eight_bits(world)
        eight_bits: Any = BitsAndBytesConfig  # neither has types
        prepared: Any = prepare_model_for_kbit_training
        return prepared(load(folder, quantization_config=eight_bits(load_in_8bit=True), device_map="auto"))
    return load(folder, dtype=_precision(world))


def _precision(world: World) -> torch.dtype:
    """bfloat16 only where the hardware computes in it: a CPU or a V100 would be slower with it, not faster."""
    return torch.bfloat16 if world.device.type == "cuda" and torch.cuda.is_bf16_supported(False) else torch.float32


def _adapted(model: Any, asked: Hyperparameters) -> Any:
    config = LoraConfig(
        r=asked.lora_r,
        lora_alpha=asked.lora_alpha,
        lora_dropout=asked.lora_dropout,
        target_modules=list(_projections(model)),
        fan_in_fan_out=hasattr(model, "transformer") and hasattr(model.transformer, "wte"),
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft asks transformers by a name that is on its way out
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(model, config)


def _projections(model: Any) -> tuple[str, ...]:
    present = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    for projections in PROJECTIONS:
        if present.issuperset(projections):
            return projections
    known = ", ".join("/".join(projections) for projections in PROJECTIONS)
    raise TrainingError(
        f"A {model.config.model_type} model has none of the attention layers that LoRA is put on: {known}."
    )


def _shard(model: Any, world: World) -> None:
    """FSDP: each process keeps its part of every layer, and gathers a layer only while it computes with it."""
    mesh = init_device_mesh(world.device.type, (world.size,))
    precision = _precision(world)
    policy = MixedPrecisionPolicy(param_dtype=precision, reduce_dtype=torch.float32)
    for layer in _layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def _layers(model: Any) -> list[Any]:
    """The model's decoder layers: its longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=[]))


def _check_is_model(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise TrainingError(
            f"The channel {folder.name} holds no model (config.json is missing): it must be a Transformers folder,"
            " with config.json, weights and tokenizer at its root."
        )


def _check_eight_bits(world: World) -> None:
    if world.device.type != "cuda":
        raise TrainingError(
            "Hyperparameter int8_quantization is True, but this host has no CUDA GPU: choose one that has."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainingError(
            "Hyperparameter int8_quantization is True, but the image lacks the Python package bitsandbytes: add it."
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
