"""Keeps how many rows a table had before a process loaded its first, so that a person sees what became more.

Every instance notes it before it loads a batch of the process, in a transaction of its own. Of several the
first one counts: whatever one of them loads is committed after that.
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
    """Notes the count once for each process."""

    def __init__(self, pool: PgPool) -> None:
        """The pool's transactions run as the tenant."""
        self._pool = pool
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def note(self, key: BatchKey, table: Table) -> None:
        """Note how many rows the table has, unless that is known or the process has loaded some. Where it
        cannot be counted soon, nothing is noted."""
        process = (key.tenant, key.process_id)
        if process in self._known:
            self._known.move_to_end(process)
            return
        try:
            async with transient_errors("sink"), self._pool.transaction() as connection:
                await connection.execute(_SHORTLY)
                await _note(connection, key, table)
        except (asyncpg.PostgresError, TransientError) as error:
            log.info("rows before not counted", process_id=key.process_id, error=type(error).__name__)
        self._known[process] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


async def _note(connection: PgConnection, key: BatchKey, table: Table) -> None:
    process_id, tenant, name = key.process_id, key.tenant, sql_name(table)
    if await rows_before(connection, process_id, tenant) or await has_loaded(connection, process_id, tenant):
        return
    if await is_gone(connection, process_id, tenant) is not None:
        return
    found: TableNow | None = TableNow(False)
    if await connection.fetchval(_EXISTS, name):
        found = await table_now(connection, name)
    if found is not None:
        await connection.execute(_NOTE, process_id, tenant, found.row_count, found.estimated)


async def rows_before(connection: PgConnection, process_id: str, tenant: str) -> TableNow | None:
    """The table before the process loaded its first row; None where that was not noted."""
    row = await connection.fetchrow(_NOTED, process_id, tenant)
    return None if row is None else TableNow(True, row["row_count"], row["estimated"])
