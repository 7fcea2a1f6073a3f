"""Compares the rows of a process in its table with those that its file gives, as the role of the tenant.

Numbers and hashes of the rows are copied into a temporary table by one statement, which scans the table once.
The rows of each batch are copied into another one with the columns of the table, so that both hashes are of
the same types. PostgreSQL hashes equal values alike. Each batch is a transaction of its own: no lock is held
in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import numpy as np
import structlog

from ingestor.columns.arrow import Int64s
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.columns.fitting import NO_FITTING, Fitting
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN, copy_text
from ingestor.services.processor.adapters.postgres.faults import changes_first
from ingestor.services.processor.adapters.postgres.lineage import Lineage
from ingestor.services.processor.adapters.postgres.table import fitting_of, listed, quoted, sql_name
from ingestor.services.processor.adapters.postgres.target import OWN_ONLY, check_schema
from ingestor.services.processor.adapters.temporary_tables import session_of_its_own
from ingestor.services.processor.ports import GoodRows, Loaded, SinkRefusedError, Table
from ingestor.services.processor.verification.ports import (
    TableBatch,
    TableView,
    UnreadableTableError,
    VerifiedTables,
)

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

log = structlog.get_logger(__name__)

_FOUND = "pg_temp.ingestor_found"
_EXPECTED = "ingestor_expected"
_MOST_EXPLAINED = 100  # rows whose different columns are looked for
_LEAVE_SECONDS = 5.0
_PIECE = 256 * 1024

_COLUMNS = """
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_FIND = """
CREATE TEMPORARY TABLE ingestor_found AS SELECT {number} AS n, {hash} AS h FROM {target} there WHERE {of}
"""
_INDEX = f"CREATE INDEX ON {_FOUND} (n); ANALYZE {_FOUND}"
_EXPECT = """
CREATE TEMPORARY TABLE {expected} ON COMMIT DELETE ROWS AS
SELECT {names}, NULL::bigint AS {row}, NULL::uuid AS {process} FROM {target} WITH NO DATA
"""
_BETWEEN = f"SELECT array_agg(n ORDER BY n) FROM {_FOUND} WHERE n BETWEEN $1 AND $2"  # noqa: S608
_CHOSEN = f"SELECT array_agg(n ORDER BY n) FROM {_FOUND} WHERE n = ANY ($1::bigint[])"  # noqa: S608
_BEYOND = f"""
SELECT count(*) AS count, (array_agg(n ORDER BY n))[1:$2] AS first FROM {_FOUND} WHERE n < 1 OR n > $1
"""  # noqa: S608
_DIFFERENT = f"""
SELECT array_agg(DISTINCT e.{ROW_COLUMN} ORDER BY e.{ROW_COLUMN})
FROM {_EXPECTED} e JOIN {_FOUND} f ON f.n = e.{ROW_COLUMN} WHERE f.h IS DISTINCT FROM {{hash}}
"""  # noqa: S608
_MISSING = f"""
SELECT array_agg(e.{ROW_COLUMN}) FROM {_EXPECTED} e
WHERE NOT EXISTS (SELECT FROM {_FOUND} f WHERE f.n = e.{ROW_COLUMN})
"""  # noqa: S608
_REPLACED = f"""
SELECT array_agg(e.{ROW_COLUMN}) FROM {_EXPECTED} e JOIN {{target}} there ON ({{there_key}}) = ({{e_key}})
WHERE e.{ROW_COLUMN} = ANY ($1::bigint[])
AND ({{process}}, {{number}}) > (e.{PROCESS_COLUMN}, e.{ROW_COLUMN})
"""  # noqa: S608
_EXPLAIN = f"""
SELECT e.{ROW_COLUMN} AS n, array_remove(ARRAY[{{columns}}], NULL) AS columns
FROM {_EXPECTED} e JOIN {{target}} there ON {{of}} AND {{number}} = e.{ROW_COLUMN}
WHERE e.{ROW_COLUMN} = ANY ($2::bigint[])
"""  # noqa: S608


