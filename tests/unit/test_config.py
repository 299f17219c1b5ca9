"""`pilotlight.toml` becomes a complete stage, or is refused with what to do about it; nothing in between."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotlight.auto_off import worst_month
from pilotlight.catalog import instances, models
from pilotlight.config import ConfigError, Problem, Stage, Target, load

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "pilotlight.toml"
REGION = "us-east-1"
OWN_IMAGE = 'image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/alexatm:1.0"\n'
OWN_ORIGIN = OWN_IMAGE + 'model_data_url = "s3://my-bucket/alexatm/"\n'
ALEXATM = 'model = "alexatm-20b"\n' + OWN_ORIGIN
FALCON = 'model = "falcon-7b-instruct"\n'
HUB = 'model = "Qwen/Qwen2.5-7B-Instruct"\ninstance_types = ["ml.g5.12xlarge"]\n'
LLAMA = 'model = "llama-2-7b"\naccept_eula = true\n'
CUSTOM = 'model = "custom"\ncontract = "tgi"\ninstance_types = ["ml.g5.2xlarge"]\n' + OWN_ORIGIN
ON_P3 = 'instance_types = ["ml.p3.8xlarge"]\n'
API = "[stages.dev.api]\n"

Loader = Callable[..., Stage]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Loads a file whose one stage, `dev`, has the given body."""
    path = tmp_path_factory.mktemp("config") / "pilotlight.toml"

    def load_body(body: str, *, target: Target = "aws", region: str | None = REGION) -> Stage:
        path.write_text(f'default_stage = "dev"\n[stages.dev]\n{body}', encoding="utf-8")
        return load(path, "dev", target=target, region=region)

    return load_body


