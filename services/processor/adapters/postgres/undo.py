"""Undo in PostgreSQL tables: rows of the process are removed, or become what they were before it.

An upsert therefore keeps the rows that it replaces. Of all rows with the same key, the table has the last one
of the latest process, and replaced_rows has the others: the last one of each process, with the process that
replaced it. So neither the order of loading nor the order of undoing matters. Rows without lineage count as
rows of a process before all others.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access.scope import tenant, visible
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import NO_PROCESS, Lineage, literal
from ingestor.services.processor.adapters.postgres.markers import undo_of, undo_once
from ingestor.services.processor.adapters.postgres.table import listed, quoted, sql_name
from ingestor.services.processor.adapters.postgres.upserts.kept_rows import (
    columns_of_records,
    keep,
    record,
    unpack,
)
from ingestor.services.processor.ports import (
    Loaded,
    RowUndo,
    Table,
    UndoCounts,
    UndoImpossibleError,
    Undone,
)

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_NOTHING = UndoCounts(0, 0, 0)

# The columns that restore a row: all but those that the database computes.
_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum
"""

# Of the process's own rows that were replaced, by key.
_OWN = """
CREATE TEMPORARY TABLE ingestor_own ON COMMIT DROP AS
SELECT DISTINCT ON ({key}) _ingestor_by, {key} FROM ingestor_kept WHERE _ingestor_process = '{process_id}'
ORDER BY {key}, _ingestor_id DESC, _ingestor_place DESC
"""
# Of the rows that the process has replaced, for each key that of the latest process: the row that the table
# had, or would have had.
_TOP = """
CREATE TEMPORARY TABLE ingestor_top ON COMMIT DROP AS
SELECT DISTINCT ON ({key}) *, false AS _ingestor_back FROM ingestor_kept WHERE _ingestor_by = '{process_id}'
ORDER BY {key}, _ingestor_process DESC, _ingestor_row DESC NULLS LAST, _ingestor_id DESC, _ingestor_place DESC
"""

# Removals come first: a removed row may hold a value that must be unique.
_REMOVE = """
DELETE FROM {target} there WHERE {of_process}
AND NOT EXISTS (SELECT 1 FROM ingestor_top t WHERE ({t_key}) = ({there_key}))
"""
_MARK = """
UPDATE ingestor_top t SET _ingestor_back = true FROM {target} there
WHERE ({t_key}) = ({there_key}) AND {of_process}
"""
_RESTORE = """
UPDATE {target} there SET {changes} FROM ingestor_top t
WHERE ({t_key}) = ({there_key}) AND {of_process}
"""

# Rows that were replaced by a row which is restored, or by a row of the process that was replaced in turn,
# are kept again, with what is above that row.
_RELINKED = """
(SELECT process_id, by AS replaced_by, number, record FROM (
    SELECT b._ingestor_process AS process_id, {b_record} AS record,
           row_number() OVER (ORDER BY b._ingestor_id, b._ingestor_place) AS number,
           coalesce(CASE WHEN t._ingestor_back THEN t._ingestor_process END, o._ingestor_by) AS by
    FROM ingestor_kept b
    JOIN ingestor_top t ON ({t_key}) = ({b_key})
    LEFT JOIN ingestor_own o ON ({o_key}) = ({b_key})
    WHERE b._ingestor_by = '{process_id}' AND NOT (
        t._ingestor_back AND (t._ingestor_id, t._ingestor_place) = (b._ingestor_id, b._ingestor_place))) above
WHERE by <> process_id)
"""
# In the suite's own table of lineage; nothing is kept there of removed processes.
_RELINEAGE = """
UPDATE processor.row_lineage l SET (process_id, row_number) = (there._ingestor_process, there._ingestor_row)
FROM ingestor_top there WHERE there._ingestor_back AND {entry} AND there._ingestor_process <> {nobody}
AND NOT EXISTS (
    SELECT FROM processor.closed_processes c
    WHERE (c.process_id, c.tenant) = (there._ingestor_process, {tenant}) AND c.gone)
"""
_FORGET_LINEAGE = "DELETE FROM processor.row_lineage WHERE process_id = $1 AND tenant = $2"
_KNOWN = """
SELECT EXISTS (SELECT FROM processor.row_lineage WHERE process_id = $1 AND tenant = $2)
    OR EXISTS (SELECT FROM processor.replaced_rows WHERE process_id = $1 AND tenant = $2)
"""
_FORGET = "DELETE FROM processor.replaced_rows WHERE (process_id = $1 OR replaced_by = $1) AND tenant = $2"


class _DryRunError(Exception):
    """Rolls back what was only counted."""

    def __init__(self, counts: UndoCounts) -> None:
        super().__init__()
        self.counts = counts


