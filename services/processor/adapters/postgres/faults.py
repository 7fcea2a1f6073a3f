"""Finds the rows of a batch that a table would refuse, all at once instead of one by one, and says why a row
is refused, in words for people and without SQL.

It looks for what most tables have: policies, NOT NULL, CHECK and foreign keys, in PostgreSQL's order.
Whatever else refuses a row (a trigger, the length of a type) shows when the row is inserted. So does
everything, if a trigger may change a row before it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from ingestor.outcomes import RowError, capped
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.first_row import taken_error
from ingestor.services.processor.adapters.postgres.table import (
    Key,
    listed,
    not_null,
    quoted,
    references,
    sql_name,
)

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection
    from ingestor.services.processor.ports import Table

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
# Whether there are triggers that may change a row before its policies and constraints are looked at, and
# those that may do something before late references are; a partition has its own.
_TRIGGERS = """
SELECT coalesce(bool_or(t.tgtype & 2 = 2), false) AS before, count(*) > 0 AS some
FROM pg_trigger t WHERE t.tgrelid IN (
    SELECT to_regclass($1)::oid UNION SELECT relid::oid FROM pg_partition_tree(to_regclass($1)))
AND t.tgtype & 5 = 5 AND t.tgenabled <> 'D' AND NOT t.tgisinternal
"""
# The policies for rows that the current role inserts; without any, one that allows no row.
_POLICIES = """
SELECT coalesce(p.polpermissive, true) AS permissive, r.relname AS name,
       coalesce(pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid), 'false') AS condition
FROM pg_class r LEFT JOIN pg_policy p ON p.polrelid = r.oid AND p.polcmd IN ('a', '*')
AND (p.polroles = '{0}' OR EXISTS (SELECT FROM unnest(p.polroles) role WHERE pg_has_role(role, 'USAGE')))
WHERE r.oid = to_regclass($1) AND row_security_active(r.oid)
"""
_CONSTRAINT_KIND = """
SELECT contype::text FROM pg_constraint WHERE conname = $1 AND conrelid = to_regclass($2)
"""

_CONSTRAINT_FIELDS = """
SELECT array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_constraint c WHERE c.conname = $1 AND c.conrelid = to_regclass($2)
"""

# Classes of SQLSTATE whose errors are about values of a row: too many rows of a subquery, values,
# constraints, changes and functions of triggers, checks of views, and what PL/pgSQL raises.
_OF_ROWS = ("21", "22", "23", "27", "38", "39", "44", "P0")

# Functions of PostgreSQL, which do not depend on the server's language: RAISE, whatever SQLSTATE it gives,
# the checks of policies and views, a row that does not fit into a page, and a key that does not.
_RAISE = "exec_stmt_raise"
_POLICY = "ExecWithCheckOptions"
_TOO_WIDE = "RelationGetBufferForTuple"
_TOO_LONG = "index_form_tuple"

_LINEAGE = [ROW_COLUMN, PROCESS_COLUMN]
_STAGE = "ingestor_stage"
_TAKE_OUT = f"DELETE FROM {{stage}} {{alias}} WHERE {{condition}} RETURNING {ROW_COLUMN}"  # noqa: S608


async def take_out_faults(
    connection: PgConnection, target: str, columns: Sequence[str]
) -> dict[int, RowError]:
    """Take out of the temporary table ingestor_stage the rows that the table (an SQL name) would refuse if
    they were inserted with these columns. Returns the error of each, by row number."""
    before, some = await _triggers(connection, target)
    if before:
        return {}
    found = await take_out_by_policies(connection, target, _STAGE)

    async def take(condition: str, error: RowError) -> int:
        rows = await connection.fetch(_TAKE_OUT.format(stage=_STAGE, alias="come", condition=condition))
        found.update((row[0], error) for row in rows)
        return len(rows)

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
        # MATCH FULL, and what a trigger may fulfil in time, is left to the insert.
        if reference.whole or (reference.deferred and some):
            continue
        there = f"({listed(reference.other_columns, 'there.')}) = ({listed(reference.columns, 'come.')})"
        condition = not_null(reference.columns, "come.")
        for other in (reference.other, _STAGE) if reference.itself else (reference.other,):
            condition += f" AND NOT EXISTS (SELECT 1 FROM {other} there WHERE {there})"  # noqa: S608
        none = foreign_key_error(", ".join(reference.columns))
        while await take(condition, none) and reference.itself:
            continue  # other rows of the stage may have referred to those that are out now
    return found


async def changes_first(connection: PgConnection, target: str) -> bool:
    """Whether a trigger may change a row of the table (an SQL name) before anything looks at it."""
    return (await _triggers(connection, target))[0]


async def _triggers(connection: PgConnection, target: str) -> tuple[bool, bool]:
    row = await connection.fetchrow(_TRIGGERS, target)
    assert row is not None
    return row["before"], row["some"]


async def take_out_by_policies(connection: PgConnection, target: str, stage: str) -> dict[int, RowError]:
    """Take the rows that the policies of the table (an SQL name) refuse out of a stage of it. Returns the
    error of each, by row number."""
    policies = await connection.fetch(_POLICIES, target)
    if not policies:
        return {}
    one_of = [f"({row['condition']})" for row in policies if row["permissive"]]
    each_of = [f"({row['condition']})" for row in policies if not row["permissive"]]
    allowed = " AND ".join([f"({' OR '.join(one_of) or 'false'})", *each_of])
    # A condition with a subquery names the table.
    parts = {
        "stage": stage,
        "alias": quoted(policies[0]["name"]),
        "condition": f"({allowed}) IS NOT TRUE",
    }
    try:
        async with savepoint(connection):
            rows = await connection.fetch(_TAKE_OUT.format(**parts))
    except asyncpg.PostgresError as error:
        if error.sqlstate is None or error.sqlstate[:2] not in ("22", "42"):
            raise
        return {}  # it fails for some row: the insert will show which rows are refused
    return {row[0]: policy_error() for row in rows}


def null_error(column: str) -> RowError:
    """The error of a row whose value in a column is NULL or not of the column's type."""
    return RowError("sink-error", column, "", f"The table refuses the value of the column {column}.", "load")


