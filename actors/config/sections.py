"""What every table of the configuration is made of: its kinds of value, and what all that is watched has."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Secret = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Watched(Section):
    """What every source has that is read again and again."""

    interval_s: float
    missing_share: Annotated[float, Field(ge=0, lt=1)] = 0.2  # a reading that lacks more of what it should show freezes
    thaw_after: Annotated[int, Field(ge=1, le=100)] = 2  # good readings in a row after which it is trusted again
