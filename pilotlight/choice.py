"""What a user wrote for one stage, seen together with the model it names: what the rules look at."""

import re
from dataclasses import dataclass
from typing import Final

from pilotlight.catalog import (
    PLAIN_TEMPLATE,
    Contract,
    Instance,
    Model,
    instances,
    regions_with_instance_pools,
)
from pilotlight.config_file import StageTable
from pilotlight.prices import usd_per_hour
from pilotlight.stage import Target, Window

MODEL_FOLDER: Final = "/opt/ml/model"
"""Where SageMaker puts a model's data in its container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user wrote for one stage, beside the model it names and the place it goes to."""

    stage: str
    table: StageTable
    model: Model
    target: Target
    region: str | None

    def key(self, name: str) -> str:
        """The dotted path of a key of this stage."""
        return f"stages.{self.stage}.{name}"

    @property
    def instance_types(self) -> tuple[str, ...]:
        """As written, or the model's default; empty where there is neither."""
        default = self.model.default_instance_type
        return self.table.instance_types or ((default,) if default else ())

    @property
    def instances(self) -> list[Instance]:
        """The facts of those instance types that are known."""
        return [instances()[name] for name in self.instance_types if name in instances()]

    @property
    def instance_pools(self) -> bool:
        """As written, or wherever there is a choice, each type has a price and the Region has them."""
        if self.table.instance_pools is not None:
            return self.table.instance_pools
        counted = all(usd_per_hour(name) is not None for name in self.instance_types)  # else the budget would be blind
        return len(self.instance_types) > 1 and counted and self.region in regions_with_instance_pools()

    def environment_on(self, instance_type: str) -> dict[str, str]:
        """The container environment: the catalog's, the user's on top."""
        variable = self.model.model_variable if self.table.model_data_url else None
        copied = {variable: MODEL_FOLDER} if variable else {}
        return {**self.model.environment_on(instance_type), **copied, **self.table.environment}

    @property
    def window(self) -> Window | None:
        """The known one, and of it no more than the stage states; None where neither says anything."""
        known, stated = self.known_window, self.table.window_tokens
        if stated is None:
            return known
        most = stated - 1 if known is None else min(known.input_tokens, stated - 1)
        return Window(input_tokens=most, total_tokens=stated)

    @property
    def known_window(self) -> Window | None:
        """What a TGI container is told to take, else what the catalog knows of the model; None where neither says."""
        environment = self.environment_on(self.instance_types[0])
        told = [environment.get(name, "") for name in ("MAX_INPUT_LENGTH", "MAX_TOTAL_TOKENS")]
        if all(re.fullmatch("[0-9]{1,9}", value) for value in told):
            return Window(input_tokens=int(told[0]), total_tokens=int(told[1]))
        tokens = self.model.window_tokens
        return None if tokens is None else Window(input_tokens=tokens - 1, total_tokens=tokens)

    @property
    def contract(self) -> Contract | None:
        """As written, or the model's."""
        return self.table.contract or self.model.contract

    @property
    def chat_template(self) -> str | None:
        """As written, or the model's, or the plain one; None where the container has one of its own."""
        chosen = self.table.chat_template or self.model.chat_template
        return chosen or (None if self.contract == "openai" else PLAIN_TEMPLATE)

    @property
    def uses_aws_copies(self) -> bool:
        """Whether the image or the artifact is one that AWS keeps a copy of in each Region."""
        catalog_image = self.model.image is not None and self.table.image_uri is None
        catalog_artifact = self.model.artifact is not None and self.table.model_data_url is None
        return catalog_image or catalog_artifact
