"""Reads the rows of a process from its table by their lineage, as the role of the tenant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access.limits.reads import Reads, ReadTooLongError
from ingestor.reports import CUT
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.pg_rows_before import rows_before
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import Lineage
from ingestor.services.processor.adapters.postgres.table import quoted, sql_name, table_now
from ingestor.services.processor.adapters.postgres.target import OWN_ONLY, check_schema
from ingestor.services.processor.ports import (
    JSON_SINK,
    Loaded,
    LoadedRows,
    LoadedTables,
    SinkRefusedError,
    Table,
)

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

SECONDS = 5.0

_MOST_ROWS = 1000
_MOST_BYTES = 2 * 2**20
_MOST_MEMBERS = 1600
_LONGEST_CELL = 1000
_FETCHED_AT_ONCE = 20  # rows, of at most 2 MiB each

_TABLE = f"""
SELECT format('%I.%I', $2::text, $3::text) AS name,
       format('SELECT * FROM %I.%I WHERE {PROCESS_COLUMN} = %L ORDER BY {ROW_COLUMN};', $2::text, $3::text,
              $4::text) AS statement,
       to_regclass($1) IS NOT NULL AS found,
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped) AS columns
"""  # noqa: S608
_ROWS = """
SELECT {number} AS number, {cells} FROM {target} there
WHERE {of_process} AND {number} BETWEEN $2 AND $3 ORDER BY {number} LIMIT {most}
"""
_COUNTS = "SELECT count(*), count(*) FILTER (WHERE {of_process}) FROM {target} there"
# Names and texts of an object's members.
_MEMBERS = f"""
ARRAY(SELECT ARRAY[m.key, {{text}}] FROM jsonb_each_text(
    CASE jsonb_typeof(there.{{column}}) WHEN 'object' THEN there.{{column}} ELSE '{{{{}}}}' END) m
    LIMIT {_MOST_MEMBERS})
