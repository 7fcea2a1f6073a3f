"""Appended rows of tables with several unique keys: a row is there if no row before it has one of them.

"Before" is the order of `pg_first_row`, and a row counts whether or not it is in the table itself. (If it
had to be there, a row that is displaced by one key would have to bring back those that lost to it by
another.) Therefore the keys of rows that have lost are kept, until their process is removed or undone. To a
process they count if they are its own, or were lost when it was there already: what was seen to have failed
can be sent again.

Batches that meet nobody's key load side by side; one that does has the table for itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.first_row import (
    GIVES_WAY,
    Gone,
    Taken,
    insert_free,
    key_value,
)
from ingestor.services.processor.adapters.postgres.keys import Key
from ingestor.services.processor.adapters.postgres.names import listed, not_null

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

_LAST_SECOND = 253_402_300_799  # of the year 9999: the end of datetime

_COUNTS = "(process_id = {process} OR (process_id < {process} AND lost_at > {since}))"
_ANY_LOST = f"""
SELECT EXISTS (SELECT 1 FROM lost_keys WHERE target = $1 AND {_COUNTS.format(process="$2::uuid", since="$3")})
"""  # noqa: S608

_TABLES = (
    "CREATE TEMPORARY TABLE ingestor_lost (row bigint PRIMARY KEY, key integer, value text) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE ingestor_gone (process_id uuid, row bigint, part oid, place tid, key integer, "
    "value text, PRIMARY KEY (part, place)) ON COMMIT DROP",
    "ANALYZE ingestor_stage",
)
_DROP = "DROP TABLE ingestor_lost, ingestor_gone"

# Rows of the stage that lose by one key ({number}): to one before them in the stage, to one in the table that
# does not give way, or to one that has lost itself.
_LOSE = (
    """
INSERT INTO ingestor_lost SELECT {row}, {number}, {value} FROM (
    SELECT *, min({row}) OVER (PARTITION BY {key}) AS ingestor_first
    FROM ingestor_stage come WHERE {whole}) come
WHERE {row} > ingestor_first ON CONFLICT DO NOTHING
""",
    """
INSERT INTO ingestor_lost SELECT come.{row}, {number}, {come_value}
FROM ingestor_stage come JOIN {target} there ON ({there_key}) = ({come_key})
WHERE NOT ({gives_way}) ON CONFLICT DO NOTHING
""",
    """
INSERT INTO ingestor_lost SELECT come.{row}, {number}, {come_value} FROM {meets_lost} ON CONFLICT DO NOTHING
""",
)
_MEETS_LOST = """
ingestor_stage come JOIN lost_keys lost
    ON (lost.target, lost.key, lost.hash_1, lost.hash_2) = ($2, $4::text[], {come_hashes})
WHERE (lost.process_id, lost.row_number) < ($1::uuid, come.{row}) AND {counts} AND {come_whole}
"""
_ANY_MEETS_LOST = "SELECT EXISTS (SELECT 1 FROM {meets_lost})"
_DISPLACE = """
INSERT INTO ingestor_gone
SELECT there.{process}, there.{row}, there.tableoid, there.ctid, {number}, {there_value} FROM {target} there
WHERE EXISTS (SELECT 1 FROM ingestor_stage come WHERE ({there_key}) = ({come_key}) AND {gives_way})
FOR UPDATE ON CONFLICT DO NOTHING
"""
_REMEMBER = """
INSERT INTO lost_keys (target, key, hash_1, hash_2, process_id, row_number, tenant)
SELECT $2, $4::text[], {come_hashes}, $1::uuid, come.{row}, $3
FROM ingestor_stage come JOIN ingestor_lost lost ON lost.row = come.{row} WHERE {come_whole}
UNION ALL
SELECT $2, $4::text[], {there_hashes}, there.{process}, there.{row}, $3
FROM {target} there JOIN ingestor_gone gone ON gone.place = there.ctid AND gone.part = there.tableoid
WHERE {there_whole}
"""
_DELETE = """
WITH done AS (DELETE FROM {target} there USING ingestor_gone gone
              WHERE gone.place = there.ctid AND gone.part = there.tableoid RETURNING gone.part, gone.place)
