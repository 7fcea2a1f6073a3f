"""Undo in PostgreSQL tables: rows of the process are removed, or become what they were before it.

An upsert therefore keeps the rows that it replaces. Of all rows with the same key, the table has the last one
of the latest process, and replaced_rows has the others: the last one of each process, with the process that
replaced it. So neither the order of loading nor the order of undoing matters.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from ingestor.runtime.postgres import transient_errors
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.markers import undo_of, undo_once
from ingestor.services.processor.adapters.postgres.table import listed, quoted, sql_name
from ingestor.services.processor.ports import Loaded, RowUndo, Table, UndoCounts, UndoImpossibleError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

_NOTHING = UndoCounts(0, 0, 0)

# The columns that restore a row: all but those that the database computes.
_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' ORDER BY a.attnum
"""

# The rows that the process has replaced, and its own rows that were replaced, as rows of the table.
_BEFORE = """
CREATE TEMPORARY TABLE ingestor_before ON COMMIT DROP AS
SELECT v.id AS _ingestor_id, r.* FROM processor.replaced_rows v
CROSS JOIN LATERAL json_populate_record(NULL::{target}, v.row) r WHERE v.replaced_by = '{process_id}'
"""
_OWN = """
CREATE TEMPORARY TABLE ingestor_own ON COMMIT DROP AS
SELECT DISTINCT ON ({r_key}) v.replaced_by AS _ingestor_by, {r_key} FROM processor.replaced_rows v
CROSS JOIN LATERAL json_populate_record(NULL::{target}, v.row) r WHERE v.process_id = '{process_id}'
ORDER BY {r_key}, v.id DESC
"""
# For each key the row of the latest process: the row that the table had, or would have had.
_TOP = """
CREATE TEMPORARY TABLE ingestor_top ON COMMIT DROP AS
SELECT DISTINCT ON ({key}) *, false AS _ingestor_back FROM ingestor_before
ORDER BY {key}, {process} DESC, {row} DESC, _ingestor_id DESC
"""

# Removals come first: a removed row may hold a value that must be unique.
_REMOVE = """
DELETE FROM {target} there WHERE {process} = $1
AND NOT EXISTS (SELECT 1 FROM ingestor_top t WHERE ({t_key}) = ({there_key}))
"""
_MARK = """
UPDATE ingestor_top t SET _ingestor_back = true FROM {target} there
WHERE ({t_key}) = ({there_key}) AND there.{process} = $1
"""
_RESTORE = """
UPDATE {target} there SET {changes} FROM ingestor_top t
WHERE ({t_key}) = ({there_key}) AND there.{process} = $1
"""

# Rows that were replaced by a row which is restored, or by a row of the process that was replaced in turn,
# now name what is above that row.
_RELINK = """
UPDATE processor.replaced_rows v SET replaced_by = above.by
FROM (SELECT b._ingestor_id AS id, b.{process} AS process_id,
             coalesce(CASE WHEN t._ingestor_back THEN t.{process} END, o._ingestor_by) AS by
      FROM ingestor_before b
      JOIN ingestor_top t ON ({t_key}) = ({b_key})
      LEFT JOIN ingestor_own o ON ({o_key}) = ({b_key})
      WHERE NOT (t._ingestor_back AND t._ingestor_id = b._ingestor_id)) above
WHERE v.id = above.id AND above.by IS NOT NULL AND above.by <> above.process_id
"""
_FORGET = "DELETE FROM processor.replaced_rows WHERE process_id = $1 OR replaced_by = $1"


class _DryRunError(Exception):
    """Rolls back what was only counted."""

    def __init__(self, counts: UndoCounts) -> None:
        super().__init__()
        self.counts = counts


class PgUndo(RowUndo):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def undone(self, process_id: str) -> UndoCounts | None:
        async with transient_errors("sink"):
            return await undo_of(self._pool, process_id)

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        try:
            async with (
                transient_errors("sink", lambda error: UndoImpossibleError(_reason(error, of.table))),
                self._pool.acquire() as connection,
                connection.transaction(),
            ):
                counts = await undo_once(
                    connection,
                    of,
                    lambda: _undo(connection, of.process_id, of.table),
                    dry_run=dry_run,
                )
                if dry_run:
                    raise _DryRunError(counts)
                return counts
        except _DryRunError as result:
            return result.counts

    async def unreported(self, limit: int) -> Sequence[tuple[str, UndoCounts]]:
        async with transient_errors("sink"):
            rows = await self._pool.fetch(
                "SELECT process_id, removed, restored, kept FROM processor.closed_processes "
                "WHERE NOT reported ORDER BY closed_at, process_id LIMIT $1",
                limit,
            )
        return [(str(row[0]), UndoCounts(*row[1:])) for row in rows]

    async def mark_reported(self, process_id: str) -> None:
        async with transient_errors("sink"):
            await self._pool.execute(
                "UPDATE processor.closed_processes SET reported = true WHERE process_id = $1", process_id
            )


