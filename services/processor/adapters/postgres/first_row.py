"""Of the appended rows of a file that share a key the first wins, whatever the order of its batches.

If a later row of the same process was loaded with its key before, a row replaces it in the transaction that
loads its own batch; the later row is displaced. Rows of other processes stay, and all rows of a table without
columns for their lineage. Only one key of a table decides
this way: the primary key or, without one, the only unique key. For other keys, the row that was loaded first
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from ingestor.outcomes import MAX_VALUE_CHARACTERS, DisplacedRow, RowError
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.table import Key, keys_of, listed, not_null, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# Batches with taken keys are loaded one after the other; otherwise two of them would wait for each other's
# new rows. Released at the end of the transaction, or when its savepoint is rolled back.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:taken:' || $1, 0))"

# The first rows of the stage whose key a row of a later batch of the process $1 has, each with that row. Rows
# that a repair has loaded are never displaced.
_FIND = f"""
SELECT come.{ROW_COLUMN} AS earlier, there.{ROW_COLUMN} AS later, {{there_value}} AS value
FROM (SELECT DISTINCT ON ({{key}}) * FROM ingestor_stage WHERE {ROW_COLUMN} <> ALL($2::bigint[])
      ORDER BY {{key}}, {ROW_COLUMN}) come
JOIN {{target}} there ON ({{there_key}}) = ({{come_key}})
WHERE there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} > $3
AND NOT EXISTS (SELECT 1 FROM processor.repaired_rows r
                WHERE r.process_id = $1 AND r.row_number = there.{ROW_COLUMN})
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

_AFTER = f"coalesce(there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} > come.{ROW_COLUMN}, false)"
_NEVER_AFTER = "$1::uuid IS NULL"

# What the table has taken cannot be told by lineage that it has no columns for.
_INSERT_ONE_BY_ONE = f"""
DO $rows$ DECLARE come record; taken bigint;
BEGIN
    FOR come IN SELECT ctid AS at FROM ingestor_stage ORDER BY {ROW_COLUMN} LOOP
        INSERT INTO {{target}} ({{names}}) SELECT {{names}} FROM ingestor_stage WHERE ctid = come.at
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS taken = ROW_COUNT;
        IF taken = 1 THEN DELETE FROM ingestor_stage WHERE ctid = come.at; END IF;
    END LOOP;
END $rows$
"""  # noqa: S608

# Rows of the stage whose key a row of the table has; `after`: the row of the table comes later in the same
# file.
_LOST = f"""
SELECT come.{ROW_COLUMN} AS number, {{come_value}} AS value,
       {{after}} AS after
FROM ingestor_stage come JOIN {{target}} there ON ({{there_key}}) = ({{come_key}}) WHERE {{come_whole}}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class AppendKeys:
    """The unique keys of a table that appended rows can clash with, the primary key first, and the one of
    them by which the first row of a file wins; None if the row that was loaded first always stays."""

    met: tuple[Key, ...]
    deciding: Key | None
    in_columns: bool  # the lineage


async def append_keys(
    connection: PgConnection, target: str, columns: Sequence[str], *, in_columns: bool
) -> AppendKeys:
    """The keys of a table (an SQL name) for rows with these columns. `in_columns`: it has lineage."""
    keys = await keys_of(connection, target)
    met = keys.met_by(columns)
    primary = [key for key in met if key.primary]
    only = met if len(met) == 1 and not keys.others else ()
    deciding = next((key for key in (*primary, *only) if not key.nulls_are_equal), None)
    decides = in_columns and deciding and keys.may_change and frozenset(columns).issuperset(deciding.columns)
    return AppendKeys(met, deciding if decides else None, in_columns)


async def lock_taken(connection: PgConnection, target: str) -> None:
    """Take the lock that `take_places` needs, before the batch inserts rows."""
    await connection.execute(_LOCK, target)


async def insert_free(
    connection: PgConnection, target: str, columns: Sequence[str], *, in_columns: bool
) -> None:
    """Load the rows of the temporary table ingestor_stage whose keys are free, in order, and take them out of
    the stage."""
    names = listed(columns)
    if not in_columns:
        await connection.execute(_INSERT_ONE_BY_ONE.format(target=target, names=names))
        return
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
    """Let rows that could not be inserted, which are in the temporary table ingestor_stage, replace rows of
    their process after their batch, whose last row is `last_row`, and take them out of the stage. Returns the
    displaced rows. In the caller's transaction, after `lock_taken`."""
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
        # Another key of the row is taken, or a trigger kept the old row: the next row of the key is tried.
        left = [pair["earlier"] for pair in pairs if pair["earlier"] not in taken]
        if not left:
            break
        failed += left
    return displaced


async def _take(connection: PgConnection, statement: str, process_id: str, pairs: Sequence[Any]) -> set[int]:
    """Replace the later row of each pair with the earlier one, unless another key of it is taken. Returns the
    earlier rows that are in the table now."""
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
    """The errors of rows that could not be inserted, which are in the temporary table ingestor_stage: each
    names the first of its keys that an earlier row has or, if there is none, that a later row has."""
    before: dict[int, RowError] = {}
    after: dict[int, RowError] = {}
    by_deciding: dict[int, RowError] = {}  # the later row would have been displaced, if that were all
    for key in keys.met:
        later = by_deciding if key == keys.deciding else after
        statement = _LOST.format(**_parts(target, key), after=_AFTER if keys.in_columns else _NEVER_AFTER)
        for row in await connection.fetch(statement, process_id):
            found = later if row["after"] else before
            found.setdefault(row["number"], taken_error(key, row["value"]))
    return by_deciding | after | before


def _parts(target: str, key: Key) -> dict[str, str]:
    """The parts of the statements that depend on the key."""
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
    """The error of a row whose key another row has."""
    fields = ", ".join(key.columns)
    message = f"The table already has a row with the same {fields}."
    return RowError("primary-key" if key.primary else "unique-error", fields, value, message, "load")


def key_value(columns: Sequence[str], prefix: str = "") -> str:
    """An SQL expression for the values of a key as text, as an error shows them."""
    texts = ", ".join(f"{prefix}{quoted(name)}::text" for name in columns)
    return f"left(concat_ws(', ', {texts}), {MAX_VALUE_CHARACTERS})"
