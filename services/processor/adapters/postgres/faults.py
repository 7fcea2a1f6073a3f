"""Finds the rows of a batch that a table would refuse, all at once instead of one by one.

It looks for what most tables have: NOT NULL, CHECK and foreign keys, in PostgreSQL's order. Whatever else
refuses a row (a trigger, the length of a type) shows when the row is inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from ingestor.outcomes import RowError
from ingestor.runtime.postgres import savepoint
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.table import listed, not_null, quoted, references

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# Columns that need a value, unless the database itself gives them one.
_NOT_NULL = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND a.attnotnull AND a.attgenerated = '' AND a.attidentity = ''
AND a.attname <> ALL ($3::text[])
AND (a.attname = ANY ($2::text[]) OR NOT a.atthasdef) ORDER BY a.attnum
"""
_CHECKS = """
SELECT c.conname, pg_get_expr(c.conbin, c.conrelid) AS condition FROM pg_constraint c
WHERE c.conrelid = to_regclass($1) AND c.contype = 'c' ORDER BY c.conname
"""
_LINEAGE = [ROW_COLUMN, PROCESS_COLUMN]
_TAKE_OUT = f"DELETE FROM ingestor_stage come WHERE {{condition}} RETURNING {ROW_COLUMN}"  # noqa: S608


async def take_out_faults(
    connection: PgConnection, target: str, columns: Sequence[str]
) -> dict[int, RowError]:
    """Take out of the temporary table ingestor_stage the rows that the table (an SQL name) would refuse if
    they were inserted with these columns. Returns the error of each, by row number."""
    found: dict[int, RowError] = {}

    async def take(condition: str, error: RowError) -> None:
        rows = await connection.fetch(_TAKE_OUT.format(condition=condition))
        found.update((row[0], error) for row in rows)

    for row in await connection.fetch(_NOT_NULL, target, list(columns), _LINEAGE):
        await take(f"{quoted(row['attname'])} IS NULL", null_error(row["attname"]))
    for row in await connection.fetch(_CHECKS, target):
        try:
            async with savepoint(connection):
                await take(f"NOT ({row['condition']})", check_error(row["conname"]))
        except asyncpg.PostgresError as error:
            # It fails for some row, or looks beyond the row: the insert will show which rows are refused.
            if error.sqlstate is None or error.sqlstate[:2] not in ("22", "42"):
                raise
    for reference in await references(connection, target):
        # References to the same table, deferred ones and MATCH FULL are left to the insert.
        if reference.itself or reference.whole or reference.deferred:
            continue
        there = f"({listed(reference.other_columns, 'there.')}) = ({listed(reference.columns, 'come.')})"
        none = f"NOT EXISTS (SELECT 1 FROM {reference.other} there WHERE {there})"  # noqa: S608
        condition = f"{not_null(reference.columns, 'come.')} AND {none}"
        await take(condition, foreign_key_error(", ".join(reference.columns)))
    return found


def null_error(column: str) -> RowError:
    """The error of a row whose value in a column is NULL or not of the column's type."""
    return RowError("sink-error", column, "", f"The table refuses the value of the column {column}.", "load")


def check_error(constraint: str) -> RowError:
    """The error of a row that a constraint of the table refuses."""
    return RowError("sink-error", "", "", f"The table's constraint {constraint} refuses the row.", "load")


def too_long_error() -> RowError:
    """The error of a row with a key of more bytes than an index takes (about 2,700)."""
    return RowError("sink-error", "", "", "A value is too long for an index of the table.", "load")


def foreign_key_error(fields: str) -> RowError:
    """The error of a row that refers to a row that does not exist."""
    return RowError("foreign-key", fields, "", f"The table that {fields} refers to has no such row.", "load")
