"""Of appended rows with the same key the first is in the table, whatever the order of batches and files.

Rows are in the order of their processes (UUIDs of version 7, RFC 9562: in order of time), and within one of
their numbers. A row whose key a later one has, whose batch was loaded before, takes that one's place, in
the transaction that loads its batch. This is for tables with one key, `pg_first_of_keys` for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.outcomes import MAX_VALUE_CHARACTERS, RowError
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.keys import Key, keys_of
from ingestor.services.processor.adapters.postgres.names import listed, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# Batches never take places of each other at the same time, neither crosswise nor in turn: who has the lock
# sees what all before it have done. It goes with the transaction, or with the savepoint that is rolled back.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:first:' || $1, 0))"
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('ingestor:first:' || $1, 0))"

# Whether the row `there` of the table gives its place to the row `come` of the process $1: it is later, and
# neither brought by a repair nor of a process of which nothing is kept any more.
GIVES_WAY = f"""
coalesce((there.{PROCESS_COLUMN}, there.{ROW_COLUMN}) > ($1::uuid, come.{ROW_COLUMN}), false)
AND NOT EXISTS (SELECT 1 FROM repaired_rows r
                WHERE r.process_id = there.{PROCESS_COLUMN} AND r.row_number = there.{ROW_COLUMN})
AND NOT EXISTS (SELECT 1 FROM closed_processes c WHERE c.process_id = there.{PROCESS_COLUMN})
"""  # noqa: S608

# Rows of the stage whose key a later row holds: the first of each key, and the row that is there.
_FIND = """
SELECT come.{row} AS earlier, there.{process} AS process_id, there.{row} AS later, {there_value} AS value
FROM (SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row}) come
JOIN {target} there ON ({there_key}) = ({come_key})
WHERE {gives_way}
FOR UPDATE OF there
"""
_TAKE = """
UPDATE {target} there SET {changes}
FROM unnest($1::bigint[], $2::uuid[], $3::bigint[]) AS pair (earlier, process_id, later)
JOIN ingestor_stage come ON come.{row} = pair.earlier
WHERE ({there_key}) = ({come_key}) AND there.{process} = pair.process_id AND there.{row} = pair.later
RETURNING pair.earlier
"""
_FORGET = "DELETE FROM ingestor_stage WHERE {row} = ANY($1::bigint[])"


@dataclass(frozen=True, slots=True)
class Taken:
    """A key, and its values as a person sees them."""

    key: Key
    value: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A row that is not in the table any more, since one before it has its key."""

    process_id: str
    row_number: int
    taken: Taken


async def deciding_keys(connection: PgConnection, target: str, columns: Sequence[str]) -> tuple[Key, ...]:
    """The unique keys of a table (an SQL name) that rows with these columns can meet, the primary one first.
    Empty when there is none, or when they do not decide which row is to be there: one is no plain key or has
    other columns too, or rows of the table may not be changed."""
    keys = await keys_of(connection, target)
    met = keys.met_by(columns)
    decide = (
        not keys.others
        and keys.may_change
        and (len(met) <= 1 or keys.may_delete)
        and not any(key.nulls_are_equal for key in keys.by_columns)
        and all(frozenset(columns).issuperset(key.columns) for key in met)
    )
    return met if decide else ()


async def lock_places(connection: PgConnection, target: str) -> None:
    """Needed before rows are inserted of which some shall take others' places."""
    await connection.execute(_LOCK, target)


async def share_places(connection: PgConnection, target: str) -> None:
    """While it is held nobody has `lock_places`."""
    await connection.execute(_LOCK_SHARED, target)


async def insert_free(
    connection: PgConnection, target: str, columns: Sequence[str], condition: str = "true"
) -> None:
    """Load those rows `come` of the temporary table ingestor_stage, in their order, whose keys are free and
    of which the condition holds, and take them out of the stage."""
    names = listed(columns)
    await connection.execute(
        f"WITH loaded AS (INSERT INTO {target} ({names}) SELECT {names} FROM ingestor_stage come "  # noqa: S608
        f"WHERE {condition} ORDER BY {ROW_COLUMN} ON CONFLICT DO NOTHING RETURNING {ROW_COLUMN}) "
        f"DELETE FROM ingestor_stage come USING loaded WHERE come.{ROW_COLUMN} = loaded.{ROW_COLUMN}"
    )


async def take_places(
    connection: PgConnection, process_id: str, target: str, key: Key, columns: Sequence[str]
) -> list[Gone]:
    """Put rows of the temporary table ingestor_stage, where those are that could not be inserted, into the
    places of later rows, and take them out of the stage. In the caller's transaction; needs `lock_places`."""
    parts = {
        "target": target,
        "key": listed(key.columns),
        "there_key": listed(key.columns, "there."),
        "come_key": listed(key.columns, "come."),
        "there_value": key_value(key.columns, "there."),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "gives_way": GIVES_WAY,
        "changes": ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in columns),
    }
    pairs = await connection.fetch(_FIND.format(**parts), process_id)
    if not pairs:
        return []
    arrays = ([pair[name] for pair in pairs] for name in ("earlier", "process_id", "later"))
    # A trigger of the table's may have kept some: those have not been displaced.
    taken = {row[0] for row in await connection.fetch(_TAKE.format(**parts), *arrays)}
    await connection.execute(_FORGET.format(**parts), list(taken))
    return [
        Gone(str(pair["process_id"]), pair["later"], Taken(key, pair["value"]))
        for pair in pairs
        if pair["earlier"] in taken
    ]


def taken_problem(columns: Sequence[str], value: str, *, primary: bool, several: bool) -> RowError:
    """Why a row is not in the table whose key another one has. In a table with `several` keys that one may
    not be there either."""
    fields = ", ".join(columns)
    message = f"A row with the same {fields} is there already."
    if several:
        message = f"A row before it has the same {fields}."
    return RowError("primary-key" if primary else "unique-error", fields, value, message, "load")


def key_value(columns: Sequence[str], prefix: str = "") -> str:
    """An SQL expression of a key's values as text, as an error shows them."""
    texts = ", ".join(f"{prefix}{quoted(name)}::text" for name in columns)
    return f"left(concat_ws(', ', {texts}), {MAX_VALUE_CHARACTERS})"
