"""Keeps how many rows a table had before a process loaded its first, so that a person sees what became more.

Every instance counts before it loads a batch of the process, in a transaction of its own. The number is kept
with the first batch that is loaded: what is refused leaves nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingestor.runtime.errors import TransientError
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.postgres.markers import has_loaded, is_gone
from ingestor.services.processor.adapters.postgres.table import sql_name, table_now
from ingestor.services.processor.batches import BatchKey
from ingestor.services.processor.ports import Table, TableNow

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

log = structlog.get_logger(__name__)

_MOST_KNOWN = 10_000  # processes, of which this instance has noted it
# Nobody waits long for a number.
_SHORTLY = "SET LOCAL statement_timeout = '2s'; SET LOCAL lock_timeout = '500ms'"
_EXISTS = "SELECT to_regclass($1) IS NOT NULL"
_NOTE = """
INSERT INTO processor.rows_before (process_id, tenant, row_count, estimated) VALUES ($1, $2, $3, $4)
ON CONFLICT (process_id, tenant) DO NOTHING
"""
_NOTED = "SELECT row_count, estimated FROM processor.rows_before WHERE (process_id, tenant) = ($1, $2)"


class RowsBefore:
    """Counts once for each process."""

    def __init__(self, pool: PgPool) -> None:
        """The pool's transactions run as the tenant."""
        self._pool = pool
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def count(self, key: BatchKey, table: Table) -> TableNow | None:
        """The table before the process loads; None if that is kept already, if the process has loaded some,
        and where it cannot be counted soon."""
        process = (key.tenant, key.process_id)
        if process in self._known:
            self._known.move_to_end(process)
            return None
        found = None
        try:
            async with transient_errors("sink"), self._pool.transaction() as connection:
                await connection.execute(_SHORTLY)
                found = await _count(connection, key, table)
        except (asyncpg.PostgresError, TransientError) as error:
            log.info("rows before not counted", process_id=key.process_id, error=type(error).__name__)
        if found is None:
            self._know(process)
        return found

    async def keep(self, connection: PgConnection, key: BatchKey, found: TableNow) -> None:
        """Keep the number at the end of the transaction that loads a batch."""
        await connection.execute(_NOTE, key.process_id, key.tenant, found.row_count, found.estimated)
        self._know((key.tenant, key.process_id))

    def _know(self, process: tuple[str, str]) -> None:
        self._known[process] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


async def _count(connection: PgConnection, key: BatchKey, table: Table) -> TableNow | None:
    process_id, tenant, name = key.process_id, key.tenant, sql_name(table)
    if await rows_before(connection, process_id, tenant) or await has_loaded(connection, process_id, tenant):
        return None
    if await is_gone(connection, process_id, tenant) is not None:
        return None
    if await connection.fetchval(_EXISTS, name):
        return await table_now(connection, name)
    return TableNow(False)


async def rows_before(connection: PgConnection, process_id: str, tenant: str) -> TableNow | None:
    """The table before the process loaded its first row; None where that was not noted."""
    row = await connection.fetchrow(_NOTED, process_id, tenant)
    return None if row is None else TableNow(True, row["row_count"], row["estimated"])
