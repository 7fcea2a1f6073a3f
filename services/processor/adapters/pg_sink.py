"""Typed PostgreSQL tables, and the markers of batches beside them in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.runtime.postgres import TRANSIENT_ERRORS, transient_errors
from services.processor.adapters import pg_markers
from services.processor.adapters.pg_loading import EVOLVED, Loading
from services.processor.adapters.pg_markers import PgMarkers
from services.processor.adapters.pg_names import listed, quoted
from services.processor.adapters.pg_repaired_rows import load_unrepaired
from services.processor.batches import BatchKey, BatchOutcome, Displaced
from services.processor.copy_text import PROCESS_COLUMN, ROW_COLUMN, copy_text
from services.processor.ports import Applied, GoodRows, Refused, SinkRefusedError, Table

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

_MOST_READY = 1000

# Longest wait for whoever uses a table that is to get columns; then the batch is tried again.
_PATIENCE = "SET LOCAL lock_timeout = '10s'"

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


class PgSink(PgMarkers):
    """See Sink."""

    def __init__(self, pool: PgPool) -> None:
        super().__init__(pool)
        self._ready: set[Table] = set()

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        """See Sink."""
        owner = rows.repairs or key.process_id
        text = await asyncio.to_thread(copy_text, rows, owner)
        async with self._transaction(rows.table) as connection:
            if known := await pg_markers.begin(connection, key, owner):
                return known
            await self._ensure(connection, rows.table)
            displaced: list[Displaced] = []

            async def load(chosen: GoodRows) -> Sequence[Refused]:
                whole = text if chosen is rows else await asyncio.to_thread(copy_text, chosen, owner)
                loading = Loading(connection, key, owner, chosen)
                refused = await loading.all(whole)
                displaced.extend(loading.displaced)
                return refused

            if rows.repairs:
                refused = await load_unrepaired(connection, key, rows, load)
            else:
                refused = await load(rows)
            outcome = conclude(refused)
            if displaced:
                displaced.sort(key=lambda row: (row.process_id, row.row_number))
                outcome = replace(outcome, displaced=tuple(displaced))
            await pg_markers.conclude(connection, outcome)
        if len(self._ready) >= _MOST_READY:  # an evolving table is another one for each header
            self._ready.clear()
        self._ready.add(rows.table)
        return Applied(outcome)

    @asynccontextmanager
    async def _transaction(self, table: Table) -> AsyncIterator[PgConnection]:
        """A transaction whose errors are the port's."""
        async with transient_errors("sink"):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    yield connection
            except TRANSIENT_ERRORS:
                raise
            except asyncpg.PostgresError as error:
                # The table may have been dropped or changed since: look again next time.
                self._ready.discard(table)
                raise SinkRefusedError(_of_table(error, table)) from error

    async def _ensure(self, connection: PgConnection, table: Table) -> None:
        """Make the table, or check that the one that is there fits. Raises SinkRefusedError."""
        name = f"{quoted(table.schema)}.{quoted(table.name)}"
        wanted = {**dict(table.columns), ROW_COLUMN: "bigint", PROCESS_COLUMN: "uuid"}
        if table in self._ready and await connection.fetchval("SELECT to_regclass($1)", name):
            return
        # Only one processor makes the table; the lock goes with the transaction.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"ingestor:{name}")
        found = {row["name"]: row["type"] for row in await connection.fetch(_COLUMNS, name)}
        if found:
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
            if lacking := [column for column in table.columns if column[0] not in found]:
                await self._add_columns(connection, name, lacking)
            await self._check_constraints(connection, table, name)
            return
        key = table.primary_key or (PROCESS_COLUMN, ROW_COLUMN)
        columns = [f"{quoted(column)} {type_}" for column, type_ in table.columns]
        columns += [f"{ROW_COLUMN} bigint NOT NULL", f"{PROCESS_COLUMN} uuid NOT NULL"]
        columns.append(f"PRIMARY KEY ({listed(key)})")
        columns += [f"UNIQUE ({listed(fields)})" for fields in table.unique]
        columns += [
            f"FOREIGN KEY ({listed(foreign.columns)}) REFERENCES "
            f"{quoted(foreign.table[0])}.{quoted(foreign.table[1])} ({listed(foreign.table_columns)})"
            for foreign in table.foreign
        ]
        if table.schema != "public":
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
        await connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        if table.evolve:
            await self._mark(connection, name, table.columns)

    async def _add_columns(
        self, connection: PgConnection, name: str, columns: Sequence[tuple[str, str]]
    ) -> None:
        """Waits for the batches that are being loaded into the table, and lets no other begin before this
        one is committed."""
        await connection.execute(_PATIENCE)
        added = ", ".join(f"ADD COLUMN {quoted(column)} {type_}" for column, type_ in columns)
        await connection.execute(f"ALTER TABLE {name} {added}")
        await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
        await self._mark(connection, name, columns)

    @staticmethod
    async def _mark(connection: PgConnection, name: str, columns: Sequence[tuple[str, str]]) -> None:
        await connection.execute(
            "; ".join(f"COMMENT ON COLUMN {name}.{quoted(column)} IS '{EVOLVED}'" for column, _ in columns)
        )

    @staticmethod
    async def _check_constraints(connection: PgConnection, table: Table, name: str) -> None:
        """A table that somebody made must hold by itself what the pipeline says of keys."""
        unique = {frozenset(row[0]) for row in await connection.fetch(_UNIQUE_SETS, name)}
        for fields in (*table.unique, *((table.primary_key,) if table.primary_key else ())):
            if frozenset(fields) not in unique:
                raise SinkRefusedError(
                    f"The table {table.name} has no unique index of just {', '.join(fields)}."
                )
        foreign = {frozenset(row[0]) for row in await connection.fetch(_FOREIGN_SETS, name)}
        for key in table.foreign:
            if frozenset(key.columns) not in foreign:
                raise SinkRefusedError(
                    f"The table {table.name} has no foreign key of just {', '.join(key.columns)}."
                )


def _of_table(error: asyncpg.PostgresError, table: Table) -> str:
    """Why no row can be loaded, without SQL."""
    if error.sqlstate == "42P10":
        fields = ", ".join(table.primary_key)
        return f"The table {table.schema}.{table.name} has no unique index of just {fields}."
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"The suite may not write to the table {table.schema}.{table.name}, or change it."
    if error.sqlstate == "54011":
        return f"The table {table.schema}.{table.name} cannot have as many columns."
    return f"The table {table.schema}.{table.name} cannot take the rows (SQLSTATE {error.sqlstate})."
