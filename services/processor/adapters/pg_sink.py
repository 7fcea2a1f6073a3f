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
from services.processor.adapters.pg_first_row import deciding_key, key_value, lock_places, take_places
from services.processor.adapters.pg_fit import (
    check_constraints,
    definition,
    lacking_columns,
    sql_name,
    why_none,
)
from services.processor.adapters.pg_markers import PgMarkers
from services.processor.adapters.pg_names import quoted
from services.processor.adapters.pg_repaired_rows import load_unrepaired
from services.processor.adapters.pg_upsert import upsert_with_undo
from services.processor.batches import BatchKey, BatchOutcome, BatchRange, Rejected
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

_EVOLVED_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) = $2 ORDER BY a.attnum
"""

_CONSTRAINT_KIND = """
SELECT contype::text FROM pg_constraint WHERE conname = $1 AND conrelid = to_regclass($2)
"""

_CONSTRAINT_FIELDS = """
SELECT array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place)
FROM pg_constraint c WHERE c.conname = $1 AND c.conrelid = to_regclass($2)
"""


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
            displaced: list[Rejected] = []

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
                displaced.sort(key=lambda row: row.row_number)
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
                raise SinkRefusedError(why_none(error, table)) from error

    async def _ensure(self, connection: PgConnection, table: Table) -> None:
        """Make the table, or check that the one that is there fits. Raises SinkRefusedError."""
        name = sql_name(table)
        if table in self._ready and await connection.fetchval("SELECT to_regclass($1)", name):
            return
        # Only one processor makes the table; the lock goes with the transaction.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"ingestor:{name}")
        lacking = await lacking_columns(connection, table)
        if lacking is not None:
            if lacking:
                await self._add_columns(connection, name, lacking)
            await check_constraints(connection, table)
            return
        made = definition(table, lambda foreign: f"{quoted(foreign.table[0])}.{quoted(foreign.table[1])}")
        if table.schema != "public":
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
        await connection.execute(f"CREATE TABLE {name} ({made})")
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


class _Loading:
    """Loads the rows of one batch and finds those that the database refuses."""

    def __init__(self, connection: PgConnection, key: BatchKey, owner: str, rows: GoodRows) -> None:
        """`owner` is the process whose rows they are."""
        self._connection = connection
        self._tenant = key.tenant
        self._process_id = owner
        self._rows = rows
        self._columns = column_names(rows)
        self._refused: list[Refused] = []
        self.displaced: list[Rejected] = []  # rows of other batches that are not in the table any more

    async def all(self, text: memoryview) -> list[Refused]:
        """Load every row; the refused ones by position."""
        count = self._rows.data.num_rows
        if count:
            await self._range(0, count, text)
        return sorted(self._refused, key=lambda row: row.position)

    async def _range(self, start: int, stop: int, text: memoryview | None = None) -> None:
        """Load [start, stop): at one go, else without those whose key is taken, else by halves."""
        if text is None:
            text = await asyncio.to_thread(copy_text, self._rows, self._process_id, start, stop)
        try:
            async with self._connection.transaction():  # a savepoint
                if self._rows.table.upsert:
                    await self._upsert(text)
                else:
                    await self._copy(text, self._rows.table.name, self._rows.table.schema)
            return
        except asyncpg.UniqueViolationError as error:
            fault: asyncpg.PostgresError = error
            if not self._rows.table.upsert:
                other = await self._without_duplicates(start, stop, text, error)
                if other is None:
                    return
                fault = other
            if stop - start == 1:
                await self._refuse(start, fault)
                return
        except asyncpg.PostgresError as error:
            if error.sqlstate is None or error.sqlstate[:2] not in ("22", "23"):
                raise
            if stop - start == 1:
                await self._refuse(start, error)
                return
        middle = (start + stop) // 2
        await self._range(start, middle)
        await self._range(middle, stop)

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
        await self._connection.execute(
            f"CREATE TEMPORARY TABLE ingestor_stage (LIKE {target} INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        await self._copy(text, "ingestor_stage", None)
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
        self, start: int, stop: int, text: memoryview, error: asyncpg.UniqueViolationError
    ) -> asyncpg.PostgresError | None:
        """Load what no unique key forbids, by way of a temporary table. Of rows of one process with the same
        key the first one wins, also over one that is in the table (see pg_first_row); a row of another
        process stays, and the rows of a repair take nobody's place. When the database finds fault with other
        rows too that error is returned, and nothing has changed."""
        table = self._rows.table
        target = f"{quoted(table.schema)}.{quoted(table.name)}"
        names = ", ".join(map(quoted, self._columns))
        connection, displaced = self._connection, list[tuple[int, str]]()
        try:
            async with connection.transaction():
                key = await deciding_key(connection, target, [name for name, _ in table.columns])
                first_wins = key is not None and not self._rows.repairs
                if first_wins:
                    await lock_places(connection, self._process_id, target)
                await connection.execute(
                    f"CREATE TEMPORARY TABLE ingestor_stage (LIKE {target} INCLUDING DEFAULTS) ON COMMIT DROP"
                )
                await self._copy(text, "ingestor_stage", None)
                await connection.execute(
                    f"WITH loaded AS (INSERT INTO {target} ({names}) SELECT {names} FROM ingestor_stage "  # noqa: S608
                    f"ORDER BY {ROW_COLUMN} ON CONFLICT DO NOTHING RETURNING {ROW_COLUMN}) "
                    f"DELETE FROM ingestor_stage s USING loaded WHERE s.{ROW_COLUMN} = loaded.{ROW_COLUMN}"
                )
                if key and first_wins:
                    displaced = await take_places(connection, self._process_id, target, key, self._columns)
                value = key_value(key) if key else "''"
                found = await connection.fetch(f"SELECT {ROW_COLUMN}, {value} FROM ingestor_stage")  # noqa: S608
                left: dict[int, str] = {row[0]: row[1] for row in found}
                await connection.execute("DROP TABLE ingestor_stage")
        except asyncpg.PostgresError as other:
            if other.sqlstate is None or other.sqlstate[:2] not in ("22", "23"):
                raise
            return other
        problem = await self._problem(error)
        for position in range(start, stop):
            number = int(self._rows.row_numbers[position])
            if number in left:
                self._refused.append(Refused(position, replace(problem, value=left[number])))
        for number, taken in displaced:
            self.displaced.append(Rejected(number, 0, "failed", (replace(problem, value=taken),), ()))
        return None

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


async def load_by_halves(connection: PgConnection, rows: GoodRows, process_id: str) -> list[Refused]:
    """Load rows into a table that is there and has no unique key; those that it refuses, by position. In the
    caller's transaction."""
    text = await asyncio.to_thread(copy_text, rows, process_id)
    of_none = BatchKey(process_id, "", BatchRange(0, 0, 0, 0, 0, 0))
    return await _Loading(connection, of_none, process_id, rows).all(text)
