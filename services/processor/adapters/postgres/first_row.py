"""Of a file's appended rows with the same key the first is in the table, in whatever order its batches come.

A row whose key a later row of its own process has, whose batch was loaded before, takes that row's place in
the transaction that loads its batch; the later row is displaced. Rows of other processes stay. One key of a
table decides so: the primary key or, without one, the only unique key. By the others, what was loaded first
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from ingestor.outcomes import MAX_VALUE_CHARACTERS, DisplacedRow, RowError
from ingestor.runtime.postgres import savepoint
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.table import Key, keys_of, listed, not_null, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# Batches with taken keys go into a table one after the other, or two of them would wait for each other's new
# rows. It goes with the transaction, or with the savepoint that is rolled back.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:taken:' || $1, 0))"

# The first rows of the stage whose key a row of a later batch of the process $1 has, and that row. Rows that
# a repair has loaded stay.
_FIND = f"""
SELECT come.{ROW_COLUMN} AS earlier, there.{ROW_COLUMN} AS later, {{there_value}} AS value
FROM (SELECT DISTINCT ON ({{key}}) * FROM ingestor_stage WHERE {ROW_COLUMN} <> ALL($2::bigint[])
      ORDER BY {{key}}, {ROW_COLUMN}) come
JOIN {{target}} there ON ({{there_key}}) = ({{come_key}})
WHERE there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} > $3
AND NOT EXISTS (SELECT 1 FROM repaired_rows r WHERE r.process_id = $1 AND r.row_number = there.{ROW_COLUMN})
ORDER BY earlier FOR UPDATE OF there
"""  # noqa: S608
_TAKE = f"""
WITH taken AS (
    UPDATE {{target}} there SET {{changes}}
    FROM unnest($2::bigint[], $3::bigint[]) AS pair (earlier, later)
    JOIN ingestor_stage come ON come.{ROW_COLUMN} = pair.earlier
    WHERE ({{there_key}}) = ({{come_key}}) AND there.{PROCESS_COLUMN} = $1
    AND there.{ROW_COLUMN} = pair.later
    RETURNING pair.earlier)
DELETE FROM ingestor_stage come USING taken WHERE come.{ROW_COLUMN} = taken.earlier RETURNING taken.earlier
"""  # noqa: S608

# Rows of the stage of which a row of the table has the key; `after` says that it comes after it in its file.
_LOST = f"""
SELECT come.{ROW_COLUMN} AS number, {{come_value}} AS value,
       coalesce(there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} > come.{ROW_COLUMN}, false) AS after
FROM ingestor_stage come JOIN {{target}} there ON ({{there_key}}) = ({{come_key}}) WHERE {{come_whole}}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class AppendKeys:
    """The unique keys that rows of an append can meet in a table, the primary one first, and the one among
    them by which the first row of a file wins; None when what was loaded first stays in any case."""

    met: tuple[Key, ...]
    deciding: Key | None


async def append_keys(connection: PgConnection, target: str, columns: Sequence[str]) -> AppendKeys:
    """Those of a table (an SQL name) for rows with these columns."""
    keys = await keys_of(connection, target)
    met = keys.met_by(columns)
    primary = [key for key in met if key.primary]
    only = met if len(met) == 1 and not keys.others else ()
    deciding = next((key for key in (*primary, *only) if not key.nulls_are_equal), None)
    decides = deciding and keys.may_change and frozenset(columns).issuperset(deciding.columns)
    return AppendKeys(met, deciding if decides else None)


async def lock_taken(connection: PgConnection, target: str) -> None:
    """Needed before rows are inserted of which some may take others' places."""
    await connection.execute(_LOCK, target)


async def insert_free(connection: PgConnection, target: str, columns: Sequence[str]) -> None:
    """Load those rows of the temporary table ingestor_stage, in their order, whose keys are free, and take
    them out of the stage."""
    names = listed(columns)
    await connection.execute(
        f"WITH loaded AS (INSERT INTO {target} ({names}) SELECT {names} FROM ingestor_stage "  # noqa: S608
        f"ORDER BY {ROW_COLUMN} ON CONFLICT DO NOTHING RETURNING {ROW_COLUMN}) "
        f"DELETE FROM ingestor_stage come USING loaded WHERE come.{ROW_COLUMN} = loaded.{ROW_COLUMN}"
    )


