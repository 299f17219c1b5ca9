"""A run's request: what it may hold, and how each mistake is named."""

import pytest
from finetune.asked import Asked, from_body, from_toml
from finetune.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st

DATASET = "s3://my-bucket/datasets/mine/"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from(list(Asked.__dataclass_fields__)) | st.text(max_size=9), JSON, max_size=4)


def refusal(**fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        from_body({"dataset": DATASET} | fields)
    return caught.value


def test_a_dataset_alone_is_a_run() -> None:
    asked = from_body({"dataset": DATASET})
    assert (asked.bucket, asked.prefix) == ("my-bucket", "datasets/mine/")
    assert (asked.max_cost_usd, asked.spot, asked.instance_types) == (None, None, None)


def test_everything_that_may_be_said_survives_as_data() -> None:
    said = {
        "dataset": DATASET,
        "hyperparameters": {"epoch": 3, "learning_rate": "1e-3"},
        "max_cost_usd": 12.5,
        "instance_types": ["ml.g5.12xlarge", "ml.g5.24xlarge"],
        "instance_count": 2,
        "spot": True,
        "approve": False,
        "min_improvement": 0.05,
    }
    asked = from_body(said)
    assert asked.instance_types == ("ml.g5.12xlarge", "ml.g5.24xlarge")
    assert from_body(asked.to_data()) == asked


@given(FIELDS)
def test_no_body_whatsoever_does_more_than_be_refused(fields: dict[str, object]) -> None:
    try:
        asked = from_body(fields)
    except BadRequest:
        return
    assert from_body(asked.to_data()) == asked


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"datset": DATASET}, "did you mean dataset"),
        ({"dataset": "s3://my-bucket/datasets/mine"}, "ends with a slash"),
        ({"dataset": "s3://my-bucket/"}, "S3 prefix"),
        ({"dataset": "https://my-bucket/x/"}, "S3 prefix"),
        ({"dataset": "s3://my-bucket/" + "x" * 1024 + "/"}, "S3 prefix"),
        ({"dataset": 7}, "is 7"),
        ({"hyperparameters": ["epoch"]}, "an object of hyperparameters"),
        ({"hyperparameters": {"epoch": 0}}, "an integer from 1 to 1000"),
        ({"hyperparameters": {"epohc": 1}}, "did you mean epoch"),
        ({"max_cost_usd": 0}, "a number of USD"),
        ({"max_cost_usd": "50"}, "a number of USD"),
        ({"max_cost_usd": float("inf")}, "a number of USD"),
        ({"max_cost_usd": True}, "a number of USD"),
        ({"instance_types": []}, "an array of 1 to 5"),
        ({"instance_types": ["g5.12xlarge"]}, 'holds "g5.12xlarge"'),
        ({"instance_types": ["ml.g5.xlarge", "ml.g5.xlarge"]}, "twice"),
        ({"instance_types": "ml.g5.xlarge"}, "an array"),
        ({"instance_count": 0}, "an integer from 1 to 16"),
        ({"instance_count": 1.0}, "an integer from 1 to 16"),
        ({"spot": "yes"}, "true or false"),
        ({"approve": None}, "true or false"),
        ({"min_improvement": 2}, "a number from -1 to 1"),
        ({"attach": "my job"}, "the name of a training job"),
        ({"attach": "my-job", "spot": True}, "no meaning beside `attach`"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, object], names: str) -> None:
    refused = refusal(**fields)
    assert names in refused.message
    assert str(refused.param) in str(fields)


def test_a_run_has_a_dataset_or_a_job() -> None:
    with pytest.raises(BadRequest, match="`dataset` is missing"):
        from_body({})
    assert from_body({"attach": "my-job"}).attach == "my-job"


def test_a_run_toml_need_not_name_the_dataset_beside_it() -> None:
    asked = from_toml("max_cost_usd = 5\n[hyperparameters]\nepoch = 2\n", dataset=DATASET)
    assert (asked.dataset, asked.max_cost_usd, asked.hyperparameters) == (DATASET, 5, {"epoch": 2})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("epoch: 3", "not valid TOML"),
        ("spot = 2026-01-01", "2026-01-01"),
        ('dataset = "s3://other-bucket/x/"', "where run.toml lies"),
        ("[hyperparameters]\nepoch = 2026-01-01", "an integer from 1 to 1000"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("#" * 70_000, "at most 65536"),
    ],
)
def test_a_wrong_run_toml_is_refused(text: str, names: str) -> None:
    with pytest.raises(BadRequest) as caught:
        from_toml(text, dataset=DATASET)
    assert names in caught.value.message
