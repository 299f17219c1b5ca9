"""`pilotlight.toml` as it is written: its tables, their keys, and what each key allows by itself.

A field's description says what is allowed and its example is TOML for a right value: both appear in the
refusal of a wrong one. How keys fit the catalog and each other: `pilotlight.provenance`, `pilotlight.fit`.
"""

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pilotlight import finetune_table
from pilotlight.catalog import Contract
from pilotlight.config_errors import ABSENT, ConfigError, Problem
from pilotlight.config_table import IMAGE_URI, Table, VariableName
from pilotlight.finetune_table import FineTuneTable
from pilotlight.stage import Promotion

_STAGE_NAME_ALLOWED: Final = "at most 28 lower-case letters, digits and inner hyphens, a letter first"

# The longest name made from a stage's is its execution role's, pilotlight-STAGE-execution-REGION: IAM allows 64
# characters, and a Region's name has up to 14.
StageName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=28)]
VariableValue = Annotated[str, Field(max_length=1024)]
# As a browser writes it in the header Origin: no path, no slash at the end.
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)$", max_length=255)]

ModelAlias = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=100)]


def _false_is_none(value: object) -> object:
    return None if value is False else value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(value)
    return value


# A limit that `false` switches off; TOML has no null.
Switchable = BeforeValidator(_false_is_none)
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Day = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]


class ApiTable(Table):
    """[stages.NAME.api]: who may call the REST API, from where, how often, and what it keeps of a call; names in it."""

    auth: Literal["key", "iam"] = Field("key", description='"key" or "iam"', examples=['"key"'])
    key_header: Literal["any", "x-api-key", "authorization"] = Field(
        "any",
        description='"any" (both headers), "x-api-key" or "authorization" (one header, so that answers can be cached)',
        examples=['"any"'],
    )
    quota_requests: int | None = Field(
        None, ge=1, le=1_000_000_000, description="an integer from 1 to 1000000000 (requests a key)", examples=["10000"]
    )
    quota_period: Literal["day", "week", "month"] = Field(
        "month", description='"day", "week" or "month"', examples=['"month"']
    )
    cors_origins: tuple[Origin, ...] = Field(
        (),
        strict=False,
        max_length=20,
        description='an array of at most 20 origins, in lower case and without a path, or ["*"] for every origin',
        examples=['["https://app.example.com"]'],
    )
    log_prompts: bool = Field(False, description="true or false", examples=["true"])

    throttle_rate_per_second: int = Field(
        50, ge=1, le=10_000, description="an integer from 1 to 10000 (requests per second)", examples=["50"]
    )
    throttle_burst: int = Field(
        100, ge=1, le=5_000, description="an integer from 1 to 5000 (requests)", examples=["100"]
    )
    integration_timeout_seconds: int = Field(
        29, ge=10, le=29, description="an integer from 10 to 29 (seconds; 29 is API Gateway's limit)", examples=["29"]
    )
    reserved_concurrency: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="an integer from 1 to 1000 (calls at once); the account must have 100 more than it reserves",
        examples=["100"],
    )
    overload_latency_seconds: int | None = Field(
        None,
        ge=1,
        le=29,
        description="an integer from 1 to 29 (seconds; 29 refuses nothing)",
        examples=["20"],
    )
    model_aliases: tuple[ModelAlias, ...] = Field(
        (),
        strict=False,  # TOML knows arrays, not tuples; the strings inside stay strict
        max_length=10,
        description="an array of at most ten names: up to 100 letters, digits and . _ : / - each",
        examples=['["gpt-4o-mini"]'],
    )


class ScheduleTable(Table):
    """[[stages.NAME.schedules]]: times at which the switch is started."""

    days: tuple[Day, ...] = Field(
        ("MON", "TUE", "WED", "THU", "FRI"),
        strict=False,
        min_length=1,
        max_length=7,
        description="an array of days, MON to SUN",
        examples=['["MON", "FRI"]'],
    )
    on: TimeOfDay | None = Field(None, description="a time of day, HH:MM", examples=['"08:00"'])
    off: TimeOfDay | None = Field(None, description="a time of day, HH:MM", examples=['"19:00"'])
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="a name of the IANA time zone database", examples=['"Europe/Paris"']
    )


