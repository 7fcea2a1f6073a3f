"""The inbox of removals in PostgreSQL: removal_cursor and removal_inbox in the service's schema."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.removals.ports import Removal, RemovalInbox
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_CURSOR = "SELECT sequence FROM {schema}.removal_cursor"
_MOVE = "UPDATE {schema}.removal_cursor SET sequence = $2 WHERE sequence = $1 RETURNING 1"
_KEEP = """
INSERT INTO {schema}.removal_inbox (sequence, process_id, tenant, deleted, due_at)
VALUES ($1, $2, $3, $4, '-infinity')
"""
_TAKE = """
UPDATE {schema}.removal_inbox SET due_at = $2, attempts = attempts + 1
WHERE sequence = (SELECT sequence FROM {schema}.removal_inbox WHERE due_at <= $1
                  ORDER BY due_at, sequence LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING sequence, process_id, tenant, deleted, attempts
"""
_PUT_BACK = "UPDATE {schema}.removal_inbox SET due_at = $2 WHERE sequence = $1"
_DONE = "DELETE FROM {schema}.removal_inbox WHERE sequence = $1"
_WAITING = "SELECT count(*) FROM {schema}.removal_inbox"


class PgRemovalInbox(RemovalInbox):
    def __init__(self, pool: PgPool, schema: str) -> None:
        self._pool = pool
        self._schema = schema

    def _of(self, statement: str) -> str:
        return statement.format(schema=self._schema)

    async def cursor(self) -> int:
        async with transient_errors("removals"):
            return int(await self._pool.fetchval(self._of(_CURSOR)))

    async def accept(self, after: int, removals: Sequence[Removal]) -> bool:
        async with transient_errors("removals"), self._pool.transaction() as connection:
            if not await connection.fetchval(self._of(_MOVE), after, removals[-1].sequence):
                return False
            await connection.executemany(
                self._of(_KEEP),
                [(found.sequence, found.process_id, found.tenant, found.deleted) for found in removals],
            )
            return True

    async def take(self, now: datetime, until: datetime) -> tuple[Removal, int] | None:
        async with transient_errors("removals"):
            row = await self._pool.fetchrow(self._of(_TAKE), now, until)
        if row is None:
            return None
        removal = Removal(row["sequence"], str(row["process_id"]), row["tenant"], row["deleted"])
        return removal, row["attempts"]

    async def put_back(self, sequence: int, due: datetime) -> None:
        async with transient_errors("removals"):
            await self._pool.execute(self._of(_PUT_BACK), sequence, due)

    async def done(self, sequence: int) -> None:
        async with transient_errors("removals"):
            await self._pool.execute(self._of(_DONE), sequence)

    async def waiting(self) -> int:
        async with transient_errors("removals"):
            return int(await self._pool.fetchval(self._of(_WAITING)))