class PgVerifiedTables(VerifiedTables):
    def __init__(self, tenants: PgPool, schemas: TableSchemas = OWN_ONLY) -> None:
        """The transactions of `tenants` run as the tenant; its tables are in its own schemas or in one of
        `schemas`."""
        self._tenants = tenants
        self._schemas = schemas

    @asynccontextmanager
    async def open(self, of: Loaded, chosen: Sequence[int] | None) -> AsyncIterator[PgTableView]:
        async with AsyncExitStack() as stack:
            session = session_of_its_own(self._tenants, "a verification", _LEAVE_SECONDS)
            connection = await stack.enter_async_context(session)
            view = PgTableView(self._tenants, connection, of)
            try:
                async with transient_errors("sink", lambda error: _refusal(error, of.table)):
                    await view.begin(self._schemas, chosen)
            except SinkRefusedError as error:
                raise UnreadableTableError(str(error)) from error
            yield view


class PgTableView(TableView):
    """In a session of its own."""

    def __init__(self, tenants: PgPool, connection: PgConnection, of: Loaded) -> None:
        self._tenants = tenants
        self._connection = connection
        self._of = of
        self._target = sql_name(of.table)
        self._fitting: Fitting = NO_FITTING
        self._names: list[str] = []
        self._as_text: set[str] = set()
        self._lineage = Lineage(self._target, of.table.primary_key, of.tenant, in_columns=True)
        self._values_left_out = ""
        self._explained = 0

    @property
    def values_left_out(self) -> str:
        return self._values_left_out

    async def begin(self, schemas: TableSchemas, chosen: Sequence[int] | None) -> None:
        """Look at the table. Raises UnreadableTableError, SinkRefusedError."""
        table, connection = self._of.table, self._connection
        name = f"{table.schema}.{table.name}"
        async with self._tenants.begin(connection):
            await check_schema(connection, table, schemas)
            there = [row[0] for row in await connection.fetch(_COLUMNS, self._target)]
            if not there:
                raise UnreadableTableError(f"There is no table {name}.", gone=True)
            in_columns = {PROCESS_COLUMN, ROW_COLUMN}.issubset(there)
            if not in_columns and not table.upsert:
                raise UnreadableTableError(
                    f"The table {name} has no columns {PROCESS_COLUMN} and {ROW_COLUMN}, so it is not known "
                    "which of its rows are those of the process."
                )
            self._lineage = Lineage(self._target, table.primary_key, self._of.tenant, in_columns=in_columns)
            self._names = [column for column, _ in table.columns if column in there]
            if lacking := [column for column, _ in table.columns if column not in there]:
                self._values_left_out = (
                    f"Values were not compared: the table {name} no longer has {', '.join(lacking)}."
                )
            elif await changes_first(connection, self._target):
                self._values_left_out = (
                    f"Values were not compared: a trigger of the table {name} may change rows on their way."
                )
            await self._expect()
            await self._find(chosen)

    async def _expect(self) -> None:
        names = ", ".join(
            quoted(name) if name in self._names else f"NULL::{type_} AS {quoted(name)}"
            for name, type_ in self._of.table.columns
        )
        await self._connection.execute(
            _EXPECT.format(
                expected=_EXPECTED, names=names, row=ROW_COLUMN, process=PROCESS_COLUMN, target=self._target
            )
        )
        if self._values_left_out:
            return
        try:
            self._fitting = await fitting_of(self._connection, self._of.table)
        except SinkRefusedError as error:
            self._values_left_out = f"Values were not compared: {error}"
            return
        if not await self._is_hashed(*self._names):
            self._as_text = {name for name in self._names if not await self._is_hashed(name)}

    async def _is_hashed(self, *names: str) -> bool:
        """Whether PostgreSQL hashes values of these columns; not those of json, for example."""
        nothing = ", ".join(
            f"(SELECT {quoted(name)} FROM {_EXPECTED} LIMIT 1)"  # noqa: S608
            for name in names
        )
        try:
            async with savepoint(self._connection):
                await self._connection.execute(f"SELECT hash_record_extended(ROW({nothing}), 0)")
        except asyncpg.UndefinedFunctionError:
            return False
        return True

    def _hash(self, prefix: str) -> str:
        """The hash of a row in SQL."""
        if self._values_left_out:
            return "0::bigint"
        parts = [f"{prefix}{quoted(name)}{'::text' if name in self._as_text else ''}" for name in self._names]
        return f"hash_record_extended(ROW({', '.join(parts)}), 0)"

    async def _find(self, chosen: Sequence[int] | None) -> None:
        of = self._lineage.of_process.replace("$1", f"'{self._of.process_id}'::uuid")
        if chosen is not None:
            of += f" AND {self._lineage.row_number} IN ({', '.join(map(str, map(int, chosen))) or 'NULL'})"
        await self._connection.execute(
            _FIND.format(
                number=self._lineage.row_number, hash=self._hash("there."), target=self._target, of=of
            )
        )
        await self._connection.execute(_INDEX)

    async def between(self, first: int, last: int, expected: GoodRows | None) -> TableBatch:
        return await self._compare(_BETWEEN, (first, last), expected)

    async def chosen(self, numbers: Int64s, expected: GoodRows | None) -> TableBatch:
        return await self._compare(_CHOSEN, (numbers.tolist(),), expected)

    async def beyond(self, last: int, limit: int) -> tuple[int, Sequence[int]]:
        async with transient_errors("sink"), self._tenants.begin(self._connection):
            row = await self._connection.fetchrow(_BEYOND, last, limit)
            assert row is not None
            return row["count"], row["first"] or ()

    async def _compare(self, which: str, arguments: tuple[Any, ...], expected: GoodRows | None) -> TableBatch:
        async with transient_errors("sink"), self._tenants.begin(self._connection):
            numbers = np.array(await self._connection.fetchval(which, *arguments) or (), np.int64)
            if expected is None or not expected.data.num_rows:
                return TableBatch(numbers, {}, frozenset())
            if not await self._stage(expected):
                # Which rows others have replaced cannot be told any more.
                upserted = expected.row_numbers.tolist() if self._of.table.upsert else ()
                return TableBatch(numbers, {}, frozenset(upserted))
            different: dict[int, Sequence[str]] = {}
            if not self._values_left_out:
                found = await self._connection.fetchval(_DIFFERENT.format(hash=self._hash("e.")))
                different = await self._explained_of(found or ())
            return TableBatch(numbers, different, await self._replaced())

    async def _stage(self, expected: GoodRows) -> bool:
        """Copy the rows beside the table. Rows that its columns would refuse now are left out."""
        try:
            async with savepoint(self._connection):
                fitted = await self._fitting.fit(self._connection, expected)
                text = await asyncio.to_thread(copy_text, fitted.rows, self._of.process_id)
                await self._copy(text)
        except asyncpg.PostgresError as error:
            if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
                name = f"{self._of.table.schema}.{self._of.table.name}"
                self._values_left_out = (
                    f"Not all values were compared: the columns of the table {name} no longer take them."
                )
                return False
            raise
        return True

    async def _copy(self, text: memoryview) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(text), _PIECE):
                yield bytes(text[at : at + _PIECE])

        await self._connection.copy_to_table(
            _EXPECTED,
            columns=[*(name for name, _ in self._of.table.columns), ROW_COLUMN, PROCESS_COLUMN],
            source=pieces(),
            format="csv",
        )

    async def _replaced(self) -> frozenset[int]:
        table = self._of.table
        if not table.upsert:
            return frozenset()
        missing = await self._connection.fetchval(_MISSING)
        if not missing:
            return frozenset()
        statement = _REPLACED.format(
            target=self._target,
            there_key=listed(table.primary_key, "there."),
            e_key=listed(table.primary_key, "e."),
            process=self._lineage.process,
            number=self._lineage.row_number,
        )
        return frozenset(await self._connection.fetchval(statement, missing) or ())

    async def _explained_of(self, numbers: Sequence[int]) -> dict[int, Sequence[str]]:
        """For the first rows the columns that differ; for the others none."""
        found: dict[int, Sequence[str]] = dict.fromkeys(numbers, ())
        some = list(numbers[: max(0, _MOST_EXPLAINED - self._explained)])
        if not some:
            return found
        self._explained += len(some)
        columns = ", ".join(
            f"CASE WHEN {self._differs(name)} THEN '{name.replace(chr(39), chr(39) * 2)}' END"
            for name in self._names
        )
        statement = _EXPLAIN.format(
            columns=columns,
            target=self._target,
            of=self._lineage.of_process,
            number=self._lineage.row_number,
        )
        for row in await self._connection.fetch(statement, self._of.process_id, some):
            found[row["n"]] = row["columns"]
        return found

    def _differs(self, name: str) -> str:
        text = "::text" if name in self._as_text else ""
        return f"there.{quoted(name)}{text} IS DISTINCT FROM e.{quoted(name)}{text}"


def _refusal(error: asyncpg.PostgresError, table: Table) -> Exception:
    name = f"{table.schema}.{table.name}"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return UnreadableTableError(
            f"To verify the rows of the table {name}, the suite needs the right to SELECT."
        )
    return UnreadableTableError(f"The rows of the table {name} cannot be read: {error.message}.")
