"""Rows that a trigger, a rule or a policy leaves out of a table without an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.outcomes import MAX_NOTICE_ROWS, Notice, RowError
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import Lineage
from ingestor.services.processor.adapters.postgres.table import listed

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_STAGED = f"SELECT {ROW_COLUMN} FROM ingestor_stage ORDER BY 1"  # noqa: S608
# Rows of tables that inherit from the table are there, too.
_THERE = f"""
SELECT {ROW_COLUMN} FROM {{target}} WHERE {PROCESS_COLUMN} = $1 AND {ROW_COLUMN} = ANY ($2::bigint[])
"""  # noqa: S608
_TAKE_OUT_LOADED = f"""
DELETE FROM ingestor_stage come USING {{target}} there
WHERE there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} = come.{ROW_COLUMN}
"""  # noqa: S608
_NOT_UPSERTED = f"""
SELECT come.{ROW_COLUMN}
FROM (SELECT DISTINCT ON ({{key}}) * FROM ingestor_stage ORDER BY {{key}}, {ROW_COLUMN} DESC) come
WHERE NOT EXISTS (
    SELECT FROM {{target}} there WHERE ({{there_key}}) = ({{come_key}}) AND NOT {{older}})
"""  # noqa: S608


async def staged(connection: PgConnection) -> list[int]:
    """The numbers of the rows in the temporary table ingestor_stage."""
    return [row[0] for row in await connection.fetch(_STAGED)]


async def not_there(
    connection: PgConnection, target: str, process_id: str, numbers: Sequence[int]
) -> list[int]:
    """Those of the rows of the process that the table (an SQL name) does not have."""
    if not numbers:
        return []
    there = {row[0] for row in await connection.fetch(_THERE.format(target=target), process_id, numbers)}
    return [number for number in numbers if number not in there]


async def take_out_loaded(connection: PgConnection, target: str, process_id: str) -> None:
    """Take the rows that the table has out of the stage: a trigger has loaded them in its own way."""
    await connection.execute(_TAKE_OUT_LOADED.format(target=target), process_id)


async def not_upserted(connection: PgConnection, lineage: Lineage) -> list[int]:
    """The numbers of rows of the stage, each the last one with its key, where the table has neither that row
    nor a later one with the key."""
    parts = {
        "target": lineage.target,
        "key": listed(lineage.key),
        "there_key": listed(lineage.key, "there."),
        "come_key": listed(lineage.key, "come."),
        "older": lineage.older_than("come"),
    }
    return [row[0] for row in await connection.fetch(_NOT_UPSERTED.format(**parts))]


def left_out_error() -> RowError:
    """The error of a row that was left out."""
    return RowError("sink-error", "", "", "A trigger or rule of the table left the row out.", "load")


def left_out_notices(numbers: Sequence[int], unknown: int) -> list[Notice]:
    """The notice of rows that were left out, with their numbers, and of `unknown` more."""
    if not numbers and not unknown:
        return []
    first = tuple(sorted(numbers)[:MAX_NOTICE_ROWS])
    count = len(numbers) + unknown
    return [Notice("rows-left-out", "A trigger or rule of the table left rows out.", count, first)]