async def take_places(
    connection: PgConnection,
    process_id: str,
    last_row: int,
    target: str,
    key: Key,
    columns: Sequence[str],
) -> list[DisplacedRow]:
    """Put rows of the temporary table ingestor_stage, where those are that could not be inserted, into the
    places of rows of their process after their batch, whose last row is `last_row`, and take them out of the
    stage; the rows that were displaced. In the caller's transaction; needs `lock_taken`."""
    changes = ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in columns)
    parts = {**_parts(target, key), "changes": changes}
    displaced: list[DisplacedRow] = []
    failed: list[int] = []
    while pairs := await connection.fetch(_FIND.format(**parts), process_id, failed, last_row):
        taken = await _take(connection, _TAKE.format(**parts), process_id, pairs)
        displaced += [
            DisplacedRow(pair["later"], taken_error(key, pair["value"]))
            for pair in pairs
            if pair["earlier"] in taken
        ]
        # Another of the table's keys is taken, or a trigger has kept the row: the next row has its turn.
        left = [pair["earlier"] for pair in pairs if pair["earlier"] not in taken]
        if not left:
            break
        failed += left
    return displaced


async def _take(connection: PgConnection, statement: str, process_id: str, pairs: Sequence[Any]) -> set[int]:
    """Put the earlier row of each pair into the place of the later one, unless another key of it is taken;
    the earlier rows that are in the table now."""
    earlier, later = [pair["earlier"] for pair in pairs], [pair["later"] for pair in pairs]
    try:
        async with savepoint(connection):
            return {row[0] for row in await connection.fetch(statement, process_id, earlier, later)}
    except (asyncpg.UniqueViolationError, asyncpg.ExclusionViolationError):
        if len(pairs) == 1:
            return set()
    half = len(pairs) // 2
    first = await _take(connection, statement, process_id, pairs[:half])
    return first | await _take(connection, statement, process_id, pairs[half:])


async def lost_keys(
    connection: PgConnection, process_id: str, target: str, keys: AppendKeys
) -> dict[int, RowError]:
    """Why rows of the temporary table ingestor_stage, where those are that could not be inserted, are not in
    the table: the first of the keys that a row before them has or, if there is none, a row after them."""
    before: dict[int, RowError] = {}
    after: dict[int, RowError] = {}
    by_deciding: dict[int, RowError] = {}  # it would have been displaced, if that were all
    for key in keys.met:
        later = by_deciding if key == keys.deciding else after
        for row in await connection.fetch(_LOST.format(**_parts(target, key)), process_id):
            found = later if row["after"] else before
            found.setdefault(row["number"], taken_error(key, row["value"]))
    return by_deciding | after | before


def _parts(target: str, key: Key) -> dict[str, str]:
    """What the statements say of a key."""
    return {
        "target": target,
        "key": listed(key.columns),
        "there_key": listed(key.columns, "there."),
        "come_key": listed(key.columns, "come."),
        "there_value": key_value(key.columns, "there."),
        "come_value": key_value(key.columns, "come."),
        "come_whole": not_null(key.columns, "come."),
    }


def taken_error(key: Key, value: str) -> RowError:
    """Why a row is not in the table whose key another one has."""
    fields = ", ".join(key.columns)
    message = f"The table already has a row with the same {fields}."
    return RowError("primary-key" if key.primary else "unique-error", fields, value, message, "load")


def key_value(columns: Sequence[str], prefix: str = "") -> str:
    """An SQL expression of a key's values as text, as an error shows them."""
    texts = ", ".join(f"{prefix}{quoted(name)}::text" for name in columns)
    return f"left(concat_ws(', ', {texts}), {MAX_VALUE_CHARACTERS})"
