"""Dry runs of files: their rows go into temporary tables only, slice by slice.

The temporary tables belong to the session, not to a transaction. So between two slices, however long the
client takes, no transaction is open and nothing is locked. During a slice tables are locked as by a SELECT.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg
import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Gauge

from ingestor.access.scope import tenant
from ingestor.outcomes import Notice, RowError
from ingestor.runtime.errors import ResourceExhaustedError
from ingestor.runtime.fair_slots import FairSlots
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.binary.encoded import takes_binary
from ingestor.services.processor.adapters.postgres.columns.facts import columns_of
from ingestor.services.processor.adapters.postgres.columns.fitting import NO_FITTING
from ingestor.services.processor.adapters.postgres.copy import ROW_COLUMN
from ingestor.services.processor.adapters.postgres.faults import (
    foreign_key_error,
    take_out_by_policies,
    too_long_error,
)
from ingestor.services.processor.adapters.postgres.first_row import key_value, taken_error
from ingestor.services.processor.adapters.postgres.loading import load_alone
from ingestor.services.processor.adapters.postgres.stage import STAGE, Staged, make_stage
from ingestor.services.processor.adapters.postgres.table import (
    Key,
    Reference,
    listed,
    not_null,
    sql_name,
    table_now,
    why_none,
)
from ingestor.services.processor.adapters.postgres.target import OWN_ONLY
from ingestor.services.processor.adapters.temporary_tables import session_of_its_own
from ingestor.services.processor.ports import (
    DryRunTables,
    GoodRows,
    Refused,
    SinkRefusedError,
    Table,
    TableDryRun,
    TableNow,
)

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

    PoolConnection = PoolConnectionProxy[Record]

log = structlog.get_logger(__name__)

# Every lookup uses an index: temporary tables have no statistics, and without them a plan may read a whole
# table for each slice. The pool resets these settings.
_SESSION = """
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;
SET lock_timeout = '10s'
"""
# Rows of the slice that lose a key to another row, and rows that refer to a row that does not exist.
_TABLES = """
CREATE TEMPORARY TABLE ingestor_lost (row bigint, key integer, value text, PRIMARY KEY (row, key))
    ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE ingestor_unlinked (row bigint PRIMARY KEY, link integer) ON COMMIT DELETE ROWS
