"""Whether a table in PostgreSQL can take rows, how a missing one is made, and why none can be loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.names import listed, qualified, quoted
from ingestor.services.processor.ports import ForeignKey, SinkRefusedError, Table

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type
FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
"""

_UNIQUE_SETS = """
SELECT (SELECT array_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = i.indrelid
        AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) AS columns
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid
AND i.indpred IS NULL AND i.indexprs IS NULL
"""

_FOREIGN_SETS = """
SELECT (SELECT array_agg(a.attname) FROM pg_attribute a
        WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns
FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.contype = 'f'
"""

_PG_NAMES = {
    "text": "text", "bigint": "bigint", "numeric": "numeric", "boolean": "boolean", "date": "date",
    "timestamptz": "timestamp with time zone", "jsonb": "jsonb", "uuid": "uuid",
    "time": "time without time zone", "integer": "integer", "interval": "interval",
}  # fmt: skip


def sql_name(table: Table) -> str:
    """The table as SQL has it."""
    return qualified(table.schema, table.name)


async def lacking_columns(connection: PgConnection, table: Table) -> list[tuple[str, str]] | None:
    """Columns with their types that an evolving table is to get; None when there is no table at all. Raises
    SinkRefusedError for one whose columns do not fit."""
    wanted = {**dict(table.columns), ROW_COLUMN: "bigint", PROCESS_COLUMN: "uuid"}
    found = {row["name"]: row["type"] for row in await connection.fetch(_COLUMNS, sql_name(table))}
    if not found:
        return None
    for column, type_ in wanted.items():
        if column not in found:
            if table.evolve and column not in (ROW_COLUMN, PROCESS_COLUMN):
                continue
            raise SinkRefusedError(f"The table {table.name} has no column {column}.")
        if found[column] != _PG_NAMES[type_]:
            raise SinkRefusedError(
                f"The column {column} of the table {table.name} is {found[column]}, "
                f"not {_PG_NAMES[type_]}; types are never changed."
            )
    return [column for column in table.columns if column[0] not in found]


async def check_constraints(connection: PgConnection, table: Table) -> None:
    """A table that somebody made must hold by itself what the pipeline says of keys. Raises
    SinkRefusedError."""
    name = sql_name(table)
    unique = {frozenset(row[0]) for row in await connection.fetch(_UNIQUE_SETS, name)}
    for fields in (*table.unique, *((table.primary_key,) if table.primary_key else ())):
        if frozenset(fields) not in unique:
            raise SinkRefusedError(f"The table {table.name} has no unique index of just {', '.join(fields)}.")
    foreign = {frozenset(row[0]) for row in await connection.fetch(_FOREIGN_SETS, name)}
    for key in table.foreign:
        if frozenset(key.columns) not in foreign:
            raise SinkRefusedError(
                f"The table {table.name} has no foreign key of just {', '.join(key.columns)}."
            )


def definition(table: Table, referenced: Callable[[ForeignKey], str]) -> str:
    """The columns and keys of a table that is made, as CREATE TABLE has them in brackets; `referenced` gives
    the SQL name of the table of a foreign key."""
    key = table.primary_key or (PROCESS_COLUMN, ROW_COLUMN)
    parts = [f"{quoted(column)} {type_}" for column, type_ in table.columns]
    parts += [f"{ROW_COLUMN} bigint NOT NULL", f"{PROCESS_COLUMN} uuid NOT NULL"]
    parts.append(f"PRIMARY KEY ({listed(key)})")
    parts += [f"UNIQUE ({listed(fields)})" for fields in table.unique]
    parts += [
        f"FOREIGN KEY ({listed(foreign.columns)}) REFERENCES "
        f"{referenced(foreign)} ({listed(foreign.table_columns)})"
        for foreign in table.foreign
    ]
    return ", ".join(parts)


def why_none(error: asyncpg.PostgresError, table: Table) -> str:
    """Why no row can be loaded, without SQL."""
    if error.sqlstate == "42P10":
        fields = ", ".join(table.primary_key)
        return f"The table {table.schema}.{table.name} has no unique index of just {fields}."
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"The suite may not write to the table {table.schema}.{table.name}, or change it."
    if error.sqlstate == "54011":
        return f"The table {table.schema}.{table.name} cannot have as many columns."
    return f"The table {table.schema}.{table.name} cannot take the rows (SQLSTATE {error.sqlstate})."
