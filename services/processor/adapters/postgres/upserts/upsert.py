"""Upserts: the last row of each key wins, in the order of processes and rows; the others are kept, so that an
undo can set them back (see undo)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import NO_PROCESS, Lineage, literal
from ingestor.services.processor.adapters.postgres.table import listed, quoted
from ingestor.services.processor.adapters.postgres.upserts.kept_rows import (
    NOTATION,
    columns_of_records,
    keep,
    record,
)

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# The release of PostgreSQL from which on RETURNING gives the row as it was before, too.
_RETURNS_OLD = 18

# In the order of the key, so that two batches never deadlock.
_LAST_OF_KEY = "(SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row} DESC)"

_AT_ONCE = """
INSERT INTO {target} AS there ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET {excluded} WHERE {older_than_excluded}
"""

# Returns how many rows were kept and, unless these are all $1 rows, how many had new keys.
_CHANGE = """
WITH changed AS ({at_once} RETURNING
    coalesce(CASE WHEN old.{row} IS NOT NULL THEN old.{process} END, '{nobody}') AS process_id,
    new.{process} AS replaced_by, new.{row} AS number,
    CASE WHEN old.{first_key} IS NOT NULL THEN {old_record} END AS record),
kept AS ({keep} RETURNING cardinality(packed) AS count)
SELECT total, CASE WHEN total < $1 THEN (SELECT count(*) FROM changed WHERE record IS NULL) ELSE 0 END
FROM (SELECT coalesce(sum(count), 0) AS total FROM kept) counted
"""
_CHANGED = "(SELECT * FROM changed WHERE record IS NOT NULL AND process_id <> replaced_by)"
# Rows that have come after a row of a later process; that one is locked.
_LATE = """
(SELECT process_id, replaced_by, number, record FROM (
    SELECT come.{process} AS process_id, {there_process} AS replaced_by, come.{row} AS number,
           {come_record} AS record
    FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
    WHERE {there_process} > come.{process}
) pairs)
"""

# Waits for another transaction that loads the same new key; afterwards the table has every key of the stage.
_INSERT = """
INSERT INTO {target} AS there ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
"""

# Of each pair of rows of different processes the loser. Locks the rows of known keys, so that they do not
# change before the update; OFFSET 0 keeps the outer condition from deciding which ones.
_LOSERS = """
(SELECT least(there_process, come_process) AS process_id,
        greatest(there_process, come_process) AS replaced_by, number, record FROM (
    SELECT {there_process} AS there_process, come.{process} AS come_process, come.{row} AS number,
           CASE WHEN {there_process} < come.{process} THEN {there_record}
                WHEN {there_process} > come.{process} THEN {come_record} END AS record
    FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
    ORDER BY {come_key} OFFSET 0 FOR UPDATE OF there) pairs
WHERE there_process <> come_process)
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


async def upsert(
    connection: PgConnection,
    tenant: str,
    lineage: Lineage,
    columns: Sequence[str],
    changing: Sequence[str],
    *,
    undo: bool,
    plain: bool,
) -> bool:
    """Upsert the rows of the temporary table ingestor_stage, which has all columns of the table and those of
    the lineage: rows with new keys get `columns`, known keys with an older row get `changing`. With `undo`
    the rows that are not in the table for that are kept. `plain`: the rows get into the table as they are in
    the stage, no trigger changes them. In the caller's transaction. Returns whether all keys were new, as far
    as that is known."""
    target, key = lineage.target, lineage.key
    changing = [name for name in dict.fromkeys(changing) if name not in key]
    parts = {
        "target": target,
        "name": literal(target),
        "key": listed(key),
        "first_key": quoted(key[0]),
        "nobody": NO_PROCESS,
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
    }
    parts["last"] = _LAST_OF_KEY.format(**parts)
    if lineage.in_columns and not undo:
        await connection.execute(_AT_ONCE.format(**parts))
        return False
    names = [ROW_COLUMN]
    if undo:
        await connection.execute(NOTATION)
        names = await columns_of_records(connection, target)
    parts["old_record"] = record([f"old.{quoted(name)}" for name in names])
    parts["there_record"] = record(
        [lineage.row_number if name == ROW_COLUMN else f"there.{quoted(name)}" for name in names]
    )
    # As it would be in the table if it had been loaded before the row `there`, which then would have replaced
    # it: what a row does not bring stays.
    brought = {*changing, ROW_COLUMN, PROCESS_COLUMN}
    parts["come_record"] = record(
        [f"{'come' if name in brought else 'there'}.{quoted(name)}" for name in names]
    )

    async def change(statement: str) -> str:
        made = statement.format(**parts)
        if lineage.in_columns:
            return await connection.execute(made)
        return await connection.execute(_NOTE.format(**parts, change=made), tenant)

    staged = await connection.fetchval("SELECT count(*) FROM ingestor_stage")
    if plain and lineage.in_columns and connection.get_server_version().major >= _RETURNS_OLD:
        kept = keep(_CHANGED, tenant, names)
        made = _CHANGE.format(**parts, at_once=_AT_ONCE.format(**parts), keep=kept)
        done = await connection.fetchrow(made, staged)
        assert done is not None
        if staged not in (done[0], done[1]):
            await connection.execute(keep(_LATE.format(**parts), tenant, names))
        return bool(done[1] == staged)
    if await change(_INSERT) == f"INSERT 0 {staged}":
        return True
    if not lineage.in_columns:
        await connection.execute(_LOCK.format(**parts))
    if undo:
        await connection.execute(keep(_LOSERS.format(**parts), tenant, names))
    await change(_UPDATE)
    return False