"""
# Rows of the file by key: for an append the rows that would be in the table, for an upsert the first row of
# each key, with its primary key.
_ACCEPTED = "pg_temp.ingestor_accepted"
_SEEN = """
CREATE TEMPORARY TABLE {seen} AS SELECT {columns}, {row} AS _ingestor_row{more} FROM {stage} WITH NO DATA
"""
_UNIQUE = "CREATE UNIQUE INDEX ON {seen} ({key}){nulls}"
_NULLS = "SELECT DISTINCT ARRAY[{nulls}] FROM {stage} s"

_LOST_TO_TABLE = """
INSERT INTO ingestor_lost SELECT s.{row}, {number}, {value} FROM {stage} s
WHERE EXISTS (SELECT 1 FROM {target} t WHERE {meets}{other}) ON CONFLICT DO NOTHING
"""
_LOST_TO_FILE = """
INSERT INTO ingestor_lost SELECT s.{row}, {number}, {value} FROM {stage} s JOIN {seen} t ON {meets}
WHERE t._ingestor_row < s.{row}{other} ON CONFLICT DO NOTHING
"""
_CLAIM = """
INSERT INTO {seen} SELECT DISTINCT ON ({key}) {key}, {row}{more} FROM {stage} s WHERE {claims}
ORDER BY {key}, {row} ON CONFLICT DO NOTHING
"""
_ACCEPT = f"""
INSERT INTO {_ACCEPTED} SELECT {{columns}}, {ROW_COLUMN} FROM {STAGE} s WHERE {{accepted}}
ORDER BY {ROW_COLUMN}
"""  # noqa: S608
# Costs twice as much.
_UNLESS_TAKEN = " ON CONFLICT DO NOTHING"
_NOT_LOST = f"NOT EXISTS (SELECT 1 FROM ingestor_lost l WHERE l.row = s.{ROW_COLUMN})"  # noqa: S608
_NOT_UNLINKED = f"NOT EXISTS (SELECT 1 FROM ingestor_unlinked u WHERE u.row = s.{ROW_COLUMN})"  # noqa: S608
_CLAIMANTS = "SELECT count(*) FROM {stage} s WHERE {claims}"
_IS_UNLINKED = "EXISTS (SELECT 1 FROM ingestor_unlinked u WHERE u.row = s.{row})"
_IS_LOST_BY = "EXISTS (SELECT 1 FROM ingestor_lost l WHERE (l.row, l.key) = (s.{row}, {number}))"
_UNLINK = """
INSERT INTO ingestor_unlinked SELECT s.{row}, {number} FROM {stage} s WHERE {asks} ON CONFLICT DO NOTHING
"""
_OTHER = "EXISTS (SELECT 1 FROM {other} t WHERE {meets})"
_OF_SLICE = (
    "EXISTS (SELECT 1 FROM {stage} t WHERE {meets} "
    "AND NOT EXISTS (SELECT 1 FROM ingestor_unlinked u WHERE u.row = t.{row}))"
)

_ALL_UNLINKED = "SELECT row, link FROM ingestor_unlinked"
_ALL_LOST = "SELECT DISTINCT ON (row) row, key, value FROM ingestor_lost ORDER BY row, key"
# The process that the rows belong to.
_NOBODY = str(uuid.UUID(int=0))
# Seconds that a dry run waits for a slot, and that its cleanup may take.
_PATIENCE = 10.0


class PgDryRunTables(DryRunTables):
    """At most `most` dry runs are open at once, each with a connection of the pool. The last `reserved`
    places are for tenants that have none."""

    def __init__(
        self,
        pool: PgPool,
        most: int,
        schemas: TableSchemas = OWN_ONLY,
        *,
        reserved: int = 0,
        patience: float = _PATIENCE,
    ) -> None:
        """The tables are in the tenant's own schemas or in one of `schemas`."""
        self._pool = pool
        self._schemas = schemas
        self._most = most
        self._slots = FairSlots(most, reserved=reserved)
        self._patience = patience
        self.opened = 0

    @property
    def most(self) -> int:
        """How many may be open."""
        return self._most

    @asynccontextmanager
    async def open(self, table: Table) -> AsyncIterator[PgTableDryRun]:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self._slots.place(tenant()))
            except TimeoutError:
                message = (
                    f"Too many dry runs are under way: there are {self._most} places, and one tenant "
                    "may have a part of them; try again later."
                )
                raise ResourceExhaustedError("TOO_MANY_DRY_RUNS", message) from None
            self.opened += 1
            try:
                session = session_of_its_own(self._pool, "a dry run", _PATIENCE)
                connection = await stack.enter_async_context(session)
                yield await PgTableDryRun.begin(self._pool, connection, table, self._schemas)
            finally:
                self.opened -= 1


def observe_places(tables: PgDryRunTables, registry: CollectorRegistry) -> None:
    """Count the dry runs that are open, and the places for them."""
    Gauge("ingestor_dry_runs_open", "Dry runs into tables that are open.", registry=registry).set_function(
        lambda: tables.opened
    )
    Gauge("ingestor_dry_run_places", "Dry runs that may be open at once.", registry=registry).set(tables.most)


@dataclass(frozen=True, slots=True)
class _KeyCheck:
    """A key, and the parts of the statements that depend on it. `loses`: a row that shares it with an earlier
    row is refused. That is so for all keys but the one by which an upsert replaces rows."""

    key: Key
    number: int
    seen: str
    loses: bool
    parts: dict[str, object]