class PgUndo(RowUndo):
    def __init__(self, pool: PgPool, tenants: PgPool) -> None:
        """The transactions of `tenants` run as the tenant."""
        self._pool = pool
        self._tenants = tenants

    async def undone(self, process_id: str) -> UndoCounts | None:
        async with transient_errors("sink"):
            return await undo_of(self._pool, process_id, tenant())

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        try:
            async with (
                transient_errors("sink", lambda error: UndoImpossibleError(_reason(error, of.table))),
                self._tenants.transaction() as connection,
            ):
                counts = await undo_once(
                    connection,
                    of,
                    lambda: _undo(connection, of),
                    dry_run=dry_run,
                )
                if dry_run:
                    raise _DryRunError(counts)
                return counts
        except _DryRunError as result:
            return result.counts

    async def unreported(self, limit: int) -> Sequence[Undone]:
        async with transient_errors("sink"):
            rows = await self._pool.fetch(
                "SELECT process_id, tenant, removed, restored, kept FROM processor.closed_processes "
                "WHERE NOT reported AND $2 IN (tenant, '*') ORDER BY closed_at, process_id LIMIT $1",
                limit,
                visible(),
            )
        return [Undone(str(row[0]), row[1], UndoCounts(*row[2:])) for row in rows]

    async def mark_reported(self, process_id: str) -> None:
        async with transient_errors("sink"):
            await self._pool.execute(
                "UPDATE processor.closed_processes SET reported = true WHERE process_id = $1 AND tenant = $2",
                process_id,
                tenant(),
            )


async def _undo(connection: PgConnection, of: Loaded) -> UndoCounts:
    process_id, table = of.process_id, of.table
    target = sql_name(table)
    if not await connection.fetchval("SELECT to_regclass($1)", target):
        return _NOTHING
    # No batch changes the table meanwhile; it can still be read.
    await connection.execute(f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
    columns = [row[0] for row in await connection.fetch(_COLUMNS, target)]
    in_columns = {PROCESS_COLUMN, ROW_COLUMN}.issubset(columns)
    lineage = Lineage(target, table.primary_key, of.tenant, in_columns=in_columns)
    if not in_columns and not (table.upsert and await connection.fetchval(_KNOWN, process_id, of.tenant)):
        raise UndoImpossibleError(
            f"The table {table.name} has no columns {PROCESS_COLUMN} and {ROW_COLUMN}, so it is not known "
            "which of its rows are those of the process."
        )
    if not table.primary_key:
        removed = await connection.execute(
            f"DELETE FROM {target} there WHERE {lineage.of_process}",  # noqa: S608
            process_id,
        )
        kept = await connection.execute(_FORGET, process_id, of.tenant)
        return UndoCounts(_count(removed), 0, _count(kept))
    key = table.primary_key
    checked = str(uuid.UUID(process_id))  # CREATE TABLE AS takes no parameters
    parts = {
        "target": target,
        "process_id": checked,
        "nobody": literal(NO_PROCESS),
        "tenant": literal(of.tenant),
        "key": listed(key),
        "of_process": lineage.of_process,
        "entry": lineage.entry,
        "changes": ", ".join(f"{quoted(name)} = t.{quoted(name)}" for name in columns if name not in key),
        "there_key": listed(key, "there."),
        **{f"{alias}_key": listed(key, f"{alias}.") for alias in ("t", "b", "o")},
    }
    await unpack(connection, target, checked, of.tenant)
    for statement in (_OWN, _TOP):
        await connection.execute(statement.format(**parts))
    await connection.execute("ANALYZE ingestor_kept; ANALYZE ingestor_own; ANALYZE ingestor_top")
    kept = await connection.fetchval("SELECT count(*) FROM ingestor_own")
    removed = await connection.execute(_REMOVE.format(**parts), process_id)
    await connection.execute(_MARK.format(**parts), process_id)
    restored = await connection.execute(_RESTORE.format(**parts), process_id)
    names = await columns_of_records(connection, target)
    values = [f"b.{quoted(name)}" for name in names[:-1]] + ["b._ingestor_row"]
    relinked = _RELINKED.format(**parts, b_record=record(values))
    await connection.execute(keep(relinked, of.tenant, names, order="number"))
    if not in_columns:
        await connection.execute(_RELINEAGE.format(**parts))
        await connection.execute(_FORGET_LINEAGE, process_id, of.tenant)
    await connection.execute(_FORGET, process_id, of.tenant)
    # Else a second undo in the same transaction would find them.
    await connection.execute("DROP TABLE ingestor_kept, ingestor_own, ingestor_top")
    return UndoCounts(_count(removed), _count(restored), kept)


def _count(done: str) -> int:
    return int(done.rpartition(" ")[2])


def _reason(error: asyncpg.PostgresError, table: Table) -> str:
    """Why the rows cannot be taken out, in words without SQL."""
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return f"Rows of another table refer to rows of {table.name} that would be taken out."
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return f"The table {table.name} does not take back a row as it was before the process."
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"To take rows out of the table {table.name}, the suite needs the right to DELETE and UPDATE."
    return f"The rows cannot be taken out of the table {table.name}: {error.message}."
