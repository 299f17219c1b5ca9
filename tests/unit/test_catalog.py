"""The catalog's data agrees with itself and with the facts that the product must carry."""

import re
from itertools import product

import pytest

from pilotlight.catalog import (
    CUSTOM_MODEL,
    LOCAL_MODEL,
    Model,
    chat_templates,
    instances,
    jumpstart_models,
    model,
    models,
    registry_accounts,
)
from pilotlight.prices import usd_per_hour

EVERY = [*models().values(), *jumpstart_models().values()]
JUMPSTART = [model for model in EVERY if model.image is not None]


def named(model: Model) -> str:
    return model.name


def test_the_promised_models_work_by_name() -> None:
    llama = {f"llama-2-{size}{chat}" for size, chat in product(("7b", "13b", "70b"), ("", "-f"))}
    falcon = {f"falcon-{size}{instruct}" for size, instruct in product(("7b", "40b"), ("", "-instruct"))}
    assert set(models()) == {"alexatm-20b", LOCAL_MODEL, CUSTOM_MODEL} | llama | falcon


def test_alexatm_has_the_environment_of_its_tutorial_and_nothing_else() -> None:
    assert models()["alexatm-20b"].environment_on("ml.g4dn.12xlarge") == {
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600",
        "MODEL_CACHE_ROOT": "/opt/ml/model",
        "SAGEMAKER_ENV": "1",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code/",
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "TS_DEFAULT_WORKERS_PER_MODEL": "1",
    }


def test_alexatm_has_the_needs_and_timeouts_of_its_tutorial() -> None:
    model = models()["alexatm-20b"]
    assert (model.min_memory_gib, model.min_gpu_memory_gib, model.min_volume_size_gb) == (50, 42, 256)
    assert model.model_data_download_timeout_seconds == 3600
    assert model.container_startup_timeout_seconds == 3600
    assert model.known_instance_types == ("ml.g4dn.12xlarge", "ml.p3.8xlarge", "ml.p3.16xlarge")
    assert model.default_instance_type == "ml.g4dn.12xlarge"


def test_llama_is_pinned_to_the_last_version_with_an_image_and_gated() -> None:
    llama = [model for model in models().values() if model.name.startswith("llama-2-")]
    assert {model.jumpstart_version for model in llama} == {"4.3.0"}
    assert all(model.eula_key and model.artifact and "-private-cache-" in model.artifact for model in llama)


def test_only_llama_has_a_licence_agreement_to_accept() -> None:
    assert {name for name, model in models().items() if model.eula_key} == {
        name for name in models() if name.startswith("llama-2-")
    }


@pytest.mark.parametrize("model", JUMPSTART, ids=named)
def test_a_jumpstart_model_has_an_image_and_a_prefix_in_each_of_its_regions(model: Model) -> None:
    assert model.image is not None
    assert model.artifact is not None
    speaks_tgi = r"(huggingface-pytorch-tgi-inference:[\w.-]+|djl-inference:[\d.]+-lmi[\w.-]+)"
    for region in model.regions or registry_accounts():
        image = model.image.format(account=registry_accounts()[region], region=region)
        assert re.fullmatch(rf"\d{{12}}\.dkr\.ecr\.{region}\.amazonaws\.com/{speaks_tgi}", image)
        artifact = model.artifact.format(region=region)
        assert re.fullmatch(
            rf"s3://jumpstart-(private-)?cache-prod-{region}/[\w./-]+/inference-prepack/v[\d.]+/", artifact
        )


def test_the_other_text_generation_models_of_jumpstart_work_by_their_ids() -> None:
    assert len(jumpstart_models()) > 150
    for name in ("huggingface-llm-mistral-7b-instruct", "meta-textgeneration-llama-3-1-8b-instruct"):
        assert model(name) is jumpstart_models()[name]


def test_an_id_whose_model_has_a_name_here_means_that_model() -> None:
    assert model("meta-textgeneration-llama-2-7b") is models()["llama-2-7b"]
    assert model("pytorch-textgeneration1-alexa20b") is models()["alexatm-20b"]
    assert not {known.jumpstart_id for known in models().values()} & set(jumpstart_models())


def test_what_is_chat_tuned_by_its_name_has_the_chat_template_of_its_family() -> None:
    templates = {name: jumpstart_models()[name].chat_template for name in jumpstart_models()}
    assert templates["meta-textgeneration-llama-3-1-8b-instruct"] == "llama-3"
    assert templates["huggingface-llm-mistral-7b-instruct-v3"] == "mistral"
    assert templates["huggingface-llm-gemma-2-9b-instruct"] == "gemma"
    assert templates["huggingface-llm-qwen2-5-7b-instruct"] == "chatml"
    assert templates["meta-textgeneration-llama-3-1-8b"] is None
    assert set(templates.values()) - {None} <= set(chat_templates())


@pytest.mark.parametrize("model", EVERY, ids=named)
def test_every_known_type_of_a_model_is_described_and_fits_it(model: Model) -> None:
    assert model.name == CUSTOM_MODEL or model.default_instance_type in model.known_instance_types
    for name in model.known_instance_types:
        instance = instances()[name]
        assert instance.gpu_memory_gib >= model.min_gpu_memory_gib, name
        assert instance.memory_gib >= model.min_memory_gib, name
        assert int(model.environment_on(name).get("SM_NUM_GPUS", "1")) <= instance.gpus, name


@pytest.mark.parametrize("model", EVERY, ids=named)
def test_timeouts_are_within_the_limits_of_an_endpoint_config(model: Model) -> None:
    assert 60 <= model.model_data_download_timeout_seconds <= 3600
    assert 60 <= model.container_startup_timeout_seconds <= 3600


def test_a_tgi_container_is_told_the_gpus_of_its_instance() -> None:
    llama = models()["llama-2-7b"]
    assert llama.environment_on("ml.g5.2xlarge")["SM_NUM_GPUS"] == "1"
    assert llama.environment_on("ml.g5.48xlarge")["SM_NUM_GPUS"] == "8"


def test_the_default_instance_of_every_model_has_a_price() -> None:
    defaults = {model.default_instance_type for model in models().values() if model.default_instance_type}
    assert {name for name in defaults if usd_per_hour(name) is None} == set()


@pytest.mark.parametrize(
    ("family", "storage"),
    [
        ("g4dn", "nvme"),
        ("g5", "nvme"),
        ("g6", "nvme"),
        ("p4d", "nvme"),
        ("p5", "nvme"),
        ("p3", "ebs"),
        ("inf2", "ebs"),
    ],
)
def test_a_family_has_one_kind_of_storage(family: str, storage: str) -> None:
    kinds = {instance.storage for name, instance in instances().items() if name.split(".")[1] == family}
    assert kinds == {storage}