class PgTableDryRun(TableDryRun):
    def __init__(self, pool: PgPool, connection: PgConnection, table: Table) -> None:
        self._pool = pool
        self._connection = connection
        self._table = table
        self._stage_table = Table("pg_temp", STAGE.removeprefix("pg_temp."), table.columns, ())
        self._fault = ""
        self._target: str | None = None
        self._fitting = NO_FITTING
        self._binary = False
        self._keys_differ = True  # as far as is known, all keys of the file
        self._keys: list[_KeyCheck] = []
        self._references: tuple[Reference, ...] = ()
        self._notices: tuple[Notice, ...] = ()
        self._table_now: TableNow | None = None

    @classmethod
    async def begin(
        cls, pool: PgPool, connection: PgConnection, table: Table, schemas: TableSchemas
    ) -> PgTableDryRun:
        """Begin a dry run on a connection of the pool, in a session whose temporary tables the caller drops.
        Raises TransientError."""
        run = cls(pool, connection, table)
        try:
            async with run._transaction():
                await connection.execute(_SESSION)
                await run._prepare(await make_stage(connection, table, schemas))
        except SinkRefusedError as error:
            run._fault = str(error)
        return run

    @property
    def notices(self) -> Sequence[Notice]:
        return self._notices

    @property
    def table_now(self) -> TableNow | None:
        return self._table_now

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        if self._fault:
            raise SinkRefusedError(self._fault)
        try:
            return await self._try(rows)
        except asyncpg.ProgramLimitExceededError:
            return await self._by_halves(rows)

    async def _by_halves(self, rows: GoodRows) -> Sequence[Refused]:
        """The refused rows of a slice in which a key is too long for an index."""
        count = len(rows.row_numbers)
        if count == 1:
            return [Refused(0, too_long_error())]
        refused: list[Refused] = []
        for start, stop in ((0, count // 2), (count // 2, count)):
            part = replace(
                rows, data=rows.data.slice(start, stop - start), row_numbers=rows.row_numbers[start:stop]
            )
            refused += (replace(row, position=row.position + start) for row in await self.refused(part))
        return refused

    async def _try(self, rows: GoodRows) -> Sequence[Refused]:
        async with self._transaction():
            fitted = await self._fitting.fit(self._connection, rows)
            staged = replace(fitted.rows, table=self._stage_table)
            refused = await load_alone(self._connection, staged, _NOBODY, binary=self._binary)
            if len(refused) < len(staged.row_numbers):
                errors = await take_out_by_policies(self._connection, sql_name(self._table), STAGE)
                errors |= await self._meet()
                numbers = np.fromiter(errors, np.int64, len(errors))
                positions = np.searchsorted(staged.row_numbers, numbers).tolist()
                refused += map(Refused, positions, errors.values())
        return sorted(fitted.with_loaded(refused), key=lambda row: row.position)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """A transaction that raises the errors of the port."""
        async with transient_errors("sink", self._refusal), self._pool.begin(self._connection):
            yield

    def _refusal(self, error: asyncpg.PostgresError) -> Exception:
        if isinstance(error, asyncpg.ProgramLimitExceededError):
            return error  # concerns single rows, see _by_halves
        return SinkRefusedError(why_none(error, self._table))

    async def _prepare(self, staged: Staged) -> None:
        connection, table = self._connection, self._table
        self._target, self._references, self._notices = staged.target, staged.references, staged.notices
        self._fitting = staged.fitting
        self._binary = takes_binary(table, await columns_of(connection, STAGE))
        target = staged.target
        self._table_now = await table_now(connection, target) if target else TableNow(exists=False)
        await connection.execute(_TABLES)
        referred = {frozenset(reference.other_columns) for reference in staged.references if reference.itself}
        for reference in staged.references:
            if reference.itself:
                await connection.execute(f"CREATE INDEX ON {STAGE} ({listed(reference.other_columns)})")
        for number, key in enumerate(staged.keys):
            own = table.upsert and frozenset(key.columns) == frozenset(table.primary_key)
            if own and frozenset(key.columns) not in referred:
                continue
            check = _key_check(
                key,
                number,
                table.primary_key if table.upsert and not own else (),
                not own,
                upsert=table.upsert,
            )
            if table.upsert:
                await connection.execute(_SEEN.format(**check.parts, columns=listed(key.columns)))
                await connection.execute(_UNIQUE.format(**check.parts))
            self._keys.append(check)
        if self._keys and not table.upsert:
            parts = {"seen": _ACCEPTED, "row": ROW_COLUMN, "stage": STAGE, "more": ""}
            await connection.execute(_SEEN.format(**parts, columns=self._key_columns()))
            for check in self._keys:
                await connection.execute(_UNIQUE.format(**check.parts))

    def _key_columns(self) -> str:
        return listed(dict.fromkeys(name for check in self._keys for name in check.key.columns))

    async def _meet(self) -> dict[int, RowError]:
        """The errors of rows of the stage that lose a key to another row or refer to a row that does not
        exist, by row number."""
        unlinked = await self._unlink()
        if self._table.upsert:
            for key in self._keys:
                await self._claim(key, unlinked=unlinked)
        elif self._keys:
            await self._accept(unlinked=unlinked)
        connection = self._connection
        keys = {check.number: check for check in self._keys}
        errors = {
            row["row"]: taken_error(keys[row["key"]].key, "" if self._table.upsert else row["value"])
            for row in await connection.fetch(_ALL_LOST)
        }
        if unlinked:
            errors |= {
                row["row"]: foreign_key_error(", ".join(self._references[row["link"]].columns))
                for row in await connection.fetch(_ALL_UNLINKED)
            }
        return errors

    # -- keys ----------------------------------------------------------------------------------------

    async def _accept(self, *, unlinked: bool) -> None:
        """Note which rows of the stage an append would load (in the file's order, those whose keys are free),
        and which rows lose which keys to them or to the table."""
        lost = any([await self._lose_to_table(check) for check in self._keys])
        conditions = [_NOT_LOST] * lost + [_NOT_UNLINKED] * unlinked
        statement = _ACCEPT.format(columns=self._key_columns(), accepted=" AND ".join(conditions) or "true")
        staged = await self._connection.fetchval(f"SELECT count(*) FROM {STAGE}")  # noqa: S608
        accepted = await self._accepted(statement)
        if accepted == f"INSERT 0 {staged}":
            return
        for check in self._keys:
            await self._lose(check, await self._patterns(check.key))

    async def _accepted(self, statement: str) -> str:
        """What the database answers to the statement, which leaves out rows whose keys are taken."""
        if self._keys_differ:
            try:
                async with savepoint(self._connection):
                    return await self._connection.execute(statement)
            except asyncpg.UniqueViolationError:
                self._keys_differ = False
        return await self._connection.execute(statement + _UNLESS_TAKEN)

    async def _lose_to_table(self, check: _KeyCheck) -> bool:
        """Note which rows of the stage lose the key to the table; True if there are any."""
        found = False
        if not self._target or not check.loses:
            return found
        for nulls in await self._patterns(check.key):
            meets = _meets(check.key.columns, check.key.columns, nulls)
            done = await self._connection.execute(
                _LOST_TO_TABLE.format(**check.parts, target=self._target, meets=meets)
            )
            found |= done != "INSERT 0 0"
        return found

    async def _claim(self, check: _KeyCheck, *, unlinked: bool) -> None:
        """Note the keys of the rows of an upsert's stage, and which rows lose them. A row that refers to a
        row that does not exist takes no key."""
        connection = self._connection
        await self._lose_to_table(check)
        claims = [] if check.key.nulls_are_equal else [not_null(check.key.columns, "s.")]
        if unlinked:
            claims.append("NOT " + _IS_UNLINKED.format(**check.parts))
        claims.append("NOT " + _IS_LOST_BY.format(**check.parts))
        condition = " AND ".join(claims) or "true"
        count = await connection.fetchval(_CLAIMANTS.format(**check.parts, claims=condition))
        done = await connection.execute(_CLAIM.format(**check.parts, claims=condition))
        if check.loses and (unlinked or done != f"INSERT 0 {count}"):
            await self._lose(check, await self._patterns(check.key))

    async def _lose(self, check: _KeyCheck, patterns: Sequence[frozenset[str]]) -> None:
        for nulls in patterns:
            meets = _meets(check.key.columns, check.key.columns, nulls)
            parts = {**check.parts, "other": check.parts["other_seen"], "meets": meets}
            await self._connection.execute(_LOST_TO_FILE.format(**parts))

    async def _patterns(self, key: Key) -> list[frozenset[str]]:
        """The sets of the key's columns that are NULL in rows of the stage which can lose the key. Each needs
        a lookup of its own, since an index finds either a value or NULL."""
        if not key.nulls_are_equal:
            return [frozenset()]
        nulls = ", ".join(f"{listed([name], 's.')} IS NULL" for name in key.columns)
        found = await self._connection.fetch(_NULLS.format(nulls=nulls, stage=STAGE))
        return [
            frozenset(name for name, null in zip(key.columns, row[0], strict=True) if null) for row in found
        ]

    # -- references ----------------------------------------------------------------------------------

    async def _unlink(self) -> bool:
        """Note the rows of the stage that refer to a row that does not exist; True if there are any."""
        found = False
        known = self._references
        while any([await self._unlink_by(number, reference) for number, reference in enumerate(known)]):
            found = True
            if not any(reference.itself for reference in known):
                break  # no row of the stage refers to another one of it
        return found

    async def _unlink_by(self, number: int, reference: Reference) -> bool:
        meets = _meets(reference.other_columns, reference.columns)
        there = []
        if reference.other:
            there.append(_OTHER.format(other=reference.other, meets=meets))
        if reference.itself:
            there.append(_OF_SLICE.format(stage=STAGE, meets=meets, row=ROW_COLUMN))
            columns = frozenset(reference.other_columns)
            there += [
                _OTHER.format(other=check.seen, meets=meets)
                for check in self._keys
                if frozenset(check.key.columns) == columns
            ]
        asks = f"{not_null(reference.columns, 's.')} AND NOT ({' OR '.join(there) or 'false'})"
        if reference.whole:
            some = " OR ".join(f"{listed([name], 's.')} IS NOT NULL" for name in reference.columns)
            asks = f"({asks}) OR (({some}) AND NOT ({not_null(reference.columns, 's.')}))"
        done = await self._connection.execute(
            _UNLINK.format(row=ROW_COLUMN, number=number, stage=STAGE, asks=asks)
        )
        return done != "INSERT 0 0"


def _key_check(key: Key, number: int, owner: Sequence[str], loses: bool, *, upsert: bool) -> _KeyCheck:
    """`owner` are the columns by which an upsert replaces rows: a row loses only to rows with other
    values."""
    seen = f"pg_temp.ingestor_seen_{number}" if upsert else _ACCEPTED
    other = other_seen = more = ""
    if owner:
        names = [f"_ingestor_owner_{place}" for place in range(len(owner))]
        more = "".join(f", {listed([o])} AS {name}" for o, name in zip(owner, names, strict=True))
        theirs = ", ".join(f"t.{name}" for name in names)
        mine = listed(owner, "s.")
        other = f" AND ROW({listed(owner, 't.')}) IS DISTINCT FROM ROW({mine})"
        other_seen = f" AND ROW({theirs}) IS DISTINCT FROM ROW({mine})"
    parts: dict[str, object] = {
        "stage": STAGE,
        "row": ROW_COLUMN,
        "number": number,
        "seen": seen,
        "key": listed(key.columns),
        "value": key_value(key.columns, "s."),
        "more": more,
        "other": other,
        "other_seen": other_seen,
        "nulls": " NULLS NOT DISTINCT" if key.nulls_are_equal else "",
    }
    return _KeyCheck(key, number, seen, loses, parts)


def _meets(theirs: Sequence[str], mine: Sequence[str], nulls: frozenset[str] = frozenset()) -> str:
    """An SQL condition: the columns of the row `t` have the values of those of the row `s`."""
    return " AND ".join(
        f"{listed([there], 't.')} IS NULL AND {listed([here], 's.')} IS NULL"
        if here in nulls
        else f"{listed([there], 't.')} = {listed([here], 's.')}"
        for there, here in zip(theirs, mine, strict=True)
    )