def refusals(call: Callable[[], object]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        call()
    return caught.value.problems


def only_refusal(call: Callable[[], object]) -> Problem:
    (problem,) = refusals(call)
    return problem


class TestResolution:
    """What a stage becomes when nothing is wrong with it."""

    def test_a_model_name_alone_is_a_complete_stage(self, dev: Loader) -> None:
        stage = dev(FALCON)
        assert stage.image_uri.startswith("763104351884.dkr.ecr.us-east-1.amazonaws.com/")
        assert str(stage.model_data_url).startswith("s3://jumpstart-cache-prod-us-east-1/")
        assert (stage.contract, stage.gated) == ("tgi", False)
        assert stage.instance_types == ("ml.g5.2xlarge",)
        assert (stage.instance_count, stage.volume_size_gb) == (1, None)
        assert stage.environment["SM_NUM_GPUS"] == "1"
        assert stage.endpoint_name == "pilotlight-dev"
        assert (stage.api.throttle_rate_per_second, stage.api.throttle_burst) == (50, 100)
        assert (stage.api.integration_timeout_seconds, stage.auto_off.lifetime_hours) == (29, 12)
        assert (stage.api.reserved_concurrency, stage.api.overload_latency_seconds) == (None, None)
        assert stage.usd_per_hour == {"ml.g5.2xlarge": Decimal("1.515")}
        assert (stage.api.auth, stage.api.key_header, stage.api.quota_requests) == ("key", "any", None)
        assert (stage.api.cors_origins, stage.api.log_prompts) == ((), False)

    def test_what_is_written_replaces_every_default(self, dev: Loader) -> None:
        stage = dev(
            ALEXATM
            + ON_P3
            + """
            volume_size_gb = 300
            instance_count = 2
            model_data_download_timeout_seconds = 61
            container_startup_timeout_seconds = 62
            endpoint_name = "mine"
            lifetime_hours = 3
            [stages.dev.environment]
            EXTRA = "yes"
            [stages.dev.api]
            throttle_rate_per_second = 5
            throttle_burst = 6
            integration_timeout_seconds = 17
            auth = "key"
            key_header = "authorization"
            quota_requests = 7
            quota_period = "day"
            cors_origins = ["https://app.example.com", "http://localhost:3000"]
            log_prompts = true
            reserved_concurrency = 18
            overload_latency_seconds = 19
            """
        )
        assert stage.image_uri == "111122223333.dkr.ecr.us-east-1.amazonaws.com/alexatm:1.0"
        assert stage.model_data_url == "s3://my-bucket/alexatm/"
        assert (stage.instance_type, stage.volume_size_gb, stage.instance_count) == ("ml.p3.8xlarge", 300, 2)
        assert stage.model_data_download_timeout_seconds == 61
        assert stage.container_startup_timeout_seconds == 62
        assert (stage.endpoint_name, stage.auto_off.lifetime_hours) == ("mine", 3)
        assert stage.environment == {**models()["alexatm-20b"].environment, "EXTRA": "yes"}
        api = stage.api
        assert (api.throttle_rate_per_second, api.throttle_burst, api.integration_timeout_seconds) == (
            5,
            6,
            17,
        )
        assert (api.auth, api.key_header) == ("key", "authorization")
        assert (api.quota_requests, api.quota_period) == (7, "day")
        assert api.cors_origins == ("https://app.example.com", "http://localhost:3000")
        assert api.log_prompts
        assert (api.reserved_concurrency, api.overload_latency_seconds) == (18, 19)

    def test_alexatm_on_its_tested_nvme_instance_has_no_volume_and_long_timeouts(self, dev: Loader) -> None:
        stage = dev(ALEXATM)
        assert (stage.instance_types, stage.volume_size_gb) == (("ml.g4dn.12xlarge",), None)
        assert stage.model_data_download_timeout_seconds == 3600
        assert stage.container_startup_timeout_seconds == 3600
        assert stage.wake_seconds == 600

    def test_an_accepted_gated_model_comes_from_the_gated_bucket(self, dev: Loader) -> None:
        stage = dev(LLAMA)
        assert stage.gated
        assert str(stage.model_data_url).startswith("s3://jumpstart-private-cache-prod-us-east-1/")

    def test_an_artifact_of_ones_own_is_not_gated(self, dev: Loader) -> None:
        assert not dev(LLAMA + 'model_data_url = "s3://my-bucket/tuned/"\n').gated

    def test_a_model_goes_by_the_id_that_it_was_named_by(self, dev: Loader) -> None:
        stage = dev('model = "huggingface-llm-falcon-7b-instruct-bf16"\napi = { model_aliases = ["gpt-4o-mini"] }\n')
        assert stage.model == "falcon-7b-instruct"
        assert stage.api.model_aliases == ("gpt-4o-mini", "huggingface-llm-falcon-7b-instruct-bf16")
        assert dev('model = "falcon-7b-instruct"\n').api.model_aliases == ()

    def test_a_model_of_hugging_face_is_fetched_by_vllms_container(self, dev: Loader) -> None:
        stage = dev(HUB)
        assert stage.image_uri.startswith("763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:")
        assert (stage.model, stage.contract, stage.chat_template) == ("Qwen/Qwen2.5-7B-Instruct", "openai", None)
        assert (stage.model_data_url, stage.gated, stage.finetune) == (None, False, None)
        assert stage.environment["SM_VLLM_MODEL"] == "Qwen/Qwen2.5-7B-Instruct"
        assert stage.environment["SM_VLLM_TENSOR_PARALLEL_SIZE"] == "4"
        assert stage.inference_ami_version == "al2023-ami-sagemaker-inference-gpu-4-1"
        assert any("licence" in warning for warning in stage.warnings)

    def test_a_copy_of_it_in_s3_is_served_from_there_and_can_be_fine_tuned(self, dev: Loader) -> None:
        copied = HUB + 'model_data_url = "s3://my-bucket/qwen/"\n'
        stage = dev(copied)
        assert (stage.model_data_url, stage.environment["SM_VLLM_MODEL"]) == ("s3://my-bucket/qwen/", "/opt/ml/model")
        shape = "{ parameters = 7_000_000_000, layers = 28, hidden = 3584, vocabulary = 152064 }"
        table = f'[stages.dev.finetune]\n{OWN_IMAGE}instance_types = ["ml.g5.48xlarge"]\nshape = {shape}\n'
        assert dev(copied + table).finetune is not None
        assert "model_data_url" in only_refusal(lambda: dev(HUB + table)).fix

    @pytest.mark.parametrize("name", ["ml.inf2.xlarge", "ml.p3.2xlarge"])
    def test_its_image_starts_on_newer_gpus_of_nvidia_only(self, dev: Loader, name: str) -> None:
        table = f'model = "Qwen/Qwen2.5-7B-Instruct"\ninstance_types = ["{name}"]\nvolume_size_gb = 256\n'
        problem = only_refusal(lambda: dev(table))
        assert (problem.key, problem.value) == ("stages.dev.instance_types", name)
        assert name not in problem.allowed
        image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/vllm:older"
        assert dev(f'{table}image_uri = "{image}"\n').instance_type == name

    def test_where_its_image_is_not_known_a_copy_of_that_is_enough(self, dev: Loader) -> None:
        problem = only_refusal(lambda: dev(HUB + 'region = "eu-central-2"\n'))
        assert "model_data_url" not in problem.fix
        image = "123456789012.dkr.ecr.eu-central-2.amazonaws.com/vllm:mine"
        assert dev(HUB + f'region = "eu-central-2"\nimage_uri = "{image}"\n').region == "eu-central-2"

    def test_a_token_in_the_environment_is_seen_by_others(self, dev: Loader) -> None:
        stage = dev(HUB + 'environment = { HF_TOKEN = "hf_secret" }\n')
        [warning] = [said for said in stage.warnings if "HF_TOKEN" in said]
        assert "hf_secret" not in warning

    @pytest.mark.parametrize("name", ["no/such/thing", "/name", "org/", "org/na me", "-org/name", "mistral"])
    def test_what_is_neither_a_name_nor_an_id_is_refused(self, dev: Loader, name: str) -> None:
        problem = only_refusal(lambda: dev(f'model = "{name}"\n'))
        assert problem.key == "stages.dev.model"
        assert "huggingface.co" in problem.allowed

    def test_sagemaker_chooses_among_several_types_where_the_region_has_instance_pools(self, dev: Loader) -> None:
        two = FALCON + 'instance_types = ["ml.g5.2xlarge", "ml.g5.xlarge"]\n'
        assert (dev(FALCON).instance_pools, dev(two).instance_pools) == (False, True)
        assert any("quota" in warning for warning in dev(two).warnings)
        assert not dev(two, region="eu-south-1").instance_pools
        assert not dev(two + "instance_pools = false\n").instance_pools
        assert dev(two + "instance_pools = true\n", region="eu-south-1").instance_pools
        assert not dev(two.replace("g5.xlarge", "g5.4xlarge")).instance_pools  # whose price is not known

    def test_a_container_of_ones_own_needs_no_catalog(self, dev: Loader) -> None:
        stage = dev(CUSTOM)
        assert (stage.model, stage.contract, stage.environment) == ("custom", "tgi", {})

    def test_a_chat_template_is_the_models_the_users_or_the_plain_one(self, dev: Loader) -> None:
        def name(body: str) -> str | None:
            template = dev(body).chat_template
            return template.name if template else None

        assert (name(FALCON), name(LLAMA), name(CUSTOM)) == ("falcon-instruct", "plain", "plain")
        assert name(FALCON + 'chat_template = "plain"') == "plain"
        own = CUSTOM.replace('"tgi"', '"openai"')
        assert dev(own).contract == "openai"
        assert (name(own), name('chat_template = "chatml"\n' + own)) == (None, "chatml")

    def test_a_model_may_go_by_other_names(self, dev: Loader) -> None:
        aliases = dev(FALCON + 'api = { model_aliases = ["gpt-4o-mini", "a/b:1"] }').api.model_aliases
        assert aliases == ("gpt-4o-mini", "a/b:1")

    def test_the_environment_is_that_of_the_instance(self, dev: Loader) -> None:
        assert dev(LLAMA + 'instance_types = ["ml.g5.48xlarge"]').environment["SM_NUM_GPUS"] == "8"

    @pytest.mark.parametrize(
        ("body", "window"),
        [
            (FALCON, (1024, 2048)),
            (LLAMA, (4095, 4096)),
            (FALCON + 'environment = { MAX_INPUT_LENGTH = "1500" }', (1500, 2048)),
            (CUSTOM + 'environment = { MAX_INPUT_LENGTH = "3000", MAX_TOTAL_TOKENS = "4000" }', (3000, 4000)),
            (FALCON + 'environment = { MAX_TOTAL_TOKENS = "many" }', None),
            (ALEXATM, None),
            (CUSTOM, None),
            (ALEXATM + "window_tokens = 1000", (999, 1000)),
            (CUSTOM + "window_tokens = 128", (127, 128)),
            (FALCON + "window_tokens = 2048", (1024, 2048)),
            (FALCON + "window_tokens = 1500", (1024, 1500)),
            (FALCON + "window_tokens = 500", (499, 500)),
            (
                CUSTOM + 'window_tokens = 3500\nenvironment = { MAX_INPUT_LENGTH = "3000", MAX_TOTAL_TOKENS = "4000" }',
                (3000, 3500),
            ),
        ],
    )
    def test_the_window_is_what_the_container_is_told_or_less_where_the_stage_says_so(
        self, dev: Loader, body: str, window: tuple[int, int] | None
    ) -> None:
        found = dev(body).window
        assert (found and (found.input_tokens, found.total_tokens)) == window

    def test_the_small_models_window_is_that_of_its_config(self) -> None:
        window = load(SHIPPED, "local", target="local").window
        assert window is not None
        assert (window.input_tokens, window.total_tokens) == (8191, 8192)

    def test_a_stage_region_comes_before_the_environments(self, dev: Loader) -> None:
        stage = dev(FALCON + 'region = "af-south-1"', region="eu-west-1")
        assert stage.region == "af-south-1"
        assert stage.image_uri.startswith("626614931356.dkr.ecr.af-south-1.")

    def test_the_embedded_cloud_needs_neither_image_nor_artifact_nor_region(self, dev: Loader) -> None:
        stage = dev('model = "alexatm-20b"', target="local", region=None)
        assert stage.region == "us-east-1"
        assert stage.image_uri == "pilotlight.local/alexatm-20b"
        assert stage.model_data_url == "s3://pilotlight-local/alexatm-20b/"

    def test_on_the_embedded_cloud_waking_takes_as_long_as_the_small_model_does(self, dev: Loader) -> None:
        local = models()["smollm2-135m-instruct"].wake_seconds
        assert dev(FALCON, target="local").wake_seconds == local < dev(FALCON).wake_seconds

    def test_a_type_without_a_price_is_absent_from_the_prices(self, dev: Loader) -> None:
        stage = dev(FALCON + 'instance_types = ["ml.g5.2xlarge", "ml.g5.8xlarge"]')
        assert set(stage.usd_per_hour) == {"ml.g5.2xlarge"}


class TestTheShippedFile:
    """The `pilotlight.toml` in the repository."""

    def test_aws_gets_the_default_stage_and_the_embedded_cloud_the_local_one(self) -> None:
        assert load(SHIPPED, target="aws", region=REGION).model == "falcon-7b-instruct"
        local = load(SHIPPED, target="local")
        assert (local.name, local.model, local.contract) == ("local", "smollm2-135m-instruct", "alexatm")
        assert local.usd_per_hour == {"ml.g4dn.12xlarge": Decimal("4.89")}

    def test_alexatm_runs_on_the_embedded_cloud_as_it_stands(self) -> None:
        assert load(SHIPPED, "alexatm", target="local").contract == "alexatm"

    @pytest.mark.parametrize("target", ["aws", "local"])
    def test_llama_waits_for_its_licence_agreement_everywhere(self, target: Target) -> None:
        problem = only_refusal(lambda: load(SHIPPED, "llama2", target=target, region=REGION))
        assert problem.key == "stages.llama2.accept_eula"

    def test_alexatm_on_aws_asks_for_its_image_and_artifact(self) -> None:
        problems = refusals(lambda: load(SHIPPED, "alexatm", target="aws", region=REGION))
        assert [problem.key for problem in problems] == [
            "stages.alexatm.image_uri",
            "stages.alexatm.model_data_url",
        ]
        assert all("pytorch-textgeneration1-alexa20b" in problem.fix for problem in problems)


class Refused(NamedTuple):
    """A stage with one thing wrong in it, and what the refusal must hold."""

    body: str
    key: str
    value: str
    allowed: str
    fix: str


REFUSED = [
    # one key by itself
    Refused(FALCON + "volume_size = 5", "volume_size", "5", "volume_size_gb", "correct its name"),
    Refused(FALCON + "schedule = 5", "schedule", "5", "schedules", "correct its name"),
    Refused(FALCON + "[stages.dev.api]\nburst = 5", "api.burst", "5", "throttle_burst", "correct its name"),
    Refused(FALCON + "idle_minutes = true", "idle_minutes", "true", "or false for never", "idle_minutes = 60"),
    Refused(FALCON + "idle_minutes = 9", "idle_minutes", "9", "10 to 1440", "idle_minutes = 60"),
    Refused(FALCON + "idle_minutes = 10", "warning_minutes", "10", "less than idle_minutes", "warning_minutes = 5"),
    Refused(FALCON + 'notify = ["me"]', "notify.0", "me", "e-mail", 'notify = ["'),
    Refused(FALCON + "schedules = [{ days = ['MON'] }]", "schedules[0]", "", "on, off", 'off = "19:00"'),
    Refused(FALCON + "schedules = [{ on = '8:00' }]", "schedules.0.on", "8:00", "HH:MM", 'on = "08:00"'),
    Refused(
        FALCON + "schedules = [{ on = '08:00', time_zone = 'Paris' }]", "schedules.0.time_zone", "Paris", "IANA", "="
    ),
    Refused(FALCON + "schedules = [{ on = '08:00', off = '08:00' }]", "schedules[0].off", "08:00", "than on", "off ="),
    Refused(FALCON + "schedules = [{ on = '08:00', days = ['Mon'] }]", "schedules.0.days.0", "Mon", "MON to SUN", "["),
    Refused("", "model", "", "the name of a model", 'model = "'),
    Refused("model = 7", "model", "7", "the name of a model", 'model = "'),
    Refused('model = "falcon-7b-instuct"', "model", "falcon-7b-instuct", "falcon-7b-instruct", "custom"),
    Refused(FALCON + 'instance_count = "1"', "instance_count", '"1"', "1 to 20", "instance_count = 1"),
    Refused(FALCON + "instance_count = true", "instance_count", "true", "1 to 20", "instance_count = 1"),
    Refused(FALCON + "instance_count = 1.0", "instance_count", "1.0", "1 to 20", "instance_count = 1"),
    Refused(FALCON + 'accept_eula = "yes"', "accept_eula", '"yes"', "true or false", "accept_eula = true"),
    Refused(FALCON + "accept_eula = 1", "accept_eula", "1", "true or false", "accept_eula = true"),
    Refused(FALCON + 'instance_types = "ml.g5.2xlarge"', "instance_types", "ml.g5.2xlarge", "array", '["ml.'),
    Refused(FALCON + "instance_types = []", "instance_types", "[]", "one to five", '["ml.'),
    Refused(FALCON + 'instance_types = ["ml.g5.2xlarge", 1]', "instance_types.1", "1", "one to five", '["ml.'),
    Refused(FALCON + "[stages.dev.environment]\nN = 1", "environment.N", "1", "strings", "environment = {"),
    Refused(FALCON + '[stages.dev.environment]\n1N = "1"', "environment.1N", "1N", "letters", "environment = {"),
    Refused(FALCON + 'endpoint_name = "Mine"', "endpoint_name", "Mine", "63 lower-case letters", "endpoint_name = "),
    Refused(FALCON + 'endpoint_name = "a_b"', "endpoint_name", "a_b", "63 lower-case letters", "endpoint_name = "),
    Refused(
        FALCON + f'endpoint_name = "{"n" * 64}"', "endpoint_name", "nnn", "63 lower-case letters", "endpoint_name = "
    ),
    Refused(FALCON + 'region = "Ohio"', "region", "Ohio", "AWS Region", 'region = "us-east-1"'),
    Refused(FALCON + 'contract = "vllm"', "contract", "vllm", '"alexatm", "tgi" or "openai"', 'contract = "tgi"'),
    Refused(FALCON + "chat_template = 1", "chat_template", "1", "name of a chat template", '"chatml"'),
    Refused(FALCON + 'api = { model_aliases = "a" }', "api.model_aliases", "a", "array", "gpt-4o-mini"),
    Refused(FALCON + 'api = { model_aliases = ["a b"] }', "api.model_aliases.0", "a b", "letters", "gpt-4o-mini"),
    Refused(FALCON + "api = { model_aliases = [1] }", "api.model_aliases.0", "1", "letters", "gpt-4o-mini"),
    Refused(
        FALCON + 'model_data_url = "s3://b-1/m.tar.gz"',
        "model_data_url",
        "m.tar.gz",
        "slash",
        "s3://my-bucket",
    ),
    Refused(FALCON + 'model_data_url = "s3://b-1/m"', "model_data_url", "s3://b-1/m", "slash", "s3://my-bucket"),
    Refused(
        FALCON + 'model_data_url = "https://b-1/m/"',
        "model_data_url",
        "https:",
        "S3 prefix",
        "s3://my-bucket",
    ),
    Refused(FALCON + 'image_uri = "docker.io/me/x"', "image_uri", "docker.io", "Amazon ECR", "dkr.ecr"),
    # where the model comes from
    Refused('model = "smollm2-135m-instruct"', "model", "smollm2", "SageMaker can host", "pilot local up"),
    Refused(FALCON + 'contract = "alexatm"', "contract", "alexatm", '"tgi"', "remove contract"),
    Refused(FALCON + 'contract = "openai"', "contract", "openai", '"tgi"', "remove contract"),
    Refused(CUSTOM.replace('contract = "tgi"\n', ""), "contract", "", '"openai"', 'contract = "tgi"'),
    Refused(
        FALCON + 'chat_template = "chatlm"', "chat_template", "did you mean chatml", "falcon-instruct", "add yours"
    ),
    Refused(
        FALCON + 'region = "us-gov-west-1"',
        "region",
        "us-gov-west-1",
        "us-east-1",
        "image_uri and model_data_url",
    ),
    Refused(FALCON + 'region = "us-east-3"', "region", "did you mean us-east-", "eu-west-1", "choose one"),
    Refused(ALEXATM + 'region = "eu-west-1"', "image_uri", "us-east-1", "eu-west-1", 'region = "us-east-1"'),
    Refused('model = "alexatm-20b"\n' + OWN_IMAGE, "model_data_url", "", "unpacked", "s3://BUCKET/PREFIX/"),
    Refused(
        'model = "llama-2-7b"',
        "accept_eula",
        "false",
        "true",
        "llamaEula.txt; to agree, write accept_eula = true",
    ),
    # what it runs on
    Refused(
        FALCON + 'instance_types = ["ml.g5.2xlrage"]',
        "instance_types",
        "ml.g5.2xlrage",
        "ml.g5.2xlarge",
        "instances.csv",
    ),
    Refused(
        FALCON + 'instance_types = ["ml.p3dn.24xlarge"]',
        "instance_types",
        "ml.p3dn",
        "ml.p3.16xlarge",
        "instances.csv",
    ),
    Refused(
        FALCON + 'instance_types = ["ml.g5.2xlarge", "ml.g5.2xlarge"]',
        "instance_types",
        "twice",
        "different",
        "remove",
    ),
    Refused(
        CUSTOM.replace('instance_types = ["ml.g5.2xlarge"]\n', ""),
        "instance_types",
        "no default",
        "ml.g5.xlarge",
        "instance_types = [",
    ),
    Refused(FALCON + "instance_pools = true", "instance_pools", "ml.g5.2xlarge", "two to five", "instance_types = ["),
    Refused(FALCON + 'instance_pools = "yes"', "instance_pools", "yes", "true or false", "false"),
    Refused(ALEXATM + "volume_size_gb = 256", "volume_size_gb", "256", "no such key", "remove volume_size_gb"),
    Refused(ALEXATM + ON_P3, "volume_size_gb", "ml.p3.8xlarge", "256 to 512", "volume_size_gb = 256"),
    Refused(
        ALEXATM + ON_P3 + "volume_size_gb = 255",
        "volume_size_gb",
        "255",
        "256 to 512",
        "volume_size_gb = 256",
    ),
    Refused(
        ALEXATM + 'instance_types = ["ml.g4dn.12xlarge", "ml.p3.8xlarge"]',
        "instance_types",
        "ml.p3.8xlarge must have one",
        "EBS only",
        "remove ml.p3.8xlarge, or ml.g4dn.12xlarge",
    ),
    Refused(
        ALEXATM + 'instance_types = ["ml.g5.2xlarge"]',
        "instance_types",
        "has 24 GiB of GPU memory, and alexatm-20b needs at least 42; it has 32 GiB of CPU memory",
        "ml.g4dn.12xlarge",
        "ml.g4dn.12xlarge",
    ),
    Refused(
        LLAMA.replace("7b", "13b") + 'instance_types = ["ml.g6e.xlarge"]',
        "environment.SM_NUM_GPUS",
        '"4"',
        '"1" to "1"',
        'SM_NUM_GPUS = "1" in [stages.dev.environment]',
    ),
    Refused(
        LLAMA + 'instance_types = ["ml.g5.12xlarge", "ml.g5.2xlarge"]',
        "instance_types",
        "different values of MAX_BATCH_PREFILL_TOKENS, SM_NUM_GPUS",
        "same environment as ml.g5.12xlarge",
        "remove ml.g5.2xlarge",
    ),
    Refused(
        FALCON + "[stages.dev.environment]\n" + "\n".join(f'V{n} = ""' for n in range(90)),
        "environment",
        "101",
        "at most 100",
        "remove some",
    ),
    # who may call
    Refused(FALCON + API + 'auth = "none"', "api.auth", "none", '"key" or "iam"', 'auth = "key"'),
    Refused(FALCON + API + 'key_header = "cookie"', "api.key_header", "cookie", '"any"', 'key_header = "any"'),
    Refused(FALCON + API + 'quota_requests = "9"', "api.quota_requests", '"9"', "requests a key", "= 10000"),
    Refused(FALCON + API + 'quota_period = "day"', "api.quota_period", "day", "beside", "quota_requests = 10000"),
    Refused(
        FALCON + API + 'quota_requests = 9\nquota_period = "year"', "api.quota_period", "year", '"month"', '"month"'
    ),
    Refused(FALCON + API + 'auth = "iam"\nquota_requests = 9', "api.quota_requests", "9", "iam", 'auth = "key"'),
    Refused(FALCON + API + 'auth = "iam"\nkey_header = "any"', "api.key_header", "any", "iam", "remove key_header"),
    Refused(FALCON + API + 'log_prompts = "yes"', "api.log_prompts", '"yes"', "true or false", "log_prompts = true"),
    *(
        Refused(FALCON + API + f'cors_origins = ["{origin}"]', "api.cors_origins.0", origin, "origins", '["https://')
        for origin in (
            "app.example.com",
            "https://app.example.com/",
            "HTTPS://app.example.com",
            "https://*.example.com",
            "https://a' 'b",
            "null",
            "",
        )
    ),
    Refused(FALCON + API + 'cors_origins = "*"', "api.cors_origins", '"*"', "array", "cors_origins = ["),
    Refused(FALCON + API + 'cors_origins = ["*", "https://a.b"]', "api.cors_origins", "*", "alone", 'remove "*"'),
    Refused(FALCON + API + 'cors_origins = ["https://a", "https://a"]', "api.cors_origins", "twice", "diff", "remove"),
]


class TestRefusals:
    """Each refusal names the key, the value, what is allowed and the fix."""

    @pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.key}: {case.body[-40:]}")
    def test_a_refusal_says_what_where_and_what_to_do(self, dev: Loader, case: Refused) -> None:
        problem = only_refusal(lambda: dev(case.body))
        assert problem.key == f"stages.dev.{case.key}"
        assert case.value in str(problem)
        assert case.allowed in problem.allowed
        assert case.fix in problem.fix

    def test_everything_wrong_is_told_at_once(self, dev: Loader) -> None:
        body = 'model = "alexatm-20b"\nvolume_size_gb = 256\ncontract = "tgi"\n'
        keys = [problem.key for problem in refusals(lambda: dev(body))]
        assert keys == [f"stages.dev.{key}" for key in ("contract", "image_uri", "model_data_url", "volume_size_gb")]

    def test_the_text_names_the_file_and_holds_every_part(self, dev: Loader) -> None:
        with pytest.raises(ConfigError) as caught:
            dev(ALEXATM + "volume_size_gb = 256\naccept_eulaa = true")
        assert str(caught.value).splitlines() == [
            "pilotlight.toml is refused, 1 problem:",
            "  stages.dev.accept_eulaa = true: unknown key (did you mean accept_eula?)",
            "    allowed: model, contract, chat_template, region, image_uri, model_data_url, window_tokens, "
            "accept_eula, instance_types, instance_pools, instance_count, min_instances, max_instances, "
            "target_invocations_per_instance, promotion, promotion_bake_seconds, volume_size_gb, "
            "model_data_download_timeout_seconds, container_startup_timeout_seconds, endpoint_name, idle_minutes, "
            "warning_minutes, lifetime_hours, monthly_budget_usd, wake_on_call, notify, dashboard, schedules, "
            "environment, api, finetune",
            "    fix:     correct its name, or remove it",
        ]

    def test_a_long_value_is_cut_in_the_text(self, dev: Loader) -> None:
        assert len(str(only_refusal(lambda: dev(FALCON + f'region = "{"x" * 10_000}"')))) < 500

    def test_the_licence_is_asked_for_on_the_embedded_cloud_too(self, dev: Loader) -> None:
        problem = only_refusal(lambda: dev('model = "llama-2-7b"', target="local", region=None))
        assert problem.key == "stages.dev.accept_eula"

    def test_aws_without_a_region_is_refused(self, dev: Loader) -> None:
        problem = only_refusal(lambda: dev(FALCON, region=None))
        assert (problem.key, problem.fix) == (
            "stages.dev.region",
            'write region = "us-east-1", or set AWS_REGION',
        )

    @pytest.mark.parametrize(
        ("body", "most"),
        [
            (FALCON + "window_tokens = 2049", 2048),
            (
                CUSTOM + 'window_tokens = 4001\nenvironment = { MAX_INPUT_LENGTH = "3000", MAX_TOTAL_TOKENS = "4000" }',
                4000,
            ),
        ],
    )
    def test_a_window_larger_than_the_containers_is_refused(self, dev: Loader, body: str, most: int) -> None:
        problem = only_refusal(lambda: dev(body))
        assert (problem.key, problem.value) == ("stages.dev.window_tokens", most + 1)
        assert f"takes {most} tokens" in problem.reason
        assert str(most) in problem.allowed
        assert str(most) in problem.fix

    @pytest.mark.parametrize("value", ["0", "127", "1048577", "2048.0", '"2048"', "true"])
    def test_a_window_that_is_none_is_refused(self, dev: Loader, value: str) -> None:
        problem = only_refusal(lambda: dev(f"{CUSTOM}window_tokens = {value}"))
        assert problem.key == "stages.dev.window_tokens"
        assert "128 to 1048576" in problem.allowed
        assert "window_tokens = 2048" in problem.fix


