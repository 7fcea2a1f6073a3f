"""Ports of the follower. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Removal:
    """A process whose parts are removed: deleted or, if not `deleted`, expired. `sequence` is its position in
    the log of removals at status."""

    sequence: int
    process_id: str
    tenant: str
    deleted: bool


class RemovalLog(Protocol):
    """The log of removals."""

    async def read(self, after: int, limit: int) -> Sequence[Removal]:
        """Removals after `after`, oldest first."""
        ...


class RemovalInbox(Protocol):
    """The removals that this service has accepted and not done, durable."""

    async def cursor(self) -> int:
        """Sequence of the last accepted removal; 0 for none."""
        ...

    async def accept(self, after: int, removals: Sequence[Removal]) -> bool:
        """Store the removals, due at once, and move the cursor from `after` to the last of them, in one
        transaction. False, and nothing is stored, when another instance has moved the cursor."""
        ...

    async def take(self, now: datetime, until: datetime) -> tuple[Removal, int] | None:
        """Take a removal that is due, with the number of times that it was taken. Unless it is done, it is
        due again at `until`."""
        ...

    async def put_back(self, sequence: int, due: datetime) -> None:
        """Make it due again at that time."""
        ...

    async def done(self, sequence: int) -> None:
        """Delete it: its parts are removed. Idempotent."""
        ...

    async def waiting(self) -> int:
        """Number of removals that are not done."""
        ...


# Removes a service's parts of a process. Idempotent, also after a part of it was done. Raises TransientError
# while something is in use; after any error it is called again later.
Remove = Callable[[Removal], Awaitable[None]]
