"""Time and identifiers as ports, so that tests can decide both."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Protocol


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
        return datetime.now(UTC)


class RandomIds:
    """Random UUIDs (version 4)."""

    def new(self) -> str:
        """A fresh UUID in canonical form."""
        return str(uuid.uuid4())