class TestTheFileItself:
    """What is wrong before any key can be looked at."""

    def refusal(self, tmp_path: Path, content: bytes, stage: str | None = None) -> Problem:
        path = tmp_path / "pilotlight.toml"
        path.write_bytes(content)
        return only_refusal(lambda: load(path, stage, target="aws", region=REGION))

    def test_a_missing_file(self, tmp_path: Path) -> None:
        problem = only_refusal(lambda: load(tmp_path / "pilotlight.toml", target="aws", region=REGION))
        assert problem.key == str(tmp_path / "pilotlight.toml")
        assert "no such file" in problem.reason

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        assert "cannot be read" in only_refusal(lambda: load(tmp_path, target="aws", region=REGION)).reason

    @pytest.mark.parametrize("content", [b"\xff\xfe", b"default_stage = " + b"9" * 5000])
    def test_bytes_that_make_no_text(self, tmp_path: Path, content: bytes) -> None:
        assert "cannot be read" in self.refusal(tmp_path, content).reason

    def test_a_syntax_error_is_given_its_line(self, tmp_path: Path) -> None:
        assert "line 3" in self.refusal(tmp_path, b'default_stage = "dev"\n[stages.dev]\nmodel = falcon').reason

    def test_an_unknown_stage_asked_for(self, tmp_path: Path) -> None:
        content = b'default_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"\n[stages.prod]\nmodel = "falcon-7b"'
        problem = self.refusal(tmp_path, content, "prd")
        assert (problem.key, problem.value, problem.allowed) == ("stage", "prd", "dev, prod")
        assert "did you mean prod?" in problem.reason

    def test_an_unknown_default_stage(self, tmp_path: Path) -> None:
        problem = self.refusal(tmp_path, b'default_stage = "prd"\n[stages.prod]\nmodel = "falcon-7b"')
        assert (problem.key, problem.value) == ("default_stage", "prd")

    def test_the_longest_stage_name_leaves_room_for_the_names_made_from_it(self, tmp_path: Path) -> None:
        path = tmp_path / "pilotlight.toml"
        path.write_text(f'default_stage = "{"d" * 28}"\n[stages.{"d" * 28}]\nmodel = "falcon-7b"')
        stage = load(path, target="aws", region="ap-southeast-1")
        assert len(stage.endpoint_name) <= 63
        assert len(f"pilotlight-{stage.name}-execution-{stage.region}") <= 64

    def test_the_embedded_cloud_wants_a_stage_named_local(self, tmp_path: Path) -> None:
        path = tmp_path / "pilotlight.toml"
        path.write_text('default_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"', encoding="utf-8")
        assert only_refusal(lambda: load(path, target="local")).value == "local"

    @pytest.mark.parametrize("name", ["Dev", "d" * 29, "my_stage", "1st", "dev-", '"a b"'])
    def test_a_stage_name_that_no_stack_could_bear(self, tmp_path: Path, name: str) -> None:
        content = f'default_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"\n[stages.{name}]\nmodel = "falcon-7b"'
        problem = self.refusal(tmp_path, content.encode())
        assert problem.key == f"stages.{name}"
        assert "28 lower-case letters" in problem.allowed
        assert problem.fix == "rename the stage"

    @pytest.mark.parametrize("key", ["extra", '"[key]"', '"a b"'])
    def test_an_unknown_key_beside_the_stages(self, tmp_path: Path, key: str) -> None:
        content = f'{key} = 1\ndefault_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"'
        problem = self.refusal(tmp_path, content.encode())
        assert (problem.key, problem.allowed) == (key, "default_stage, stages")

    def test_a_key_is_refused_in_a_stage_that_nobody_asked_for(self, tmp_path: Path) -> None:
        content = b'default_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"\n[stages.api]\nmodel = "x"\nextra = 1'
        assert self.refusal(tmp_path, content, "dev").key == "stages.api.extra"

    def test_a_stage_that_nobody_asked_for_need_not_fit(self, tmp_path: Path) -> None:
        path = tmp_path / "pilotlight.toml"
        content = 'default_stage = "dev"\n[stages.dev]\nmodel = "falcon-7b"\n[stages.later]\nmodel = "llama-2-7b"'
        path.write_text(content, encoding="utf-8")
        assert load(path, "dev", target="aws", region=REGION).name == "dev"


