"""Typed PostgreSQL tables, and the markers of batches beside them in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.runtime.postgres import TRANSIENT_ERRORS, transient_errors
from services.processor.adapters import pg_markers
from services.processor.adapters.pg_first_of_keys import any_lost, load_first, meets_lost
from services.processor.adapters.pg_first_row import (
    Gone,
    Key,
    Taken,
    deciding_keys,
    key_value,
    lock_places,
    share_places,
    take_places,
)
from services.processor.adapters.pg_markers import PgMarkers
from services.processor.adapters.pg_names import listed, quoted
from services.processor.adapters.pg_repaired_rows import load_unrepaired
from services.processor.adapters.pg_upsert import upsert_with_undo
from services.processor.batches import BatchKey, BatchOutcome, Displaced
from services.processor.copy_text import PROCESS_COLUMN, ROW_COLUMN, column_names, copy_text
from services.processor.ports import Applied, GoodRows, Refused, SinkRefusedError, Table
from services.processor.problems import Problem

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection, PgPool

_PIECE = 256 * 1024
_MOST_READY = 1000

# What the comment on a column says that was made for an evolving table: in such a column a row that takes
# another's place is empty, unless its own batch has it.
_EVOLVED = "Made by Data Ingestor: part of the rows that it replaces."
# Longest wait for whoever uses a table that is to get columns; then the batch is tried again.
_PATIENCE = "SET LOCAL lock_timeout = '10s'"

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type
FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
"""

_EVOLVED_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) = $2 ORDER BY a.attnum
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

_CONSTRAINT_KIND = """
SELECT contype::text FROM pg_constraint WHERE conname = $1 AND conrelid = to_regclass($2)
"""

