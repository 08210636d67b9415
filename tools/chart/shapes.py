"""Small types that the values of the chart are made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

Strings = dict[str, str]
Json = dict[str, JsonValue]
JsonList = list[Json]
Name = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
"""The name of a Kubernetes object, or empty."""

Percent = Annotated[str, Field(pattern=r"^([0-9]{1,3}%)?$")]
IntOrPercent = Annotated[int, Field(ge=0)] | Percent
Quantity = str | int | float
Port = Annotated[int, Field(ge=1, le=65535)]
PullPolicy = Literal["", "Always", "IfNotPresent", "Never"]


class Values(BaseModel):
    """One block of values: camelCase keys, unknown ones refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True
    )


class Resources(Values):
    """Requests and limits of a container."""

    limits: dict[str, Quantity] = Field(default={}, description="Upper bounds.")
    requests: dict[str, Quantity] = Field(default={}, description="What is reserved.")
    claims: JsonList = Field(default=[], description="Dynamic resource claims.")