class TestArithmetic:
    """Bounds, for any number."""

    @pytest.mark.parametrize(
        ("key", "least", "most"),
        [
            ("model_data_download_timeout_seconds", 60, 3600),
            ("container_startup_timeout_seconds", 60, 3600),
            ("instance_count", 1, 20),
            ("auto_off.lifetime_hours", 1, 168),
            ("auto_off.monthly_budget_usd", 1, 1_000_000),
            ("api.integration_timeout_seconds", 10, 29),
            ("api.throttle_rate_per_second", 1, 10_000),
            ("api.throttle_burst", 1, 5_000),
            ("api.quota_requests", 1, 1_000_000_000),
            ("api.reserved_concurrency", 1, 1_000),
            ("api.overload_latency_seconds", 1, 29),
        ],
    )
    @given(data=st.data())
    def test_a_number_is_taken_exactly_within_its_bounds(
        self, dev: Loader, key: str, least: int, most: int, data: st.DataObject
    ) -> None:
        value = data.draw(st.integers() | st.integers(least - 2, least + 2) | st.integers(most - 2, most + 2))
        body = f"{FALCON}{key.removeprefix('auto_off.')} = {value}"
        if least <= value <= most:
            found: Any = dev(body)
            for part in key.split("."):
                found = getattr(found, part)
            assert found == value
        elif abs(value) < 2**63:
            problem = only_refusal(lambda: dev(body))
            assert (problem.key, problem.value) == (f"stages.dev.{key.removeprefix('auto_off.')}", value)
            assert f"{least} to {most}" in problem.allowed
        else:
            assert refusals(lambda: dev(body))

    @given(st.sampled_from(sorted(instances())), st.none() | st.integers(-1, 514))
    def test_alexatm_has_a_volume_exactly_where_the_storage_is_ebs_and_a_large_one(
        self, dev: Loader, instance_type: str, size: int | None
    ) -> None:
        instance = instances()[instance_type]
        body = f'{ALEXATM}instance_types = ["{instance_type}"]\n'
        body += "" if size is None else f"volume_size_gb = {size}"
        fits = instance.gpu_memory_gib >= 42 and instance.memory_gib >= 50
        good_volume = size is None if instance.storage == "nvme" else size is not None and 256 <= size <= 512
        if fits and good_volume:
            assert dev(body).volume_size_gb == size
        else:
            keys = {problem.key for problem in refusals(lambda: dev(body))}
            within_limits = size is None or 1 <= size <= 512
            assert ("stages.dev.volume_size_gb" in keys) == (not good_volume)
            assert ("stages.dev.instance_types" in keys) == (not fits and within_limits)


