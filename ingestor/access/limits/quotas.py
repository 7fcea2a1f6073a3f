"""Quotas of a tenant: their names, their limits, and how one is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from ingestor.runtime.errors import ResourceExhaustedError

REASON = "QUOTA_EXCEEDED"


class QuotaName(StrEnum):
    """What is limited. Days are those of UTC."""

    BYTES_STORED = "bytes_stored"
    BYTES_PER_DAY = "bytes_per_day"
    ROWS_PER_DAY = "rows_per_day"
    OPEN_UPLOADS = "open_uploads"
    BYTES_ANNOUNCED = "bytes_announced"
    RUNNING_PROCESSES = "running_processes"
    PIPELINES = "pipelines"
    TABLES = "tables"
    STREAMS = "streams"


QUOTAS = tuple(QuotaName)
DAILY = frozenset({QuotaName.BYTES_PER_DAY, QuotaName.ROWS_PER_DAY})

QuotaLimits = Mapping[QuotaName, int]
"""The limits of a tenant; a quota that is not in it has none."""

NO_LIMITS: QuotaLimits = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A quota of a tenant and how much of it is used."""

    name: str
    limit: int | None = None
    used: int = 0
    resets: datetime | None = None  # when its use starts from 0 again; None: never by itself


class Quotas(Protocol):
    """Knows the limits of tenants."""

    async def limits(self) -> QuotaLimits:
        """The limits of the scope's tenant; the answer may be ten seconds old. Raises TransientError."""
        ...

    async def check_rows(self) -> None:
        """Raise QuotaExceededError when the scope's tenant has used all of its rows of today. Raises
        TransientError."""
        ...


class QuotaUses(Protocol):
    """The quotas of the tenant in scope."""

    async def all(self) -> Sequence[QuotaUse]:
        """Every quota, limited or not. Raises TransientError."""
        ...


class QuotaExceededError(ResourceExhaustedError):
    """A quota does not allow something; the message says which, and until when."""

    def __init__(self, name: QuotaName, limit: int, used: int, more: int = 1) -> None:
        """`more` is what was asked for in addition to `used`."""
        self.name = name
        self.reset_time = None
        if name in DAILY and more <= limit:  # what is more than a whole day's quota does not fit tomorrow
            self.reset_time = next_day()
        metadata = {"quota": name.value, "limit": str(limit), "used": str(used)}
        if self.reset_time:
            metadata["reset_time"] = f"{self.reset_time:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(REASON, _message(name, limit, used, more, self.reset_time), metadata=metadata)


def check(name: QuotaName, limits: QuotaLimits, used: int, more: int = 1) -> None:
    """Raise QuotaExceededError when `more` does not fit beside what is used."""
    limit = limits.get(name)
    if limit is not None and used + more > limit:
        raise QuotaExceededError(name, limit, used, more)


def next_day(now: datetime | None = None) -> datetime:
    """When the quotas of the day start from 0 again."""
    day = (now or datetime.now(UTC)).astimezone(UTC) + timedelta(days=1)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _message(name: QuotaName, limit: int, used: int, more: int, reset_time: datetime | None) -> str:
    until = f"; more from {reset_time:%Y-%m-%d %H:%M} UTC on" if reset_time else ""
    match name:
        case QuotaName.BYTES_STORED:
            return (
                f"The tenant stores {used:,} of its {limit:,} bytes, and {more:,} more do not fit; delete "
                "processes whose files are not needed."
            )
        case QuotaName.BYTES_PER_DAY if reset_time is None:
            return f"{more:,} bytes are more than the {limit:,} bytes that the tenant may send in a day."
        case QuotaName.BYTES_PER_DAY:
            return (
                f"The tenant has sent {used:,} of its {limit:,} bytes of today, and {more:,} more do not "
                f"fit{until}."
            )
        case QuotaName.ROWS_PER_DAY:
            return f"The tenant has used its {limit:,} rows of today{until}."
        case QuotaName.OPEN_UPLOADS:
            return f"The tenant uses all of its {limit:,} open uploads; finish or abort one."
        case QuotaName.BYTES_ANNOUNCED:
            return (
                f"The tenant's open uploads have announced {used:,} bytes and not sent them, of at most "
                f"{limit:,}, and {more:,} more do not fit; send or abort one."
            )
        case QuotaName.RUNNING_PROCESSES:
            return f"The tenant runs all of its {limit:,} processes; wait until one ends, or cancel one."
        case QuotaName.PIPELINES:
            return f"The tenant has all of its {limit:,} pipelines; delete one that is not needed."
        case QuotaName.TABLES:
            return (
                f"The tenant has all of its {limit:,} tables; drop one that is not needed, or load into one "
                "that exists."
            )
        case QuotaName.STREAMS:
            return f"The tenant has all of its {limit:,} streams open here; end one."
