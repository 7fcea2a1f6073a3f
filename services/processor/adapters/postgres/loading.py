"""Loads the rows of one batch into a table: all at once, or without those that the table refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import numpy as np
from opentelemetry.trace import SpanKind

from ingestor.columns.arrow import Int64s
from ingestor.outcomes import DisplacedRow, RowError
from ingestor.runtime.observability.spans import Attributes, counted, span
from ingestor.runtime.observability.stages import stage
from ingestor.runtime.postgres.errors import TRANSIENT_ERRORS
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.binary.encoded import Encoded, encoded
from ingestor.services.processor.adapters.postgres.copy import (
    ROW_COLUMN,
    column_names,
    copy_text,
)
from ingestor.services.processor.adapters.postgres.faults import is_of_row, row_error, take_out_faults
from ingestor.services.processor.adapters.postgres.first_row import (
    AppendKeys,
    append_keys,
    insert_free,
    lock_taken,
    lost_keys,
    take_places,
)
from ingestor.services.processor.adapters.postgres.left_out import (
    left_out_error,
    not_there,
    not_upserted,
    staged,
    take_out_loaded,
)
from ingestor.services.processor.adapters.postgres.lineage import ADDED, Lineage
from ingestor.services.processor.adapters.postgres.table import listed, quoted, sql_name
from ingestor.services.processor.adapters.postgres.target import Way
from ingestor.services.processor.adapters.postgres.upserts.new_keys import NewKeys
from ingestor.services.processor.adapters.postgres.upserts.upsert import upsert
from ingestor.services.processor.batches import BatchKey, BatchRange
from ingestor.services.processor.ports import GoodRows, Refused

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_PIECE = 256 * 1024

# The comment on a column that was added to an evolving table. In such a column a row that replaces another is
# empty, unless its own batch has the column.
EVOLVED = "Made by Data Ingestor: part of the rows that it replaces."

_EVOLVED_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
AND NOT a.attisdropped AND col_description(a.attrelid, a.attnum) = $2 ORDER BY a.attnum
"""

_NEEDED = """
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass('pg_temp.ingestor_stage') AND attnum > 0 AND attnotnull
"""

# How many rows are loaded alone to learn whether an error is about rows or about the table.
_SAMPLES = 16

# What the database checks late is checked with the rows that it is about, not at the commit of all.
_CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"
_CHECK_LATER = "SET CONSTRAINTS ALL DEFERRED"


# Rows with new keys come in their own order, not in that of the key: they wait for another batch only so
# long, and never deadlock.
_HARDLY_WAIT = "SET LOCAL lock_timeout = '100ms'"
_WAIT = "SET LOCAL lock_timeout TO DEFAULT"


class _AcceptedError(Exception):
    """A row is accepted; rolls it back."""


_PLAIN = Way()