SELECT gone.process_id, gone.row, gone.key, gone.value FROM ingestor_gone gone JOIN done USING (part, place)
"""
_HAS_NOT_LOST = f"NOT EXISTS (SELECT 1 FROM ingestor_lost lost WHERE lost.row = come.{ROW_COLUMN})"  # noqa: S608
_LEFT = """
SELECT come.{row} AS number, coalesce(lost.key, 0) AS key, coalesce(lost.value, {come_value}) AS value
FROM ingestor_stage come LEFT JOIN ingestor_lost lost ON lost.row = come.{row}
"""


async def any_lost(connection: PgConnection, process_id: str, target: str) -> bool:
    """Whether there are rows that are not in the table and yet may have keys of the process's rows."""
    found: bool = await connection.fetchval(_ANY_LOST, target, process_id, _made(process_id))
    return found


async def meets_lost(connection: PgConnection, process_id: str, target: str, keys: Sequence[Key]) -> bool:
    """Whether rows of the temporary table ingestor_stage have keys of such rows."""
    arguments = (process_id, target, _made(process_id))
    for key in keys:
        statement = _ANY_MEETS_LOST.format(**_parts(target, key, 0))
        if await connection.fetchval(statement, *arguments, key.columns):
            return True
    return False


async def load_first(
    connection: PgConnection,
    process_id: str,
    tenant: str,
    target: str,
    keys: Sequence[Key],
    columns: Sequence[str],
) -> tuple[dict[int, Taken], list[Gone]]:
    """Load those rows of the temporary table ingestor_stage that have the right to be in the table; the
    others by number, and those that had to go from it. In the caller's transaction; needs `lock_places`."""
    for statement in _TABLES:
        await connection.execute(statement)
    parts = [(key.columns, _parts(target, key, number)) for number, key in enumerate(keys)]
    any_key = parts[0][1]
    within, there, lost = _LOSE
    for names, one in parts:
        await connection.execute(within.format(**one))
        await connection.execute(there.format(**one), process_id)
        await connection.execute(lost.format(**one), process_id, target, _made(process_id), names)
        await connection.execute(_DISPLACE.format(**one), process_id)
    for names, one in parts:
        await connection.execute(_REMEMBER.format(**one), process_id, target, tenant, names)
    gone = await connection.fetch(_DELETE.format(**any_key))
    await insert_free(connection, target, columns, _HAS_NOT_LOST)
    left = await connection.fetch(_LEFT.format(**any_key))
    await connection.execute(_DROP)
    return (
        {row["number"]: Taken(keys[row["key"]], row["value"]) for row in left},
        [Gone(str(row["process_id"]), row["row"], Taken(keys[row["key"]], row["value"])) for row in gone],
    )


def _parts(target: str, key: Key, number: int) -> dict[str, object]:
    """What the statements say of one key."""
    # Equal values have equal hashes, whatever their spelling; 128 bits, so that others do not.
    found: dict[str, object] = {
        "target": target,
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "gives_way": GIVES_WAY,
        "counts": _COUNTS.format(process="$1::uuid", since="$3"),
        "number": number,
        "key": listed(key.columns),
        "value": key_value(key.columns),
        # Where a value is NULL there is no key to be taken.
        "whole": not_null(key.columns),
    }
    for alias in ("come", "there"):
        names = listed(key.columns, f"{alias}.")
        found[f"{alias}_key"] = names
        found[f"{alias}_value"] = key_value(key.columns, f"{alias}.")
        found[f"{alias}_whole"] = not_null(key.columns, f"{alias}.")
        found[f"{alias}_hashes"] = ", ".join(f"hash_record_extended(ROW({names}), {seed})" for seed in (1, 2))
    found["meets_lost"] = _MEETS_LOST.format(**found)
    return found


def _made(process_id: str) -> datetime:
    """When the process was made: a UUID of version 7 begins with the milliseconds since 1970 (RFC 9562)."""
    milliseconds = uuid.UUID(process_id).int >> 80
    return datetime.fromtimestamp(min(milliseconds / 1000, _LAST_SECOND), UTC)