class TestFingerprint:
    """It tells whether an override still belongs to what is configured."""

    def test_it_is_short_and_always_the_same(self, dev: Loader) -> None:
        assert dev(FALCON).fingerprint == dev(FALCON).fingerprint
        assert len(bytes.fromhex(dev(FALCON).fingerprint)) == 8

    @pytest.mark.parametrize(
        "change",
        [
            'image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/other:1"',
            'model_data_url = "s3://my-bucket/other/"',
            'instance_types = ["ml.g5.4xlarge"]',
            'instance_types = ["ml.g5.2xlarge", "ml.g5.4xlarge"]',
            'environment = { MAX_INPUT_LENGTH = "512" }',
            'region = "eu-west-1"',
        ],
    )
    def test_it_changes_with_the_model_and_its_instances(self, dev: Loader, change: str) -> None:
        assert dev(FALCON + change).fingerprint != dev(FALCON).fingerprint

    def test_it_changes_with_who_chooses_the_instance_type(self, dev: Loader) -> None:
        types = f'{FALCON}instance_types = ["ml.g5.2xlarge", "ml.g5.xlarge"]\n'
        assert dev(types + "instance_pools = true").fingerprint != dev(types + "instance_pools = false").fingerprint
        assert dev(types + "instance_pools = true").fingerprint == dev(types).fingerprint

    def test_it_changes_with_the_models_name_and_volume(self, dev: Loader) -> None:
        small, large = (dev(f"{ALEXATM}{ON_P3}volume_size_gb = {size}").fingerprint for size in (256, 257))
        assert len({small, large, dev(FALCON).fingerprint, dev(FALCON.replace("-instruct", "")).fingerprint}) == 4

    @pytest.mark.parametrize(
        "change",
        [
            "lifetime_hours = 1",
            "instance_count = 2",
            "container_startup_timeout_seconds = 60",
            'endpoint_name = "other"',
            "api = { throttle_burst = 1 }",
        ],
    )
    def test_it_outlives_changes_of_counts_names_and_limits(self, dev: Loader, change: str) -> None:
        assert dev(FALCON + change).fingerprint == dev(FALCON).fingerprint