class StageTable(Table):
    """[stages.NAME]: a key that is left out takes the catalog's value for the model."""

    model: str = Field(
        description="the name of a model of the catalog, or an id of JumpStart or huggingface.co",
        examples=['"falcon-7b-instruct"'],
    )
    contract: Contract | None = Field(None, description='"alexatm", "tgi" or "openai"', examples=['"tgi"'])
    chat_template: str | None = Field(
        None, description="the name of a chat template of the catalog", examples=['"chatml"']
    )
    region: str | None = Field(
        None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
        description="the name of an AWS Region",
        examples=['"us-east-1"'],
    )
    image_uri: str | None = Field(
        None,
        pattern=IMAGE_URI,
        max_length=255,
        description="an image in Amazon ECR, ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, "
        "of at most 255 characters",
        examples=['"111122223333.dkr.ecr.us-east-1.amazonaws.com/my-model:1.0"'],
    )
    model_data_url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(\S*[^/\s]/)?$",
        max_length=1024,
        description="an S3 prefix that ends with a slash and holds unpacked files (unpack a .tar.gz first)",
        examples=['"s3://my-bucket/my-model/"'],
    )
    window_tokens: int | None = Field(
        None,
        ge=128,
        le=1_048_576,
        description="an integer from 128 to 1048576 (tokens of input and output together)",
        examples=["2048"],
    )
    accept_eula: bool = Field(False, description="true or false", examples=["true"])
    instance_types: tuple[str, ...] | None = Field(
        None,
        strict=False,  # TOML knows arrays, not tuples; the strings inside stay strict
        min_length=1,
        max_length=5,
        description="an array of one to five different instance types, first choice first",
        examples=['["ml.g5.2xlarge", "ml.g5.4xlarge"]'],
    )
    instance_pools: bool | None = Field(None, description="true or false", examples=["false"])
    instance_count: int = Field(1, ge=1, le=20, description="an integer from 1 to 20", examples=["1"])
    min_instances: int | None = Field(None, ge=1, le=20, description="an integer from 1 to 20", examples=["1"])
    max_instances: int | None = Field(None, ge=1, le=20, description="an integer from 1 to 20", examples=["4"])
    target_invocations_per_instance: float | None = Field(
        None, ge=0.1, le=100_000, description="a number from 0.1 to 100000 (calls a minute)", examples=["30"]
    )
    promotion: Promotion = Field(
        "blue-green",
        description='"blue-green" (a new model comes up beside the old one: two fleets for a while) or "replace" (off, '
        "then on with the new one)",
        examples=['"replace"'],
    )
    promotion_bake_seconds: int = Field(
        600, ge=0, le=3600, description="an integer from 0 to 3600 (seconds)", examples=["600"]
    )
    volume_size_gb: int | None = Field(
        None, ge=1, le=512, description="an integer from 1 to 512 (GB)", examples=["256"]
    )
    model_data_download_timeout_seconds: int | None = Field(
        None, ge=60, le=3600, description="an integer from 60 to 3600 (seconds)", examples=["1200"]
    )
    container_startup_timeout_seconds: int | None = Field(
        None, ge=60, le=3600, description="an integer from 60 to 3600 (seconds)", examples=["1200"]
    )
    endpoint_name: str | None = Field(
        None,
        # SageMaker would take capitals too, but its ARNs are in lower case and IAM compares exactly.
        pattern=r"^[a-z0-9](-*[a-z0-9])*$",
        max_length=63,
        description="at most 63 lower-case letters, digits and inner hyphens",
        examples=['"my-endpoint"'],
    )
    idle_minutes: Annotated[int | None, Switchable] = Field(
        60, ge=10, le=1440, description="an integer from 10 to 1440 (minutes), or false for never", examples=["60"]
    )
    warning_minutes: int = Field(
        10, ge=5, le=720, description="an integer from 5 to 720 (minutes before an idle off)", examples=["10"]
    )
    lifetime_hours: Annotated[int | None, Switchable] = Field(
        12, ge=1, le=168, description="an integer from 1 to 168 (hours), or false for 30 days", examples=["12"]
    )
    monthly_budget_usd: Annotated[float | None, Switchable] = Field(
        100, ge=1, le=1_000_000, description="a number from 1 to 1000000 (USD), or false for none", examples=["100"]
    )
    wake_on_call: bool = Field(False, description="true or false", examples=["true"])
    notify: tuple[Email, ...] = Field(
        (), strict=False, max_length=10, description="an array of e-mail addresses", examples=['["me@example.com"]']
    )
    dashboard: bool = Field(False, description="true or false", examples=["true"])
    schedules: tuple[ScheduleTable, ...] = Field(
        (),
        strict=False,
        max_length=10,
        description="tables [[stages.NAME.schedules]]",
        examples=['[{ on = "08:00", off = "19:00", time_zone = "Europe/Paris" }]'],
    )
    environment: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        description="a table: names of letters, digits and underscores, strings of at most 1024 characters",
        examples=['{ MAX_INPUT_LENGTH = "2048" }'],
    )
    api: ApiTable = Field(
        ApiTable(), description="a table of API limits", examples=["{ throttle_rate_per_second = 50 }"]
    )
    finetune: FineTuneTable = Field(
        FineTuneTable(), description="a table of fine-tuning", examples=["{ max_cost_usd = 50 }"]
    )


