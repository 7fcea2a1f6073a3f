"""What an error of the database says about a row, in words for people and without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from ingestor.outcomes import RowError, capped
from ingestor.services.processor.adapters.postgres.faults import (
    check_error,
    foreign_key_error,
    null_error,
    policy_error,
    too_long_error,
    too_wide_error,
)
from ingestor.services.processor.adapters.postgres.first_row import taken_error
from ingestor.services.processor.adapters.postgres.table import Key, sql_name

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection
    from ingestor.services.processor.ports import Table

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
