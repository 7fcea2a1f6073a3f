"""Quotas: limits on what a tenant may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

QUOTAS = (
    "bytes_stored", "bytes_per_day", "rows_per_day", "open_uploads", "running_processes", "pipelines",
    "tables", "streams",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A quota of a tenant and how much of it is used."""

    name: str
    limit: int | None = None
    used: int = 0
    resets: datetime | None = None  # when its use starts from 0 again


class QuotaUses(Protocol):
    """The quotas of the tenant in scope."""

    async def all(self) -> Sequence[QuotaUse]:
        """Every quota, limited or not. Raises TransientError."""
        ...
