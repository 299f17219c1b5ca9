"""Runs as the shipped models have them, to be planned."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from finetune.asked import from_body
from finetune.dataset import Report
from finetune.plan import Plan, plan
from finetune.programs import rules_of
from finetune.sizes import InstanceFacts
from finetune.spec import Settings

from pilotlight.fine_tune import priced_instances
from pilotlight.training_file import Metric, training
from pilotlight.training_specs import ScriptModel, resolve
from tests.unit.finetune.bucket import DATASET, GOOD, report_of

OWN_IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pilotlight-training:1.0"
MINE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:1.0"
ROLE = "arn:aws:iam::111122223333:role/pilotlight-dev-training"
BUCKET = "runs-bucket"
NOW = 1_800_000_000.0
LLAMA_31 = "meta-textgeneration-llama-3-1-70b"  # with hyperparameters of its own
RUN_ID = "261124-170133-ab12"


def settings_of(model: str = "llama-2-7b", *, image: str | None = OWN_IMAGE, **changes: Any) -> Settings:
    spec = resolve(
        model,
        training().models[model],
        region="us-east-1",
        account="763104351884",
        base_model=f"s3://served-bucket/{model}/",
        gated=model.startswith("llama"),
        own_image_uri=image,
    )
    settings = Settings(
        stage="dev",
        spec=spec,
        instance_types=tuple(name for name in training().models[model].instance_types if name in priced_instances()),
        max_cost_usd=Decimal(50),
        min_improvement=0.0,
        spot=False,
        approve=False,
        approval_hours=72,
        hyperparameters={},
        instances=priced_instances(),
    )
    return replace(settings, **changes)


def own_program(*, evaluated: bool = True, **changes: Any) -> Settings:
    """Of a stage whose model is trained by a script of the user's own."""
    model = ScriptModel(
        image_uri=MINE,
        script=("s3://my-bucket/code/mine.tar.gz", "train.py"),
        base_model_url=None,
        environment={"COLOUR": "red"},
        metrics=(Metric(Name="mine:train-loss", Regex="loss=([0-9.]+)"),),
        volume_size_gb=64,
        network_isolation=False,
        instance_types=(),
        shape=None,
    )
    spec = resolve(
        "custom",
        model,
        region="us-east-1",
        account=None,
        base_model="s3://served-bucket/custom/",
        gated=False,
        own_image_uri=OWN_IMAGE if evaluated else None,
    )
    return replace(settings_of("falcon-7b"), **({"spec": spec} | changes))


def priced(**usd_per_hour: str) -> dict[str, InstanceFacts]:
    """Instance types large enough for anything: `big1="7.09"` is ml.big1.xlarge."""
    return {
        f"ml.{name}.xlarge": InstanceFacts(gpus=8, gpu_memory_gib=4096, usd_per_hour=Decimal(usd))
        for name, usd in usd_per_hour.items()
    }


def planned(settings: Settings, report: Report | None = None, **asked: Any) -> Plan:
    found = report or report_of({"train/a.jsonl": GOOD})
    request = from_body({"dataset": DATASET} | asked, rules_of(settings.spec.program))
    return plan(request, found, settings, now=NOW, run_id=RUN_ID)