NO_PARTITION = "ingestor_no_partition"
"""Stands for the partitions of a table among the constraints of a copy of it."""


def check_error(constraint: str | None) -> RowError:
    """The error of a row that a constraint of the table refuses; None: it belongs into no partition."""
    if constraint in (None, NO_PARTITION):
        return RowError("sink-error", "", "", "The table has no partition for the row.", "load")
    return RowError("sink-error", "", "", f"The table's constraint {constraint} refuses the row.", "load")


def policy_error() -> RowError:
    """The error of a row that row-level security refuses."""
    return RowError("sink-error", "", "", "A row-level security policy of the table refuses the row.", "load")


def too_long_error() -> RowError:
    """The error of a row with a key of more bytes than an index takes (about 2,700)."""
    return RowError("sink-error", "", "", "A value is too long for an index of the table.", "load")


def too_wide_error() -> RowError:
    """The error of a row of more bytes than a page of the table takes."""
    message = "The row is too large for the table, which takes about 8,160 bytes a row beside its long texts."
    return RowError("sink-error", "", "", message, "load")


def foreign_key_error(fields: str) -> RowError:
    """The error of a row that refers to a row that does not exist."""
    return RowError("foreign-key", fields, "", f"The table that {fields} refers to has no such row.", "load")


def is_of_row(error: asyncpg.PostgresError) -> bool:
    """Whether an error is about values of a row for certain."""
    if error.server_source_function in (_RAISE, _POLICY):
        return True
    state = error.sqlstate or ""
    return state[:2] in _OF_ROWS or state == "54000"


async def row_error(connection: PgConnection, table: Table, error: asyncpg.PostgresError) -> RowError:
    """The reason why a row of the table is refused."""
    constraint: str | None = error.constraint_name
    if error.server_source_function == _RAISE:
        return RowError("sink-error", "", "", capped(error.message or "The table refuses the row."), "load")
    if error.server_source_function == _POLICY and error.sqlstate == "42501":
        return policy_error()
    if isinstance(error, asyncpg.UniqueViolationError):
        kind = await connection.fetchval(_CONSTRAINT_KIND, constraint, sql_name(table))
        fields = table.primary_key if kind == "p" else await _fields(connection, table, constraint)
        return taken_error(Key(tuple(fields) or (str(constraint),), kind == "p"), "")
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        fields = await _fields(connection, table, constraint)
        return foreign_key_error(", ".join(fields) or str(constraint))
    if error.server_source_function == _TOO_WIDE:
        return too_wide_error()
    too_long = constraint or (error.server_source_function or "").startswith(_TOO_LONG)
    if error.sqlstate == "54000" and too_long:
        return too_long_error()
    if constraint or isinstance(error, asyncpg.CheckViolationError):
        return check_error(constraint)
    if isinstance(error, asyncpg.NotNullViolationError) and error.column_name:
        return null_error(error.column_name)
    return RowError("sink-error", "", "", capped(f"The table refuses the row: {error.message}."), "load")


async def _fields(connection: PgConnection, table: Table, constraint: str | None) -> Sequence[str]:
    """The columns of a constraint."""
    return await connection.fetchval(_CONSTRAINT_FIELDS, constraint, sql_name(table)) or ()