_CONSTRAINT_FIELDS = """
SELECT array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_constraint c WHERE c.conname = $1 AND c.conrelid = to_regclass($2)
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
                loading = _Loading(connection, key, owner, chosen)
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
            "; ".join(f"COMMENT ON COLUMN {name}.{quoted(column)} IS '{_EVOLVED}'" for column, _ in columns)
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


class _MayBeTakenError(Exception):
    """Rows cannot be loaded at one go, since some may have no right to be in the table."""


class _Loading:
    """Loads the rows of one batch and finds those that the database refuses."""

    def __init__(self, connection: PgConnection, key: BatchKey, owner: str, rows: GoodRows) -> None:
        """`owner` is the process whose rows they are."""
        self._connection = connection
        self._tenant = key.tenant
        self._process_id = owner
        self._rows = rows
        self._columns = column_names(rows)
        self._target = f"{quoted(rows.table.schema)}.{quoted(rows.table.name)}"
        self._keys: tuple[Key, ...] = ()  # of an append: those by which rows can be told apart
        self._refused: list[Refused] = []
        self.displaced: list[Displaced] = []  # rows of other batches that are not in the table any more

    async def all(self, text: memoryview) -> list[Refused]:
        """Load every row; the refused ones by position."""
        count = self._rows.data.num_rows
        if count:
            if not self._rows.table.upsert:
                columns = [name for name, _ in self._rows.table.columns]
                self._keys = await deciding_keys(self._connection, self._target, columns)
            await self._range(0, count, text)
        return sorted(self._refused, key=lambda row: row.position)

    async def _range(self, start: int, stop: int, text: memoryview | None = None) -> None:
        """Load [start, stop): at one go, else without those whose key is taken, else by halves."""
        if text is None:
            text = await asyncio.to_thread(copy_text, self._rows, self._process_id, start, stop)
        fault: asyncpg.PostgresError | None
        try:
            async with self._connection.transaction():  # a savepoint
                if self._rows.table.upsert:
                    await self._upsert(text)
                else:
                    await self._append(text)
            return
        except _MayBeTakenError:
            fault = await self._without_duplicates(start, stop, text, None)
        except asyncpg.UniqueViolationError as error:
            fault = error
            if not self._rows.table.upsert:
                fault = await self._without_duplicates(start, stop, text, error)
        except asyncpg.PostgresError as error:
            if not _of_rows(error):
                raise
            fault = error
        if fault is None:
            return
        if stop - start == 1:
            await self._refuse(start, fault)
            return
        middle = (start + stop) // 2
        await self._range(start, middle)
        await self._range(middle, stop)

    async def _append(self, text: memoryview) -> None:
        """Raises _MayBeTakenError when rows that are not in the table may have the keys of these."""
        if len(self._keys) > 1:
            await share_places(self._connection, self._target)
            if not self._rows.repairs and await any_lost(self._connection, self._process_id, self._target):
                await self._stage(text)
                if await meets_lost(self._connection, self._process_id, self._target, self._keys):
                    raise _MayBeTakenError
                await self._connection.execute("DROP TABLE ingestor_stage")
        await self._copy(text, self._rows.table.name, self._rows.table.schema)

    async def _upsert(self, text: memoryview) -> None:
        """By way of a temporary table: the last row of each key, in the key's order, so that two batches
        never wait for each other crosswise."""
        table = self._rows.table
        target = f"{quoted(table.schema)}.{quoted(table.name)}"
        key = ", ".join(map(quoted, table.primary_key))
        names = ", ".join(map(quoted, self._columns))
        # Before the look at the columns, so that none is added between it and the rows.
        await self._connection.execute(f"LOCK TABLE {target} IN ROW EXCLUSIVE MODE")
        evolved = [row[0] for row in await self._connection.fetch(_EVOLVED_COLUMNS, target, _EVOLVED)]
        # What is not inserted is the column's default there.
        changes = ", ".join(
            f"{quoted(name)} = excluded.{quoted(name)}"
            for name in dict.fromkeys((*self._columns, *evolved))
            if name not in table.primary_key
        )
        await self._stage(text)
        if table.undo:
            changing = [name for name in (*self._columns, *evolved) if name not in table.primary_key]
            await upsert_with_undo(
                self._connection, self._tenant, target, table.primary_key, self._columns, changing
            )
        else:
            await self._connection.execute(
                f"INSERT INTO {target} AS there ({names}) "  # noqa: S608
                f"SELECT DISTINCT ON ({key}) {names} FROM ingestor_stage ORDER BY {key}, {ROW_COLUMN} DESC "
                f"ON CONFLICT ({key}) DO UPDATE SET {changes} "
                f"WHERE (there.{PROCESS_COLUMN}, there.{ROW_COLUMN}) "
                f"< (excluded.{PROCESS_COLUMN}, excluded.{ROW_COLUMN})"
            )
        await self._connection.execute("DROP TABLE ingestor_stage")

    async def _without_duplicates(
        self, start: int, stop: int, text: memoryview, error: asyncpg.UniqueViolationError | None
    ) -> asyncpg.PostgresError | None:
        """Load what no unique key forbids, by way of a temporary table. Of rows with the same key the first
        one wins, also over one that is in the table (see pg_first_row, pg_first_of_keys); the rows of a
        repair take nobody's place. When the database finds fault with other rows too that error is returned,
        and nothing has changed."""
        connection, target = self._connection, self._target
        left: Mapping[int, Taken | None]
        try:
            async with connection.transaction():
                if self._keys and not self._rows.repairs:
                    await lock_places(connection, target)
                elif len(self._keys) > 1:
                    await share_places(connection, target)
                await self._stage(text)
                if len(self._keys) > 1 and not self._rows.repairs:
                    left, gone = await load_first(
                        connection, self._process_id, self._tenant, target, self._keys, self._columns
                    )
                else:
                    left, gone = await self._by_one_key()
                await connection.execute("DROP TABLE ingestor_stage")
        except asyncpg.PostgresError as other:
            if not _of_rows(other):
                raise
            return other
        unknown = await self._problem(error) if error else None
        for position in range(start, stop):
            number = int(self._rows.row_numbers[position])
            if number in left:
                taken = left[number]
                problem = self._taken(taken) if taken else unknown
                assert problem is not None, "without keys it was the database that found a row taken"
                self._refused.append(Refused(position, problem))
        self.displaced += [Displaced(row.process_id, row.row_number, self._taken(row.taken)) for row in gone]
        return None

    async def _by_one_key(self) -> tuple[dict[int, Taken | None], list[Gone]]:
        """Load those rows of the stage that no key forbids; the others by number, with the key if it is
        known, and those that had to go from the table."""
        connection, names = self._connection, listed(self._columns)
        gone: list[Gone] = []
        await connection.execute(
            f"WITH loaded AS (INSERT INTO {self._target} ({names}) SELECT {names} FROM ingestor_stage "  # noqa: S608
            f"ORDER BY {ROW_COLUMN} ON CONFLICT DO NOTHING RETURNING {ROW_COLUMN}) "
            f"DELETE FROM ingestor_stage s USING loaded WHERE s.{ROW_COLUMN} = loaded.{ROW_COLUMN}"
        )
        key = self._keys[0] if len(self._keys) == 1 else None
        if key and not self._rows.repairs:
            gone = await take_places(connection, self._process_id, self._target, key, self._columns)
        value = key_value(key) if key else "''"
        found = await connection.fetch(f"SELECT {ROW_COLUMN}, {value} FROM ingestor_stage")  # noqa: S608
        return {row[0]: Taken(key, row[1]) if key else None for row in found}, gone

    def _taken(self, taken: Taken) -> Problem:
        """Why a row is not in the table whose key another one has."""
        fields = ", ".join(taken.key.columns)
        if len(self._keys) > 1 and not self._rows.repairs:
            message = f"A row before it has the same {fields}."
        else:
            message = f"A row with the same {fields} is there already."
        code = "primary-key" if taken.key.primary else "unique-error"
        return Problem(code, fields, taken.value, message, "load")

    async def _stage(self, text: memoryview) -> None:
        """Put the rows into the temporary table ingestor_stage."""
        await self._connection.execute(
            f"CREATE TEMPORARY TABLE ingestor_stage (LIKE {self._target} INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        await self._copy(text, "ingestor_stage", None)

    async def _copy(self, text: memoryview, table: str, schema: str | None) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(text), _PIECE):
                yield bytes(text[at : at + _PIECE])

        await self._connection.copy_to_table(
            table, schema_name=schema, columns=self._columns, source=pieces(), format="csv"
        )

    async def _refuse(self, position: int, error: asyncpg.PostgresError) -> None:
        self._refused.append(Refused(position, await self._problem(error)))

    async def _problem(self, error: asyncpg.PostgresError) -> Problem:
        """A reason that a client may see: made of names, never of SQL."""
        table = self._rows.table
        constraint = getattr(error, "constraint_name", None)
        column = getattr(error, "column_name", None)
        if isinstance(error, asyncpg.UniqueViolationError):
            target = f"{quoted(table.schema)}.{quoted(table.name)}"
            kind = await self._connection.fetchval(_CONSTRAINT_KIND, constraint, target)
            if kind == "p":
                fields = ", ".join(table.primary_key)
                return Problem(
                    "primary-key", fields, "", f"A row with the same {fields} is there already.", "load"
                )
            fields = await self._fields(constraint)
            message = f"A row with the same {fields or constraint} is there already."
            return Problem("unique-error", fields, "", message, "load")
        if isinstance(error, asyncpg.ForeignKeyViolationError):
            fields = await self._fields(constraint)
            message = f"The table that {fields or constraint} refers to has no such row."
            return Problem("foreign-key", fields, "", message, "load")
        if constraint:
            message = f"The table's constraint {constraint} refuses the row."
        elif column:
            message = f"The table refuses the value of the column {column}."
        else:
            message = f"The table refuses the row (SQLSTATE {error.sqlstate})."
        return Problem("sink-error", column or "", "", message, "load")

    async def _fields(self, constraint: str | None) -> str:
        """The columns of a constraint of the table."""
        table = self._rows.table
        target = f"{quoted(table.schema)}.{quoted(table.name)}"
        names = await self._connection.fetchval(_CONSTRAINT_FIELDS, constraint, target)
        return ", ".join(names or ())


def _of_rows(error: asyncpg.PostgresError) -> bool:
    """Whether it is about values of rows: data exceptions and violated constraints."""
    return error.sqlstate is not None and error.sqlstate[:2] in ("22", "23")


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