@pytest.mark.parametrize(
    ("first", "second", "stage"),
    [
        ('endpoint_name = "one"\n', 'endpoint_name = "one"\n', "dev"),
        ("", 'endpoint_name = "pilotlight-dev"\n', "dev"),  # the name that `dev` has without the key
        ("", 'endpoint_name = "pilotlight-dev"\n', "other"),
        ('region = "us-east-1"\nendpoint_name = "one"\n', 'endpoint_name = "one"\n', "dev"),
    ],
)
def test_two_stages_with_one_endpoint_are_refused(tmp_path: Path, first: str, second: str, stage: str) -> None:
    """The switch of one that is off would take the other's for a survivor, and delete it under its callers."""
    path = tmp_path / "pilotlight.toml"
    path.write_text(f'default_stage = "dev"\n[stages.dev]\n{FALCON}{first}[stages.other]\n{FALCON}{second}')
    problem = only_refusal(lambda: load(path, stage, target="aws", region=REGION))
    assert problem.key == f"stages.{stage}.endpoint_name"
    assert {"dev": "other", "other": "dev"}[stage] in problem.reason
    assert problem.fix == f'write, for example: endpoint_name = "pilotlight-{stage}-own"'


def test_one_name_in_two_regions_is_two_endpoints(tmp_path: Path) -> None:
    path, named = tmp_path / "pilotlight.toml", f'{FALCON}endpoint_name = "one"\n'
    path.write_text(f'default_stage = "dev"\n[stages.dev]\n{named}[stages.eu]\n{named}region = "eu-west-1"\n')
    assert load(path, "dev", target="aws", region=REGION).endpoint_name == "one"


