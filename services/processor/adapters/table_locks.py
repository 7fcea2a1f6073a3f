"""Waits a moment for a table that another session holds, and then leaves it alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from ingestor.services.processor.adapters.postgres.table import quoted, sql_name
from ingestor.services.processor.ports import Table, TableLockedError

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_PATIENCE, _NO_PATIENCE = "3s", "200ms"
_REMEMBERED_SECONDS = 120.0
_MOST = 1000  # tables that are remembered


def _lock_for_rows(table: Table) -> str:
    """Takes the lock that loading rows needs, until the end of the transaction: as PostgreSQL plans an
    INSERT, since LOCK TABLE does not take every kind of table."""
    column = quoted(table.columns[0][0])
    return f"EXPLAIN INSERT INTO {sql_name(table)} ({column}) SELECT NULL WHERE false"


class TableLocks:
    """Which tables could not be had lately: the next batch waits hardly at all for one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._locked: dict[tuple[str, str], float] = {}  # until when it is remembered

    @asynccontextmanager
    async def patience(self, connection: PgConnection, tenant: str, table: Table) -> AsyncIterator[None]:
        """Statements that lock the table wait only so long within the context; at its end the table is locked
        for rows. Raises TableLockedError."""
        place = (tenant, sql_name(table))
        waits = _NO_PATIENCE if self._locked.get(place, 0.0) > self._clock() else _PATIENCE
        await connection.execute(f"SET LOCAL lock_timeout = '{waits}'")
        try:
            yield
            await connection.execute(f"{_lock_for_rows(table)}; SET LOCAL lock_timeout TO DEFAULT")
        except asyncpg.LockNotAvailableError as error:
            if len(self._locked) >= _MOST:
                self._locked.clear()
            self._locked[place] = self._clock() + _REMEMBERED_SECONDS
            raise TableLockedError(
                f"The table {table.schema}.{table.name} is locked by another session of PostgreSQL. Loading "
                "goes on by itself when it is free."
            ) from error
        self._locked.pop(place, None)
