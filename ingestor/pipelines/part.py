"""The base of every object of a pipeline document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

# Each is told by itself.
MAX_UNKNOWN_KEYS = 100


class Part(BaseModel):
    """Unknown keys are errors, except those that start with "x-", which are the user's own."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_own_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        own = {key: value for key, value in data.items() if not key.startswith("x-")}
        if len(own) > len(cls.model_fields) + MAX_UNKNOWN_KEYS:
            raise PydanticCustomError("keys", f"has more than {MAX_UNKNOWN_KEYS} unknown keys")
        return own