class ConfigFile(Table):
    """The whole file."""

    default_stage: StageName = Field(description="the name of a stage of this file", examples=['"dev"'])
    stages: dict[StageName, StageTable] = Field(
        min_length=1,
        description="one table [stages.NAME] or more",
        examples=['{ dev = { model = "falcon-7b-instruct" } }'],
    )


def read(path: Path) -> ConfigFile:
    """The file, every key of every stage checked by itself. Raises `ConfigError` with all that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        fix = f"run in the folder that holds {path.name}, or create it"
        raise _unreadable(path, "there is no such file", fix) from error
    except tomllib.TOMLDecodeError as error:
        fix = "correct that place; strings stand in quotes, table names in brackets"
        raise _unreadable(path, f"not valid TOML: {error}", fix) from error
    except (OSError, ValueError) as error:
        fix = "make it a text file in UTF-8 that you may read"
        raise _unreadable(path, f"cannot be read: {error}", fix) from error
    try:
        config = ConfigFile.model_validate(document)
    except ValidationError as error:
        raise ConfigError(path.name, [_translate(detail) for detail in _innermost(error.errors())]) from error
    if config.default_stage not in config.stages:
        raise ConfigError(path.name, [unknown_stage("default_stage", config.default_stage, config.stages)])
    return config


def unknown_stage(key: str, name: str, stages: Iterable[str]) -> Problem:
    """The refusal of a stage that the file does not have; `key` says where its name came from."""
    return Problem(
        key=key,
        value=name,
        reason=f"there is no such stage{did_you_mean(name, stages)}",
        allowed=", ".join(stages),
        fix=f"name one of these, or write a table [stages.{name}]",
    )


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question to append to a refusal; empty where no choice is close."""
    matches = get_close_matches(word, choices, n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


def _unreadable(path: Path, reason: str, fix: str) -> ConfigError:
    return ConfigError(path.name, [Problem(key=str(path), reason=reason, allowed="a TOML file", fix=fix)])


def _innermost(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what only follows: an array whose one value is refused also counts as too short."""
    places = [detail["loc"] for detail in details]
    return [d for d in details if not any(place != d["loc"] and place[: len(d["loc"])] == d["loc"] for place in places)]


def _translate(detail: ErrorDetails) -> Problem:
    """pydantic's finding in this file's own words."""
    unknown = detail["type"] == "extra_forbidden"
    names_a_key = detail["loc"][-1] == "[key]" and not unknown  # pydantic's mark: not the value, its key is wrong
    location = detail["loc"][:-1] if names_a_key else detail["loc"]
    table, field_path = _table_at(location)
    key = ".".join(_toml_key(part) for part in location)
    name = str(field_path[0])
    if unknown:
        return Problem(
            key=key,
            value=detail["input"],
            reason=f"unknown key{did_you_mean(name, table.model_fields)}",
            allowed=", ".join(table.model_fields),
            fix="correct its name, or remove it",
        )
    if names_a_key and table is ConfigFile:
        return Problem(
            key=key,
            value=location[-1],
            reason="this name is too long, or has a character that no stage name may have",
            allowed=_STAGE_NAME_ALLOWED,
            fix="rename the stage",
        )
    field: FieldInfo = table.model_fields[name]
    missing = detail["type"] == "missing"
    return Problem(
        key=key,
        value=ABSENT if missing else detail["input"],
        reason=_reason(detail["type"]),
        allowed=str(field.description),
        fix=f"write, for example: {name} = {(field.examples or [''])[0]}",
    )


def _reason(kind: str) -> str:
    if kind == "missing":
        return "this key is missing"
    return "wrong type" if kind.endswith("_type") else "this value is not allowed"


def _table_at(location: tuple[int | str, ...]) -> tuple[type[Table], tuple[int | str, ...]]:
    """The table that a location lies in, and the rest of the location, from the table's own key on."""
    match location:
        case ("stages", _, "api", _, *_):
            return ApiTable, location[3:]
        case ("stages", _, "finetune", _, *_):
            return finetune_table.table_at(location[3:])
        case ("stages", _, "schedules", int(), _, *_):
            return ScheduleTable, location[4:]
        case ("stages", _, _, *_):
            return StageTable, location[2:]
        case _:
            return ConfigFile, location


def _toml_key(part: int | str) -> str:
    text = str(part)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else f'"{text}"'
