"""Of the rows of one file with the same key the first one is in the table, whatever the order of batches.

A row that meets a later one of its own process (whose batch was loaded before) takes that one's place, in the
transaction that loads its batch. It is done where the table has one unique key of the rows' own columns: with
several, a row that is displaced by one key would have to bring back those that had lost to it by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.processor.adapters.pg_names import listed, quoted
from services.processor.copy_text import PROCESS_COLUMN, ROW_COLUMN
from services.processor.problems import MAX_VALUE_CHARACTERS

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# What forbids two rows of a table to stand side by side: columns in order (NULL for an expression), and
# whether it is a plain key: of all rows, at once, and two NULLs are different.
_KEYS = """
SELECT array(SELECT a.attname FROM unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                 WITH ORDINALITY AS k (number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number <> 0
             ORDER BY k.place) AS columns,
       i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
       AND NOT coalesce((to_jsonb(i)->>'indnullsnotdistinct')::boolean, false) AS plain
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND (i.indisunique OR i.indisexclusion)
"""
_MAY_CHANGE = """
SELECT has_table_privilege(to_regclass($1), 'SELECT') AND has_table_privilege(to_regclass($1), 'UPDATE')
"""

# Two batches of one process never take places of each other at the same time, neither crosswise nor in turn:
# who has the lock sees what all before it have done. It goes with the transaction.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:first:' || $1 || ':' || $2, 0))"

# Rows of the stage whose key a later row of the same process ($1) holds: the first of each key, and the
# number and key of the row that is there. One that a repair has brought stays.
_FIND = """
SELECT come.{row} AS earlier, there.{row} AS later, {there_value} AS value
FROM (SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row}) come
JOIN {target} there ON ({there_key}) = ({come_key})
WHERE there.{process} = $1 AND there.{row} > come.{row} AND NOT EXISTS (
    SELECT 1 FROM repaired_rows r WHERE r.process_id = there.{process} AND r.row_number = there.{row})
FOR UPDATE OF there
"""
_TAKE = """
UPDATE {target} there SET {changes} FROM ingestor_stage come
WHERE ({there_key}) = ({come_key}) AND there.{process} = $1
AND come.{row} = ANY($2::bigint[]) AND there.{row} = ANY($3::bigint[]) RETURNING come.{row}
"""
_FORGET = "DELETE FROM ingestor_stage WHERE {row} = ANY($1::bigint[])"


async def deciding_key(
    connection: PgConnection, target: str, columns: Sequence[str]
) -> tuple[str, ...] | None:
    """The one unique key of a table (an SQL name) that rows with these columns can meet. None when there are
    several or none, it is no plain one, or the table's rows may not be changed."""
    found = []
    for row in await connection.fetch(_KEYS, target):
        names = set(row["columns"])
        if row["plain"] and (names.isdisjoint(columns) or {PROCESS_COLUMN, ROW_COLUMN} <= names):
            continue  # the table's own number of the row, or its lineage
        found.append((tuple(row["columns"]), row["plain"]))
    if len(found) != 1 or not found[0][1] or not await connection.fetchval(_MAY_CHANGE, target):
        return None
    return found[0][0]


async def lock_places(connection: PgConnection, process_id: str, target: str) -> None:
    """Needed before rows of the process are inserted of which some shall take others' places."""
    await connection.execute(_LOCK, process_id, target)


async def take_places(
    connection: PgConnection, process_id: str, target: str, key: Sequence[str], columns: Sequence[str]
) -> list[tuple[int, str]]:
    """Put rows of the temporary table ingestor_stage, where those are that could not be inserted, into the
    places of later rows of their process, and take them out of the stage; numbers and keys of the displaced.
    In the caller's transaction; needs `lock_places`."""
    parts = {
        "target": target,
        "key": listed(key),
        "there_key": listed(key, "there."),
        "come_key": listed(key, "come."),
        "there_value": key_value(key, "there."),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "changes": ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in columns),
    }
    pairs = await connection.fetch(_FIND.format(**parts), process_id)
    if not pairs:
        return []
    earlier, later = [pair["earlier"] for pair in pairs], [pair["later"] for pair in pairs]
    # A trigger of the table's may have kept some: those have not been displaced.
    taken = {row[0] for row in await connection.fetch(_TAKE.format(**parts), process_id, earlier, later)}
    await connection.execute(_FORGET.format(**parts), list(taken))
    return [(pair["later"], pair["value"]) for pair in pairs if pair["earlier"] in taken]


def key_value(key: Sequence[str], prefix: str = "") -> str:
    """An SQL expression of a key's values as text, as an error shows them."""
    texts = ", ".join(f"{prefix}{quoted(name)}::text" for name in key)
    return f"left(concat_ws(', ', {texts}), {MAX_VALUE_CHARACTERS})"
