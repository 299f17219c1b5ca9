"""One synthesis for the whole session: importing and running the CDK takes seconds."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks

from app import build
from pilotlight.config import load

ROOT = Path(__file__).parents[2]

CONFIG = """
default_stage = "falcon"

[stages.falcon]
model = "falcon-7b-instruct"

[stages.llama2]
model = "llama-2-7b"
accept_eula = true
instance_types = ["ml.g5.2xlarge", "ml.g5.xlarge"]

[stages.mine]
model = "custom"
contract = "tgi"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/tgi:1"
model_data_url = "s3://models-of-mine/tiny/"
instance_types = ["ml.g5.2xlarge"]
[stages.mine.finetune]
program = "script"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/trains:1"
evaluation_image_uri = "build"
script_url = "s3://code-of-mine/train/mine.tar.gz"
entry_point = "train.py"
instance_types = ["ml.g5.12xlarge"]
attach_from = ["s3://sagemaker-us-east-1-111122223333/jumpstart-dft-"]

[stages.alexatm]
model = "alexatm-20b"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/alexatm:1.0"
model_data_url = "s3://models-of-mine/alexatm/"

[stages.volume]
model = "alexatm-20b"
image_uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/alexatm:1.0"
model_data_url = "s3://models-of-mine/alexatm/"
instance_types = ["ml.p3.8xlarge"]
volume_size_gb = 256
instance_count = 2
min_instances = 1
max_instances = 4
target_invocations_per_instance = 7.5
promotion = "replace"
idle_minutes = false
lifetime_hours = false
notify = ["me@example.com"]
dashboard = true
schedules = [{ days = ["FRI"], on = "22:00", off = "06:30", time_zone = "Europe/Paris" }]

[stages.volume.api]
reserved_concurrency = 100

[stages.hub]
model = "Qwen/Qwen2.5-7B-Instruct"
instance_types = ["ml.g5.12xlarge"]

[stages.lmi]
model = "huggingface-llm-mistral-7b-instruct"

[stages.llama31]
model = "meta-textgeneration-llama-3-1-70b"
accept_eula = true
[stages.llama31.finetune]
hyperparameters = { target_modules = "q_proj,k_proj,v_proj,o_proj" }

[stages.strict]
model = "falcon-7b-instruct"
[stages.strict.api]
key_header = "authorization"
quota_requests = 1000
quota_period = "day"
cors_origins = ["https://app.example.com"]
log_prompts = true

[stages.iam]
model = "falcon-7b-instruct"
[stages.iam.api]
auth = "iam"
cors_origins = ["https://one.example.com", "https://two.example.com"]
"""
STAGES = ("falcon", "llama2", "alexatm", "volume")
TOLD_STAGES = ("hub", "lmi")
"""Whose container has to be told where a tuned model lies; that of the first fetches its own itself."""
"""Each with another model or other instances."""
API_STAGES = ("strict", "iam")
"""falcon's model again, behind another API."""
FINETUNE_STAGES = ("mine", "llama31")
"""Trained by a program of the user's own, and by JumpStart with hyperparameters that Llama 2 does not have."""


@dataclass(frozen=True)
class Synthesis:
    """What `cdk synth` of every stage of CONFIG gives, in one cloud assembly that cdk-nag has looked at."""

    folder: Path
    problems: str
    """The validation report, where there is something to report."""
    template: Callable[[str, str], Template]
    """By stage and role of the stack."""


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    config = tmp_path_factory.mktemp("config") / "pilotlight.toml"
    config.write_text(CONFIG)
    folder = tmp_path_factory.mktemp("cdk.out")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(folder), context=context)
    for stage in STAGES + TOLD_STAGES + API_STAGES + FINETUNE_STAGES:
        build(app, load(config, stage, target="aws", region="us-east-1"))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
        problems = ""
    except RuntimeError as error:  # how jsii reports a failed validation
        problems = str(error)

    def template(stage: str, role: str) -> Template:
        return Template.from_json(json.loads((folder / f"Pilotlight-{stage}-{role}.template.json").read_text()))

    return Synthesis(folder, problems, template)