"""  # noqa: S608


class PgLoadedTables(LoadedTables):
    def __init__(
        self,
        tenants: PgPool,
        schemas: TableSchemas = OWN_ONLY,
        *,
        connections: int = 2,
        seconds: float = SECONDS,
    ) -> None:
        """The transactions of `tenants` run as the tenant, on so many connections at a time, each statement
        for at most `seconds`; its tables are in its own schemas or in one of `schemas`."""
        self._reads = Reads(tenants, connections, seconds)
        self._schemas = schemas

    async def read(self, of: Loaded, first: int, last: int, *, counts: bool) -> LoadedRows:
        table = of.table
        found = LoadedRows(f"{table.schema}.{table.name}")
        try:
            async with (
                transient_errors("sink", lambda error: _refusal(error, table)),
                self._reads.place() as pool,
                pool.transaction() as connection,
            ):
                await self._limit(connection)
                await check_schema(connection, table, self._schemas)
                found, lineage = await _table(connection, of)
                found = await _rows(connection, of, found, lineage, (first, last))
        except (SinkRefusedError, _UnreadableError) as error:
            found = replace(found, unreadable=str(error))
        except ReadTooLongError:
            found = replace(found, unreadable=self._too_long(table))
        return await self._counted(of, found) if counts else found

    async def _counted(self, of: Loaded, found: LoadedRows) -> LoadedRows:
        if not found.columns:
            return found
        if (exact := await self._counts(of)) is not None:
            found = replace(found, counts=exact)
        try:
            async with (
                transient_errors("sink"),
                self._reads.place() as pool,
                pool.transaction() as connection,
            ):
                await self._limit(connection)
                if exact is None and (now := await table_now(connection, sql_name(of.table))) is not None:
                    found = replace(found, about=now.row_count)
                return replace(found, before=await rows_before(connection, of.process_id, of.tenant))
        except (asyncpg.PostgresError, ReadTooLongError):
            return found

    async def _counts(self, of: Loaded) -> tuple[int, int] | None:
        """The rows of the table and of the process; None when they cannot be counted in time."""
        try:
            async with (
                transient_errors("sink", lambda error: _refusal(error, of.table)),
                self._reads.place() as pool,
                pool.transaction() as connection,
            ):
                await self._limit(connection)
                _, lineage = await _table(connection, of)
                statement = _COUNTS.format(of_process=lineage.of_process, target=lineage.target)
                row = await connection.fetchrow(statement, of.process_id)
                return (row[0], row[1]) if row else None
        except (SinkRefusedError, _UnreadableError, ReadTooLongError):
            return None

    async def _limit(self, connection: PgConnection) -> None:
        await connection.execute(f"SET LOCAL statement_timeout = {round(self._reads.seconds * 1000)}")

    def _too_long(self, table: Table) -> str:
        return (
            f"Reading the rows took more than {self._reads.seconds:g} seconds. An index makes it fast: "
            f"CREATE INDEX ON {sql_name(table)} ({PROCESS_COLUMN}, {ROW_COLUMN})."
        )


class _UnreadableError(Exception):
    """The rows of a process cannot be read; the message is for people."""


async def _table(connection: PgConnection, of: Loaded) -> tuple[LoadedRows, Lineage]:
    """What is known of the table without its rows, and where their lineage is."""
    table, target = of.table, sql_name(of.table)
    row = await connection.fetchrow(_TABLE, target, table.schema, table.name, of.process_id)
    if not row or not row["found"]:
        raise _UnreadableError(f"There is no table {table.schema}.{table.name}.")
    there = frozenset(row["columns"])
    in_columns = {PROCESS_COLUMN, ROW_COLUMN} <= there
    if not in_columns and not table.upsert:
        raise _UnreadableError(
            f"The table {table.schema}.{table.name} has no columns {PROCESS_COLUMN} and {ROW_COLUMN}, so it "
            "is not known which of its rows are those of the process."
        )
    found = LoadedRows(
        row["name"],
        row["statement"] if in_columns else "",
        tuple(name for name, _ in table.columns if name in there),
    )
    return found, Lineage(target, table.primary_key, of.tenant, in_columns=in_columns)


async def _rows(
    connection: PgConnection, of: Loaded, found: LoadedRows, lineage: Lineage, numbers: tuple[int, int]
) -> LoadedRows:
    """The rows with the first to the last of these numbers."""
    is_json = of.sink == JSON_SINK
    widest = _MOST_MEMBERS if is_json else max(1, len(found.columns))
    longest = min(_LONGEST_CELL, _MOST_BYTES // 4 // widest)
    if is_json:
        cells = _MEMBERS.format(text=_text("m.value", longest), column=quoted(found.columns[0]))
    else:
        cells = f"ARRAY[{', '.join(_text(f'there.{quoted(name)}::text', longest) for name in found.columns)}]"
    statement = _ROWS.format(
        number=lineage.row_number,
        cells=cells + "::text[]",
        target=lineage.target,
        of_process=lineage.of_process,
        most=_MOST_ROWS + 1,
    )
    names = {} if is_json else dict.fromkeys(found.columns)
    rows: list[tuple[int, dict[str, str | None]]] = []
    size, more = 0, False
    async for number, texts in connection.cursor(
        statement, of.process_id, *numbers, prefetch=_FETCHED_AT_ONCE
    ):
        row = dict(texts) if is_json else dict(zip(names, texts, strict=True))
        size += sum(len(text.encode()) + 4 for text in row.values() if text is not None)
        if rows and (size > _MOST_BYTES or len(rows) == _MOST_ROWS):
            more = True
            break
        names.update(dict.fromkeys(row))
        rows.append((number, row))
    columns = tuple(names)
    return replace(
        found,
        columns=columns,
        rows=[(number, tuple(map(row.get, columns))) for number, row in rows],
        more=more,
    )


def _text(value: str, longest: int) -> str:
    """A text, shortened if it is longer, in SQL."""
    return f"CASE WHEN length({value}) > {longest} THEN left({value}, {longest}) || '{CUT}' ELSE {value} END"


def _refusal(error: asyncpg.PostgresError, table: Table) -> Exception:
    """Why the rows cannot be read, in words without SQL."""
    name = f"{table.schema}.{table.name}"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return _UnreadableError(f"To show the rows of the table {name}, the suite needs the right to SELECT.")
    return _UnreadableError(f"The rows of the table {name} cannot be read: {error.message}.")