async def _undo(connection: PgConnection, process_id: str, table: Table) -> UndoCounts:
    target = sql_name(table)
    if not await connection.fetchval("SELECT to_regclass($1)", target):
        return _NOTHING
    # No batch changes the table meanwhile; it can still be read.
    await connection.execute(f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
    columns = [row[0] for row in await connection.fetch(_COLUMNS, target)]
    if PROCESS_COLUMN not in columns:
        raise UndoImpossibleError(f"The table {table.name} no longer has a column {PROCESS_COLUMN}.")
    if not table.primary_key:
        removed = await connection.execute(f"DELETE FROM {target} WHERE {PROCESS_COLUMN} = $1", process_id)  # noqa: S608
        kept = await connection.execute(_FORGET, process_id)
        return UndoCounts(_count(removed), 0, _count(kept))
    key = table.primary_key
    parts = {
        "target": target,
        "process_id": uuid.UUID(process_id),  # typed, since CREATE TABLE AS takes no parameters
        "key": listed(key),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "changes": ", ".join(f"{quoted(name)} = t.{quoted(name)}" for name in columns if name not in key),
        "there_key": listed(key, "there."),
        **{f"{alias}_key": listed(key, f"{alias}.") for alias in ("r", "t", "b", "o")},
    }
    for statement in (_BEFORE, _OWN, _TOP):
        await connection.execute(statement.format(**parts))
    await connection.execute("ANALYZE ingestor_top")
    kept = await connection.fetchval("SELECT count(*) FROM ingestor_own")
    removed = await connection.execute(_REMOVE.format(**parts), process_id)
    await connection.execute(_MARK.format(**parts), process_id)
    restored = await connection.execute(_RESTORE.format(**parts), process_id)
    await connection.execute(_RELINK.format(**parts))
    await connection.execute(_FORGET, process_id)
    # Else a second undo in the same transaction would find them.
    await connection.execute("DROP TABLE ingestor_before, ingestor_own, ingestor_top")
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
        return f"The suite may not take rows out of the table {table.name}."
    return f"The rows cannot be taken out of the table {table.name} (SQLSTATE {error.sqlstate})."


# In the order of the key, so that two batches never deadlock.
_LAST_OF_KEY = "(SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row} DESC)"

# Waits for another transaction that loads the same new key; afterwards the table has every key of the stage.
_INSERT = """
INSERT INTO {target} ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
"""

# Locks the rows of known keys, so that they do not change before the update, and keeps the loser of each pair
# of rows of different processes. OFFSET 0 keeps the outer condition from deciding which rows are locked.
_KEEP = """
INSERT INTO processor.replaced_rows (tenant, process_id, replaced_by, row)
SELECT $1, older, newer, loser FROM (
    SELECT least(there.{process}, come.{process}) AS older,
           greatest(there.{process}, come.{process}) AS newer,
           CASE WHEN there.{process} < come.{process} THEN row_to_json(there)
                WHEN there.{process} > come.{process} THEN row_to_json(come) END AS loser
    FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
    WHERE (there.{process}, there.{row}) <> (come.{process}, come.{row})
    ORDER BY {come_key} OFFSET 0 FOR UPDATE OF there) pairs
WHERE older <> newer
"""

_UPDATE = """
UPDATE {target} there SET {changes} FROM {last} come
WHERE ({there_key}) = ({come_key}) AND (there.{process}, there.{row}) < (come.{process}, come.{row})
"""


async def upsert_with_undo(
    connection: PgConnection,
    tenant: str,
    target: str,
    key: Sequence[str],
    columns: Sequence[str],
    changing: Sequence[str],
) -> None:
    """Upsert the rows of the temporary table ingestor_stage, which has all columns of `target` (an SQL name):
    rows with new keys get `columns`; known keys with an older row get `changing`. In the caller's
    transaction."""
    parts = {
        "target": target,
        "key": listed(key),
        "names": listed(columns),
        "there_key": listed(key, "there."),
        "come_key": listed(key, "come."),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "changes": ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in dict.fromkeys(changing)),
    }
    parts["last"] = _LAST_OF_KEY.format(**parts)
    staged = await connection.fetchval("SELECT count(*) FROM ingestor_stage")
    inserted = await connection.execute(_INSERT.format(**parts))
    if inserted == f"INSERT 0 {staged}":
        return
    await connection.execute(_KEEP.format(**parts), tenant)
    await connection.execute(_UPDATE.format(**parts))