def test_nobody_has_to_say_what_a_calm_answer_takes(dev: Loader) -> None:
    assert dev(ALEXATM).api.overload_latency_seconds is None
    assert dev(ALEXATM + "api = { overload_latency_seconds = 20 }").api.overload_latency_seconds == 20


def test_in_the_embedded_cloud_a_busy_machine_is_no_overload(dev: Loader) -> None:
    assert dev(ALEXATM, target="local").api.overload_latency_seconds == 29
    written = ALEXATM + "api = { overload_latency_seconds = 20 }"
    assert dev(written, target="local").api.overload_latency_seconds == 20


class TestAutoOff:
    """All triggers are on unless a key says false."""

    def test_who_configures_nothing_cannot_be_surprised(self, dev: Loader) -> None:
        found = dev(FALCON).auto_off
        assert (found.idle_minutes, found.warning_minutes, found.lifetime_hours) == (60, 10, 12)
        assert found.monthly_budget_usd == 100
        assert not found.schedules

    def test_a_lifetime_that_is_switched_off_still_has_an_end(self, dev: Loader) -> None:
        assert dev(FALCON + "lifetime_hours = false").auto_off.longest_hours == 720

    @pytest.mark.parametrize(
        ("on", "off", "off_days"), [("08:00", "19:00", ("FRI", "SUN")), ("20:00", "06:00", ("MON", "SAT"))]
    )
    def test_an_off_before_its_on_is_on_the_next_day(
        self, dev: Loader, on: str, off: str, off_days: tuple[str, ...]
    ) -> None:
        (schedule,) = dev(
            f"{FALCON}schedules = [{{ days = ['FRI', 'SUN'], on = '{on}', off = '{off}' }}]"
        ).auto_off.schedules
        assert schedule.off_days == off_days

    @given(price=st.decimals("0.01", 200, places=4), budget=st.none() | st.decimals(1, 10**6, places=2))
    def test_the_worst_month_is_bounded_by_the_price_and_by_the_budget(
        self, price: Decimal, budget: Decimal | None
    ) -> None:
        one, two = (worst_month(price, budget, promotion) for promotion in ("replace", "blue-green"))
        assert one <= two <= price * 730
        if budget is not None:
            assert min(budget, price * 730) <= one <= budget + price / 2
            assert two <= budget + price


