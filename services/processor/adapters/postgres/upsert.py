"""Upserts: the last row of each key wins, in the order of processes and rows; the others are kept, so that an
undo can set them back (see undo)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import Lineage, literal
from ingestor.services.processor.adapters.postgres.table import listed, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# In the order of the key, so that two batches never deadlock.
_LAST_OF_KEY = "(SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row} DESC)"

_AT_ONCE = """
INSERT INTO {target} AS there ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET {excluded} WHERE {older_than_excluded}
"""

# Waits for another transaction that loads the same new key; afterwards the table has every key of the stage.
_INSERT = """
INSERT INTO {target} AS there ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
"""

# Locks the rows of known keys, so that they do not change before the update, and keeps the loser of each pair
# of rows of different processes. OFFSET 0 keeps the outer condition from deciding which rows are locked.
_KEEP = """
INSERT INTO processor.replaced_rows (tenant, process_id, replaced_by, row)
SELECT $1, least(there_process, come_process), greatest(there_process, come_process), loser FROM (
    SELECT {there_process} AS there_process, come.{process} AS come_process,
           CASE WHEN {there_process} < come.{process} THEN {there_row}
                WHEN {there_process} > come.{process}
                THEN (SELECT row_to_json(r) FROM (SELECT {come_row}) r) END AS loser
    FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
    ORDER BY {come_key} OFFSET 0 FOR UPDATE OF there) pairs
WHERE there_process <> come_process
"""

_UPDATE = """
UPDATE {target} there SET {changes} FROM {last} come WHERE ({there_key}) = ({come_key}) AND {older}
"""

# Lineage in the suite's own table: a statement reads it as it was when the statement began, so the rows are
# locked by one before.
_LOCK = """
SELECT 1 FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
ORDER BY {come_key} FOR UPDATE OF there
"""
_NOTE = """
WITH there AS ({change} RETURNING {there_key})
INSERT INTO processor.row_lineage (tenant, target, key, process_id, row_number)
SELECT $1, {name}::regclass, jsonb_build_array({there_key}), come.{process}, come.{row}
FROM there JOIN {last} come ON ({there_key}) = ({come_key})
ON CONFLICT (target, key, tenant)
DO UPDATE SET (process_id, row_number) = (excluded.process_id, excluded.row_number)
"""

_TABLE_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""


async def upsert(
    connection: PgConnection,
    tenant: str,
    lineage: Lineage,
    columns: Sequence[str],
    changing: Sequence[str],
    *,
    undo: bool,
) -> None:
    """Upsert the rows of the temporary table ingestor_stage, which has all columns of the table and those of
    the lineage: rows with new keys get `columns`, known keys with an older row get `changing`. With `undo`
    the rows that are not in the table for that are kept. In the caller's transaction."""
    target, key = lineage.target, lineage.key
    changing = [name for name in dict.fromkeys(changing) if name not in key]
    parts = {
        "target": target,
        "name": literal(target),
        "key": listed(key),
        "names": listed(columns),
        "there_key": listed(key, "there."),
        "come_key": listed(key, "come."),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "changes": ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in changing),
        "excluded": ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changing),
        "older": lineage.older_than("come"),
        "older_than_excluded": lineage.older_than("excluded"),
        "there_process": lineage.process,
        "there_row": lineage.whole_row,
    }
    parts["last"] = _LAST_OF_KEY.format(**parts)
    if lineage.in_columns and not undo:
        await connection.execute(_AT_ONCE.format(**parts))
        return

    async def change(statement: str) -> str:
        made = statement.format(**parts)
        if lineage.in_columns:
            return await connection.execute(made)
        return await connection.execute(_NOTE.format(**parts, change=made), tenant)

    staged = await connection.fetchval("SELECT count(*) FROM ingestor_stage")
    if await change(_INSERT) == f"INSERT 0 {staged}":
        return
    if not lineage.in_columns:
        await connection.execute(_LOCK.format(**parts))
    if undo:
        known = [row[0] for row in await connection.fetch(_TABLE_COLUMNS, target)]
        parts["come_row"] = _older_row(known, changing)
        await connection.execute(_KEEP.format(**parts), tenant)
    await change(_UPDATE)


def _older_row(known: Sequence[str], changing: Sequence[str]) -> str:
    """The row `come` with its lineage, as it would be in the table if it had been loaded before the row
    `there`, which then would have replaced it: what a row does not bring stays."""
    names = [name for name in known if name not in (ROW_COLUMN, PROCESS_COLUMN)]
    columns = [f"{'come' if name in changing else 'there'}.{quoted(name)}" for name in names]
    return ", ".join((*columns, f"come.{ROW_COLUMN}", f"come.{PROCESS_COLUMN}"))