class Loading:
    """Loads the rows of one batch and finds those that the database refuses."""

    def __init__(
        self,
        connection: PgConnection,
        key: BatchKey,
        owner: str,
        rows: GoodRows,
        way: Way = _PLAIN,
        new_keys: NewKeys | None = None,
    ) -> None:
        """`owner` is the process that the rows belong to."""
        self._connection = connection
        self._way = way
        self._new_keys = new_keys or NewKeys()
        self._tenant = key.tenant
        self._process_id = owner
        self._rows = rows
        self._columns = column_names(rows, lineage=way.in_columns)
        self._target = sql_name(rows.table)
        self._keys: AppendKeys | None = None
        self._refused: list[Refused] = []
        self._some_are_in = False
        self._copies = 0
        self._rows_are_at_fault = False
        self.left_out: list[int] = []  # numbers of rows
        self.lost = 0  # rows that were left out, nobody knows which
        self.displaced: list[DisplacedRow] = []  # rows of the process that were loaded with other batches

    async def all(self, encoded: Encoded) -> list[Refused]:
        """Load the rows; returns those that were refused, by position."""
        count = self._rows.data.num_rows
        if count and not await self._new(encoded):
            await self._some(np.arange(count), encoded, tidy=False)
        return sorted(self._refused, key=lambda row: row.position)

    async def _new(self, encoded: Encoded) -> bool:
        """Copy the rows of an upsert into the table itself, if all of them may have new keys. Returns whether
        they are in; if not, nothing has changed, and `_some` finds out why."""
        table = self._rows.table
        if not (
            table.upsert
            and self._way.plain
            and self._way.in_columns
            and self._new_keys.expected(self._tenant, self._target)
        ):
            return False
        try:
            async with self._part():
                await self._connection.execute(_HARDLY_WAIT)
                await self._copy(encoded, self._columns, table.name, table.schema)
                await self._connection.execute(_WAIT)
        except asyncpg.LockNotAvailableError:
            return False
        except asyncpg.PostgresError as error:
            if isinstance(error, TRANSIENT_ERRORS):
                raise
            if isinstance(error, asyncpg.UniqueViolationError):
                self._new_keys.note(self._tenant, self._target, new=False)
            return False
        return True

    async def _some(self, positions: Int64s, encoded: Encoded, *, tidy: bool) -> None:
        """Load these rows: all at once, else without those that are refused, else by halves. `tidy` rows have
        no fault that `take_out_faults` finds. An upsert always looks for faults first: a row that another one
        of its batch replaces is never inserted, but must fail as it would in another batch. Rows in binary
        form that have another fault than a constraint are tried again as text."""
        fault: asyncpg.PostgresError | None = None
        if tidy or not self._rows.table.upsert:
            try:
                self._leave_out(await self._all_at_once(positions, encoded))
                return
            except asyncpg.PostgresError as error:
                if _may_be_of_binary(error, encoded):
                    await self._some_as_text(positions, tidy=tidy)
                    return
                if not await self._is_of_rows(error, positions):
                    raise
                fault = error
        taken = isinstance(fault, asyncpg.UniqueViolationError) and not self._rows.table.upsert
        if fault is None or (self._way.stages and ((taken and self._way.frees) or not tidy)):
            faults: dict[int, RowError] = {}
            fault = await self._sort_out(positions, encoded, faults, tidy=tidy)
            if fault is None:
                return
            if _may_be_of_binary(fault, encoded):
                await self._some_as_text(positions, tidy=tidy)
                return
            positions = self._refuse(positions, faults)
        if len(positions) == 1:
            self._refused.append(Refused(int(positions[0]), await self._error(fault)))
            return
        for half in np.array_split(positions, 2):
            if len(half):
                await self._some_as_text(half, tidy=True)

    async def _some_as_text(self, positions: Int64s, *, tidy: bool) -> None:
        await self._some(positions, await asyncio.to_thread(self._text, positions), tidy=tidy)

    async def _all_at_once(self, positions: Int64s, encoded: Encoded) -> Sequence[int]:
        """Load these rows. Returns the numbers of those that were left out."""
        table, numbers = self._rows.table, self._rows.row_numbers[positions]
        async with self._part():
            if self._way.copies and not table.upsert:
                if not self._way.in_columns:
                    encoded = await asyncio.to_thread(self._text, positions, lineage=False)
                done = await self._copy(encoded, self._columns, table.name, table.schema)
                return await self._missing(numbers, done)
            await self._stage(encoded)
            if table.upsert:
                return await self._upsert()
            return await self._missing(numbers, await self._insert_all())

    async def _missing(self, numbers: Sequence[int] | Int64s, done: int) -> Sequence[int]:
        """Of these rows, of which the database has loaded `done` into the table itself, those that are not
        there."""
        if done >= len(numbers):
            return ()
        if not self._way.tells:
            self.lost += len(numbers) - done
            return ()
        return await not_there(self._connection, self._target, self._process_id, list(map(int, numbers)))

    def _leave_out(self, numbers: Sequence[int]) -> None:
        """Note rows that the table has left out without an error, by number."""
        if numbers:
            self.left_out += numbers
            self._refuse(np.arange(len(self._rows.row_numbers)), dict.fromkeys(numbers, left_out_error()))

    @asynccontextmanager
    async def _part(self) -> AsyncIterator[None]:
        """Rows that get in together or not at all, with all constraints checked at the end."""
        async with savepoint(self._connection, closing=_CHECK_NOW):
            if self._some_are_in:  # their check has changed the mode
                await self._connection.execute(_CHECK_LATER)
            yield
        self._some_are_in = True

    async def _is_of_rows(self, error: asyncpg.PostgresError, positions: Int64s) -> bool:
        """Whether an error is about some of these rows, not about the table: then it is another one, or none,
        for some of the rows alone."""
        if is_of_row(error):
            return True
        if isinstance(error, TRANSIENT_ERRORS):
            return False
        if not self._rows_are_at_fault:
            chosen = np.unique(np.linspace(0, len(positions) - 1, _SAMPLES).astype(np.int64))
            for position in positions[chosen]:
                found = await self._error_alone(position)
                if found is None or found.sqlstate != error.sqlstate:
                    self._rows_are_at_fault = True
                    break
        return self._rows_are_at_fault

    async def _error_alone(self, position: np.int64) -> asyncpg.PostgresError | None:
        """The database's error if this row were loaded alone."""
        alone, lost = np.array([position]), self.lost
        try:
            async with savepoint(self._connection):
                await self._all_at_once(alone, self._text(alone))
                raise _AcceptedError
        except _AcceptedError:
            return None
        except asyncpg.PostgresError as error:
            if isinstance(error, TRANSIENT_ERRORS) and not is_of_row(error):
                raise
            return error
        finally:
            self.lost = lost

    async def _error(self, error: asyncpg.PostgresError) -> RowError:
        return await row_error(self._connection, self._rows.table, error)

    def _text(self, positions: Int64s, *, lineage: bool = True) -> Encoded:
        data, numbers = self._rows.data.take(positions), self._rows.row_numbers[positions]
        rows = replace(self._rows, data=data, row_numbers=numbers)
        return Encoded((copy_text(rows, self._process_id, lineage=lineage),))

    def _refuse(self, positions: Int64s, errors: Mapping[int, RowError]) -> Int64s:
        """Note the rows that have an error, by row number. Returns the positions of the others."""
        numbers = self._rows.row_numbers[positions]
        found = np.isin(numbers, np.fromiter(errors, np.int64, len(errors)))
        for position in positions[found].tolist():
            self._refused.append(Refused(position, errors[int(self._rows.row_numbers[position])]))
        return positions[~found]

    async def _upsert(self) -> Sequence[int]:
        """Upsert the last row of each key of the stage, in the order of the key, so that two batches never
        deadlock. Returns the numbers of rows that were left out."""
        table, target = self._rows.table, self._target
        # Before the columns are read, so that none is added until the rows are in.
        await self._connection.execute(f"LOCK TABLE {target} IN ROW EXCLUSIVE MODE")
        evolved = [row[0] for row in await self._connection.fetch(_EVOLVED_COLUMNS, target, EVOLVED)]
        lineage = Lineage(target, table.primary_key, self._tenant, self._way.in_columns)
        changing = (*self._columns, *evolved)
        new = await upsert(
            self._connection,
            self._tenant,
            lineage,
            self._columns,
            changing,
            undo=table.undo,
            plain=self._way.plain,
        )
        self._new_keys.note(self._tenant, target, new=new)
        found: Sequence[int] = ()
        if self._way.may_leave_out:
            found = await not_upserted(self._connection, lineage)
        await self._connection.execute("DROP TABLE ingestor_stage")
        if not self._way.in_columns:
            return found
        return await self._missing(found, 0)  # a trigger may have changed the key

    async def _sort_out(
        self, positions: Int64s, encoded: Encoded, faults: dict[int, RowError], *, tidy: bool
    ) -> asyncpg.PostgresError | None:
        """Load these rows through a temporary table, without those that the table refuses by themselves and
        those whose key is taken (see first_row). If the database refuses yet other rows, nothing is changed,
        its error is returned, and `faults` has what was found."""
        losers: dict[int, RowError] = {}
        displaced: list[DisplacedRow] = []
        left_out: Sequence[int] = ()
        try:
            async with self._part():
                await self._stage(encoded)
                if not tidy:
                    faults |= await take_out_faults(self._connection, self._target, self._columns)
                if self._rows.table.upsert:
                    left_out = await self._upsert()
                elif self._way.frees:
                    losers, displaced, left_out = await self._append_free()
                else:
                    numbers = await staged(self._connection)
                    left_out = await self._missing(numbers, await self._insert_all())
        except asyncpg.PostgresError as error:
            if not _may_be_of_binary(error, encoded) and not await self._is_of_rows(error, positions):
                raise
            return error
        self._refuse(positions, faults | losers)
        self._leave_out(left_out)
        self.displaced += displaced
        return None

    async def _insert_all(self) -> int:
        """Insert the rows of the stage, in order. Returns how many the table took."""
        names = listed(self._columns)
        done = await self._connection.execute(
            f"INSERT INTO {self._target} ({names}) SELECT {names} FROM ingestor_stage "  # noqa: S608
            f"ORDER BY {ROW_COLUMN}"
        )
        await self._connection.execute("DROP TABLE ingestor_stage")
        return _count(done)

    async def _append_free(self) -> tuple[dict[int, RowError], list[DisplacedRow], Sequence[int]]:
        """Load the rows of the stage whose keys are free, or belong to later rows of the same file. Returns
        the errors of the others, by row number, the displaced rows, and the numbers of rows that were left
        out."""
        connection, target = self._connection, self._target
        keys = await self._append_keys()
        await lock_taken(connection, target)
        await self._insert_free()
        displaced: list[DisplacedRow] = []
        while keys.deciding and not self._rows.repairs:
            found = await take_places(
                connection,
                self._process_id,
                int(self._rows.row_numbers.max()),
                target,
                keys.deciding,
                self._columns,
            )
            if not found:
                break
            displaced += found
            # A displaced row no longer has its other keys, by which a row may have lost.
            await self._insert_free()
        left = await staged(connection)
        losers = await lost_keys(connection, self._process_id, target, keys) if left else {}
        left_out = []
        for number in (number for number in left if number not in losers):
            why = await self._why_left(number)
            if why:
                losers[number] = why
            else:
                left_out.append(number)
        await connection.execute("DROP TABLE ingestor_stage")
        return losers, displaced, left_out

    async def _insert_free(self) -> None:
        """Load the rows of the stage whose keys are free, and take out those that are in the table now."""
        await insert_free(self._connection, self._target, self._columns, in_columns=self._way.in_columns)
        if self._way.may_leave_out and self._way.tells:  # a trigger may have loaded them elsewhere
            await take_out_loaded(self._connection, self._target, self._process_id)

    async def _append_keys(self) -> AppendKeys:
        if self._keys is None:
            columns = [name for name, _ in self._rows.table.columns]
            self._keys = await append_keys(
                self._connection, self._target, columns, in_columns=self._way.in_columns
            )
        return self._keys

    async def _why_left(self, number: int) -> RowError | None:
        """Why the database refuses a row that it left in the stage; None if it does not."""
        names = listed(self._columns)
        try:
            async with savepoint(self._connection):
                await self._connection.execute(
                    f"INSERT INTO {self._target} ({names}) SELECT {names} FROM ingestor_stage "  # noqa: S608
                    f"WHERE {ROW_COLUMN} = $1",
                    number,
                )
                raise _AcceptedError
        except asyncpg.IntegrityConstraintViolationError as error:
            return await self._error(error)
        except _AcceptedError:
            return None

    async def _stage(self, encoded: Encoded) -> None:
        """Copy the rows into the temporary table ingestor_stage, which checks nothing but their types."""
        connection = self._connection
        await connection.execute(
            f"CREATE TEMPORARY TABLE ingestor_stage (LIKE {self._target} INCLUDING DEFAULTS "
            "INCLUDING GENERATED) ON COMMIT DROP"
        )
        if not self._way.in_columns:
            await connection.execute(f"ALTER TABLE ingestor_stage {ADDED}")
        needed = [row[0] for row in await connection.fetch(_NEEDED)]
        if needed:
            changes = ", ".join(f"ALTER COLUMN {quoted(name)} DROP NOT NULL" for name in needed)
            await connection.execute(f"ALTER TABLE ingestor_stage {changes}")
        await self._copy(encoded, column_names(self._rows), "ingestor_stage", None)

    async def _copy(self, encoded: Encoded, columns: Sequence[str], table: str, schema: str | None) -> int:
        """Returns how many rows the table took."""

        async def pieces() -> AsyncIterator[bytes]:
            for part in encoded.parts:
                for at in range(0, len(part), _PIECE):
                    yield part[at : at + _PIECE]  # type: ignore[misc]  # asyncpg takes any buffer

        # By the conventions of OpenTelemetry for databases.
        facts: Attributes = {
            "db.system.name": "postgresql",
            "db.operation.name": "COPY",
            "db.collection.name": f"{schema}.{table}" if schema else table,
            "ingestor.bytes": sum(map(len, encoded.parts)),
        }
        self._copies += 1  # very many if rows are refused
        with stage("copy"), counted(self._copies), span("COPY", SpanKind.CLIENT, facts):
            done = await self._connection.copy_to_table(
                table, schema_name=schema, columns=columns, source=pieces(), format=encoded.format
            )
        return _count(done)


def _may_be_of_binary(error: asyncpg.PostgresError, encoded: Encoded) -> bool:
    """Whether the same rows as text may have another error, or none. A constraint says the same of both."""
    return (
        encoded.binary
        and not isinstance(error, asyncpg.IntegrityConstraintViolationError)
        and (is_of_row(error) or not isinstance(error, TRANSIENT_ERRORS))
    )


def _count(done: str) -> int:
    """The number of rows in what the database answers, such as COPY 5."""
    return int(done.rpartition(" ")[2])


async def load_alone(
    connection: PgConnection, rows: GoodRows, process_id: str, *, binary: bool
) -> list[Refused]:
    """Load rows that belong to no batch into a table that exists; `binary`: it reads their binary form.
    Returns those that it refuses, by position. In the caller's transaction."""
    whole = await asyncio.to_thread(encoded, rows, process_id, binary=binary)
    no_batch = BatchKey(process_id, "", BatchRange(0, 0, 0, 0, 0, 0))
    return await Loading(connection, no_batch, process_id, rows).all(whole)