class TestWarnings:
    """What is allowed but worth a sentence."""

    def test_alexatm_on_another_type_is_allowed_and_says_what_was_not_tested(self, dev: Loader) -> None:
        (notice,) = (text for text in dev(ALEXATM + 'instance_types = ["ml.g5.12xlarge"]').warnings if "tested" in text)
        assert "alexatm-20b was not tested on ml.g5.12xlarge" in notice
        assert "ml.g4dn.12xlarge, ml.p3.8xlarge, ml.p3.16xlarge" in notice

    def test_alexatm_on_a_tested_type_is_not_called_untested(self, dev: Loader) -> None:
        assert not any("not tested" in text for text in dev(ALEXATM).warnings)

    @pytest.mark.parametrize("target", ["aws", "local"])
    def test_the_non_commercial_licence_is_shown_wherever_it_is_deployed(self, dev: Loader, target: Target) -> None:
        assert any("non-commercial" in text for text in dev(ALEXATM, target=target).warnings)

    def test_an_unknown_price_is_told(self, dev: Loader) -> None:
        body = FALCON + 'instance_types = ["ml.g5.8xlarge"]\n'
        (notice,) = (text for text in dev(body).warnings if "No price is known for ml.g5.8xlarge" in text)
        assert "monthly_budget_usd does not see its hours" in notice
        assert "what ends it is 60 minutes without a call, the lifetime of 12 hours or the hard stop." in notice
        endless = dev(body + "idle_minutes = false\nlifetime_hours = false").warnings
        assert any("what ends it is the hard stop after 30 days." in text for text in endless)
        assert "`pilot prices refresh --region us-east-1`" in notice
        assert not any("does not see" in text for text in dev(body + "monthly_budget_usd = false").warnings)

    def test_a_price_is_dated_and_placed(self, dev: Loader) -> None:
        (notice,) = (text for text in dev(FALCON, region="eu-west-1").warnings if "USD" in text)
        assert "2026-11-22" in notice
        assert "eu-west-1 may differ, by as much as monthly_budget_usd is then wrong" in notice
        assert "`pilot prices refresh --region eu-west-1`" in notice

    def test_a_price_that_was_cut_since_is_marked(self, dev: Loader) -> None:
        body = 'model = "falcon-40b"\ninstance_types = ["ml.p4d.24xlarge"]'
        assert any("P4 and P5 were cut in 2025" in text for text in dev(body).warnings)

    def test_accepting_an_agreement_that_does_not_exist_is_told(self, dev: Loader) -> None:
        assert any("accept_eula = true has no effect" in text for text in dev(FALCON + "accept_eula = true").warnings)

    def test_replacing_a_variable_of_the_catalog_is_told(self, dev: Loader) -> None:
        body = FALCON + 'environment = { MAX_INPUT_LENGTH = "512" }'
        assert any("MAX_INPUT_LENGTH = '512' replaces '1024'" in text for text in dev(body).warnings)

    @pytest.mark.parametrize(
        ("key", "costs"),
        [
            ("idle_minutes", "up to USD 102 a month"),
            ("lifetime_hours", "up to USD 102 a month"),
            ("monthly_budget_usd", "USD 1,106 a month"),
        ],
    )
    def test_a_trigger_that_is_switched_off_says_what_it_may_cost(self, dev: Loader, key: str, costs: str) -> None:
        (notice,) = (text for text in dev(f"{FALCON}{key} = false").warnings if f"{key} = false" in text)
        assert costs in notice

    def test_without_a_budget_an_idle_endpoint_may_cost_the_whole_month(self, dev: Loader) -> None:
        body = FALCON + "idle_minutes = false\nmonthly_budget_usd = false"
        assert sum("USD 1,106 a month" in text for text in dev(body).warnings) == 2

    @pytest.mark.parametrize(
        ("hours", "needed"),
        [
            ('on = "08:00", off = "22:00"', 14),
            ('on = "22:00", off = "11:30"', 14),
            ('on = "08:00", off = "20:00"', None),
            ('on = "08:00"', None),
            ('off = "22:00"', None),
        ],
    )
    def test_a_schedule_longer_than_the_lifetime_is_told(self, dev: Loader, hours: str, needed: int | None) -> None:
        body = f"{FALCON}schedules = [{{ {hours} }}]\n"
        found = [text for text in dev(body).warnings if "stages.dev.schedules" in text]
        assert [f"lifetime_hours = {needed}" in text for text in found] == ([True] if needed else [])
        assert not [text for text in dev(body + "lifetime_hours = 24").warnings if "stages.dev.schedules" in text]

    @pytest.mark.parametrize("target", ["aws", "local"])
    def test_prompts_in_the_log_are_told(self, dev: Loader, target: Target) -> None:
        said = "stages.dev.api.log_prompts = true"
        assert any(said in text for text in dev(FALCON + API + "log_prompts = true", target=target).warnings)
        assert not any("log_prompts" in text for text in dev(FALCON, target=target).warnings)

    def test_without_an_address_nobody_is_told_which_is_said_where_it_costs_money(self, dev: Loader) -> None:
        (notice,) = (text for text in dev(FALCON).warnings if "stages.dev.notify" in text)
        assert "no AWS Budget" in notice
        assert not any("notify" in text for text in dev(FALCON + 'notify = ["me@example.com"]').warnings)
        assert not any("notify" in text for text in dev(FALCON, target="local").warnings)

    def test_a_dashboard_is_said_to_cost_something(self, dev: Loader) -> None:
        (notice,) = (text for text in dev(FALCON + "dashboard = true").warnings if "dashboard" in text)
        assert "USD 3 a month" in notice
        assert not any("dashboard" in text for text in dev(FALCON).warnings)

    def test_the_shipped_local_stage_has_nothing_to_warn_of(self) -> None:
        assert load(SHIPPED, target="local").warnings == ()


def test_every_field_of_a_stage_is_filled_for_every_shipped_stage_that_loads() -> None:
    """None are the volume, where the storage is local, the scaling, which is to be asked for, the image of the
    instances, where SageMaker's usual one does, and of AlexaTM what nobody published: window and training.
    """
    for name in ("falcon", "alexatm", "local"):
        stage = load(SHIPPED, name, target="local")
        empty = {field.name for field in fields(stage) if getattr(stage, field.name) is None}
        usual = {"volume_size_gb", "scaling", "model_variable", "inference_ami_version"}
        assert empty == usual | ({"window", "finetune"} if name == "alexatm" else set())


def test_importing_the_configuration_brings_in_neither_the_cdk_nor_boto3() -> None:
    """Every command pays for this import, and so does every synthesis."""
    heavy = "{'aws_cdk', 'boto3', 'botocore', 'jsii', 'ministack', 'sagemaker', 'torch', 'typer'}"
    code = f"import pilotlight.config, sys; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
