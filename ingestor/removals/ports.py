"""Ports of the follower. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Removal:
    """A process whose records are to be removed because it was deleted or, unless `deleted`, has expired.
    `sequence` is its position in status's log of removals."""

    sequence: int
    process_id: str
    tenant: str
    deleted: bool


class RemovalLog(Protocol):
    """The log of removals."""

    async def read(self, after: int, limit: int) -> Sequence[Removal]:
        """At most `limit` removals after sequence `after`, oldest first."""
        ...


class RemovalInbox(Protocol):
    """The removals that this service has accepted but not done; durable."""

    async def cursor(self) -> int:
        """Sequence of the last accepted removal; 0 before the first."""
        ...

    async def accept(self, after: int, removals: Sequence[Removal]) -> bool:
        """Store the removals, due at once, and move the cursor from `after` to the last of them, in one
        transaction. Returns False and stores nothing when another instance has moved the cursor."""
        ...

    async def take(self, now: datetime, until: datetime) -> tuple[Removal, int] | None:
        """Take a removal that is due; returns it and how often it has been taken. It is due again at `until`
        unless it is done. None when nothing is due."""
        ...

    async def put_back(self, sequence: int, due: datetime) -> None:
        """Make a removal due again at `due`."""
        ...

    async def done(self, sequence: int) -> None:
        """Delete a removal that is done. Idempotent."""
        ...

    async def waiting(self) -> int:
        """Number of removals that are not done."""
        ...


# Removes a service's records of a process. Idempotent, even when it has done only a part. Raises
# TransientError while something is in use; it is called again after any error.
Remove = Callable[[Removal], Awaitable[None]]
