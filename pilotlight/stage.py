"""A stage with every default filled in: all that stacks, CLI and embedded cloud see of the configuration."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from pilotlight.catalog import ChatTemplate, Contract
from pilotlight.training_specs import FineTune

Target = Literal["aws", "local"]
Promotion = Literal["blue-green", "replace"]
DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
LONGEST_HOURS: Final = 30 * 24
"""The hard stop's time where the lifetime is switched off: nothing is lit without a stated end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Who may call the REST API, from where, how often, and what it keeps of a call; names in it."""

    auth: Literal["key", "iam"]
    key_header: Literal["any", "x-api-key", "authorization"]
    quota_requests: int | None  # for each key, in every `quota_period`; None: no quota
    quota_period: Literal["day", "week", "month"]
    cors_origins: tuple[str, ...]  # ("*",): every origin; (): no browser may call
    log_prompts: bool
    throttle_rate_per_second: int
    throttle_burst: int
    integration_timeout_seconds: int
    reserved_concurrency: int | None  # None: as much as the account has
    overload_latency_seconds: int | None  # None: nobody says what is calm, the proxy learns it
    model_aliases: tuple[str, ...]  # further names for the model on the OpenAI-compatible routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Times of day, `HH:MM` in `time_zone`; None where only the other is wanted. An `off` before `on` is next day's."""

    days: tuple[str, ...]
    on: str | None
    off: str | None
    time_zone: str

    @property
    def starts(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """What the switch is started for: target, time of day, and days."""
        named = (("on", self.on, self.days), ("off", self.off, self.off_days))
        return tuple((target, at, days) for target, at, days in named if at is not None)

    @property
    def off_days(self) -> tuple[str, ...]:
        overnight = self.on is not None and self.off is not None and self.off <= self.on
        if not overnight:
            return self.days
        after = {day: DAYS[(index + 1) % len(DAYS)] for index, day in enumerate(DAYS)}
        return tuple(day for day in DAYS if day in {after[listed] for listed in self.days})


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoOff:
    """None: that trigger is switched off."""

    idle_minutes: int | None
    warning_minutes: int
    lifetime_hours: int | None
    monthly_budget_usd: Decimal | None
    schedules: tuple[Schedule, ...]

    @property
    def longest_hours(self) -> int:
        """When the hard stop falls at the latest, counted from lighting."""
        return self.lifetime_hours or LONGEST_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the model takes, in tokens: as input, and as input and output together."""

    input_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Between how many instances AWS keeps the calls of a minute at so many for each."""

    min_instances: int
    max_instances: int
    target_invocations_per_instance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One validated stage; `pilotlight.config.load` makes them."""

    name: str
    target: Target
    region: str
    model: str
    contract: Contract
    chat_template: ChatTemplate | None  # None: the container applies its own
    window: Window | None  # None: nobody knows it
    image_uri: str
    model_data_url: str | None  # an S3 prefix, ends with "/"; None: the container fetches its model from huggingface.co
    gated: bool  # the artifact lies in JumpStart's gated bucket, and the user has accepted its EULA
    instance_types: tuple[str, ...]  # first choice first; one kind of storage and one environment for all
    instance_pools: bool  # SageMaker chooses among the types; False: the switch tries one after the other
    instance_count: int
    scaling: Scaling | None  # None: always instance_count
    promotion: Promotion
    promotion_bake_seconds: int
    volume_size_gb: int | None  # None: local NVMe, no volume
    model_data_download_timeout_seconds: int
    container_startup_timeout_seconds: int
    environment: Mapping[str, str]
    model_variable: str | None  # what tells the container where a tuned model lies; None: it finds that by itself
    inference_ami_version: str | None  # None: SageMaker's usual one
    endpoint_name: str
    api: ApiLimits
    auto_off: AutoOff
    wake_on_call: bool
    notify: tuple[str, ...]  # e-mail addresses
    dashboard: bool
    wake_seconds: int
    usd_per_hour: Mapping[str, Decimal]  # by instance type, for one instance; a type without a known price is absent
    finetune: FineTune | None  # None: this model cannot be fine-tuned, or nobody said with which image
    warnings: tuple[str, ...]  # whole sentences

    @property
    def bake_seconds(self) -> int:
        """For how long the old fleet stands by after an update, while alarms watch the new one; 0 for no moment."""
        return self.promotion_bake_seconds if self.promotion == "blue-green" else 0

    @property
    def instance_type(self) -> str:
        """The first choice."""
        return self.instance_types[0]

    @property
    def most_instances(self) -> int:
        return self.scaling.max_instances if self.scaling else self.instance_count

    @property
    def always_on_usd_per_hour(self) -> Decimal | None:
        """Of all instances of the first choice; None where its price is not known."""
        usd = self.usd_per_hour.get(self.instance_type)
        return None if usd is None else usd * self.instance_count

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when the configured model, or what it runs on, changes.

        A promoted artifact or another instance type (the endpoint stack's override parameters) holds only
        while this stays the same, so it covers what such an override replaces or must fit: model, contract,
        image, artifact, environment, instance types, who chooses among those, volume. Counts, timeouts, names
        and limits are left out: changing one must not revert a promoted model.
        """
        identity = [
            self.model,
            self.contract,
            self.image_uri,
            self.model_data_url,
            sorted(self.environment.items()),
            self.instance_types,
            self.volume_size_gb,
            *(["instance pools"] if self.instance_pools else []),
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
