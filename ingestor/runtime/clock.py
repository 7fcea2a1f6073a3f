"""Time and identifiers as ports, so that tests can choose both."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ingestor.runtime.fail_points import clock_step

# From here to there an offset or an interval leads to what a datetime can hold.
USUAL_YEARS = range(1970, 9000)


def is_usual_time(time: datetime) -> bool:
    """Whether an aware time is in the USUAL_YEARS, wherever it is told."""
    first, last = USUAL_YEARS.start, USUAL_YEARS.stop
    return datetime(first, 1, 1, tzinfo=UTC) <= time < datetime(last, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        ...


class Ids(Protocol):
    """Makes identifiers."""

    def new(self) -> str:
        """A fresh UUID in canonical form."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=clock_step())


class TimeOrderedIds:
    """UUIDs of version 7 (RFC 9562), which sort by their time to the millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self) -> str:
        """A fresh UUID in canonical form."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        random = int.from_bytes(os.urandom(10), "big")
        value = (milliseconds & (2**48 - 1)) << 80 | random
        value = value & ~(0xF << 76) | 0x7 << 76  # version
        value = value & ~(0x3 << 62) | 0x2 << 62  # variant
        return str(uuid.UUID(int=value))
