"""What the follower needs of the outside. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Removal:
    """A process whose parts go: it was deleted, or else it has expired. `sequence` is its place in the
    log of removals, which status keeps."""

    sequence: int
    process_id: str
    tenant: str
    deleted: bool


class RemovalLog(Protocol):
    """The log of removals."""

    async def read(self, after: int, limit: int) -> Sequence[Removal]:
        """Removals behind `after`, oldest first."""
        ...


class RemovalInbox(Protocol):
    """What this service has heard of the log and has yet to do, durable."""

    async def cursor(self) -> int:
        """The last removal that was accepted; 0: none."""
        ...

    async def accept(self, after: int, removals: Sequence[Removal]) -> bool:
        """Keep the removals, due at once, and move the cursor from `after` to the last of them, in one
        transaction. False, and nothing is kept, when the cursor is elsewhere: another instance was
        faster."""
        ...

    async def take(self, now: datetime, until: datetime) -> tuple[Removal, int] | None:
        """A removal that is due, and how often it was taken; it is due again at `until`, unless it is
        done before."""
        ...

    async def put_back(self, sequence: int, due: datetime) -> None:
        """It is due again at that time."""
        ...

    async def done(self, sequence: int) -> None:
        """Its parts are gone. Idempotent."""
        ...

    async def waiting(self) -> int:
        """Removals that are not done."""
        ...


# Removes a service's parts of a process. Idempotent: it may have been done before, wholly or in part. Raises
# TransientError when something is still in use; whatever it raises, it is called again later.
Remove = Callable[[Removal], Awaitable[None]]
