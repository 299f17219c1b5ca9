"""What the tables of `pilotlight.toml` have in common."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

IMAGE_URI: Final = (
    r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[a-z0-9._/-]+"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=1024)]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
