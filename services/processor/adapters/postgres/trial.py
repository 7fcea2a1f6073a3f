"""Dry runs by PostgreSQL: rows go into temporary tables, slice by slice, and into no other.

Temporary tables of a session, not of a transaction: between two slices, for as long as a client likes,
nothing is locked and no transaction is open. Within a slice the tables that it looks at are locked as by a
SELECT, for the moment that it takes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg
import numpy as np
import structlog

from ingestor.outcomes import RowError
from ingestor.runtime.errors import ResourceExhaustedError
from ingestor.runtime.postgres import transient_errors
from ingestor.services.processor.adapters.postgres.copy import ROW_COLUMN
from ingestor.services.processor.adapters.postgres.faults import foreign_problem, too_long_problem
from ingestor.services.processor.adapters.postgres.first_row import key_value, taken_problem
from ingestor.services.processor.adapters.postgres.fit import why_none
from ingestor.services.processor.adapters.postgres.keys import Key
from ingestor.services.processor.adapters.postgres.loading import load_alone
from ingestor.services.processor.adapters.postgres.names import listed, not_null
from ingestor.services.processor.adapters.postgres.references import Reference
from ingestor.services.processor.adapters.postgres.stage import STAGE, Staged, make_stage
from ingestor.services.processor.ports import GoodRows, Refused, SinkRefusedError, Table, Trial, Trials

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

    from ingestor.runtime.postgres import PgConnection, PgPool

    PoolConnection = PoolConnectionProxy[Record]

log = structlog.get_logger(__name__)

# Every lookup goes by an index: temporary tables have no statistics, and without them a plan may read a
# whole table for each slice. The pool resets it all.
_SESSION = """
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;
SET lock_timeout = '10s'
"""
# Rows of the slice that lose a key to another row, and those without the row that they refer to.
_TABLES = """
CREATE TEMPORARY TABLE ingestor_lost (row bigint, key integer, value text, PRIMARY KEY (row, key))
    ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE ingestor_unlinked (row bigint PRIMARY KEY, link integer) ON COMMIT DELETE ROWS
"""
# For each key: the first row of the file that has it. With an upsert also that row's primary key.
_SEEN = """
CREATE TEMPORARY TABLE {seen} AS SELECT {key}, {row} AS _ingestor_row{more} FROM {stage} WITH NO DATA;
CREATE UNIQUE INDEX ON {seen} ({key}){nulls}
"""
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
# Whose the tried rows are.
_NOBODY = str(uuid.UUID(int=0))
# Seconds that a trial waits for its place, and that the end of one may take.
_PATIENCE = 10.0


class PgTrials(Trials):
    """At most `most` are open at once, each with a connection of the pool."""

    def __init__(self, pool: PgPool, most: int, *, patience: float = _PATIENCE) -> None:
        self._pool = pool
        self._most = most
        self._places = asyncio.Semaphore(most)
        self._patience = patience

    @asynccontextmanager
    async def open(self, table: Table) -> AsyncIterator[PgTrial]:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            message = (
                f"{self._most} dry runs are under way, which is as many as there may be; try again later."
            )
            raise ResourceExhaustedError("TOO_MANY_DRY_RUNS", message) from None
        try:
            async with transient_errors("sink"):
                connection = await self._pool.acquire()
            try:
                yield await PgTrial.begin(connection, table)
            finally:
                await self._leave(connection)
        finally:
            self._places.release()

    async def _leave(self, connection: PoolConnection) -> None:
        """Nothing is left behind: if the tables cannot be dropped they go with the session."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await connection.execute("DISCARD TEMP")
        except BaseException as error:
            with suppress(asyncpg.InterfaceError):  # it is gone already
                connection.terminate()
            if not isinstance(error, Exception):
                raise
            log.warning("a dry run's session was ended", error=type(error).__name__)
        finally:
            await self._pool.release(connection)


@dataclass(frozen=True, slots=True)
class _KeyTrial:
    """A key, and what the statements say of it. A row `loses` by it to another row; only in an upsert not by
    the key that tells rows apart."""

    key: Key
    number: int
    seen: str
    loses: bool
    parts: dict[str, object]


class PgTrial(Trial):
    def __init__(self, connection: PgConnection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._stage_table = Table("pg_temp", STAGE.removeprefix("pg_temp."), table.columns, ())
        self._fault = ""
        self._target: str | None = None
        self._keys: list[_KeyTrial] = []
        self._references: tuple[Reference, ...] = ()

    @classmethod
    async def begin(cls, connection: PgConnection, table: Table) -> PgTrial:
        """A trial in a session, whose temporary tables the caller drops. Raises TransientError."""
        trial = cls(connection, table)
        try:
            async with trial._transaction():
                await connection.execute(_SESSION)
                await trial._prepare(await make_stage(connection, table))
        except SinkRefusedError as error:
            trial._fault = str(error)
        return trial

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        if self._fault:
            raise SinkRefusedError(self._fault)
        try:
            return await self._try(rows)
        except asyncpg.ProgramLimitExceededError:
            return await self._by_halves(rows)

    async def _by_halves(self, rows: GoodRows) -> Sequence[Refused]:
        """Of rows of which a key is too long for an index."""
        count = len(rows.row_numbers)
        if count == 1:
            return [Refused(0, too_long_problem())]
        refused: list[Refused] = []
        for start, stop in ((0, count // 2), (count // 2, count)):
            part = replace(
                rows, data=rows.data.slice(start, stop - start), row_numbers=rows.row_numbers[start:stop]
            )
            refused += (replace(row, position=row.position + start) for row in await self.refused(part))
        return refused

    async def _try(self, rows: GoodRows) -> Sequence[Refused]:
        async with self._transaction():
            staged = replace(rows, table=self._stage_table)
            refused = await load_alone(self._connection, staged, _NOBODY)
            if len(refused) < len(rows.row_numbers):
                problems = await self._meet()
                numbers = np.fromiter(problems, np.int64, len(problems))
                places = np.searchsorted(rows.row_numbers, numbers).tolist()
                refused += map(Refused, places, problems.values())
        return sorted(refused, key=lambda row: row.position)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """A transaction whose errors are the port's."""
        async with transient_errors("sink", self._refusal), self._connection.transaction():
            yield

    def _refusal(self, error: asyncpg.PostgresError) -> Exception:
        if isinstance(error, asyncpg.ProgramLimitExceededError):
            return error  # of some rows: see _by_halves
        return SinkRefusedError(why_none(error, self._table))

    async def _prepare(self, staged: Staged) -> None:
        connection, table = self._connection, self._table
        self._target, self._references = staged.target, staged.references
        await connection.execute(_TABLES)
        referred = {frozenset(reference.other_columns) for reference in staged.references if reference.itself}
        for reference in staged.references:
            if reference.itself:
                await connection.execute(f"CREATE INDEX ON {STAGE} ({listed(reference.other_columns)})")
        for number, key in enumerate(staged.keys):
            own = table.upsert and frozenset(key.columns) == frozenset(table.primary_key)
            if own and frozenset(key.columns) not in referred:
                continue
            trial = _key_trial(key, number, table.primary_key if table.upsert and not own else (), not own)
            await connection.execute(_SEEN.format(**trial.parts))
            self._keys.append(trial)

    async def _meet(self) -> dict[int, RowError]:
        """Rows of the stage that lose a key to another row, or refer to none, by number."""
        unlinked = await self._unlink()
        for key in self._keys:
            await self._claim(key, unlinked=unlinked)
        connection = self._connection
        keys = {trial.number: trial for trial in self._keys}
        problems = {
            row["row"]: taken_problem(
                keys[row["key"]].key.columns,
                "" if self._table.upsert else row["value"],
                primary=keys[row["key"]].key.primary,
                several=len(keys) > 1 and not self._table.upsert,
            )
            for row in await connection.fetch(_ALL_LOST)
        }
        if unlinked:
            problems |= {
                row["row"]: foreign_problem(", ".join(self._references[row["link"]].columns))
                for row in await connection.fetch(_ALL_UNLINKED)
            }
        return problems

    # -- keys ----------------------------------------------------------------------------------------

    async def _claim(self, trial: _KeyTrial, *, unlinked: bool) -> None:
        """Note what keys the rows of the stage have, and which rows lose by them. A row that the table
        refuses for what it refers to has none."""
        connection, patterns = self._connection, await self._patterns(trial.key)
        if self._target and trial.loses:
            for nulls in patterns:
                meets = _meets(trial.key.columns, trial.key.columns, nulls)
                await connection.execute(
                    _LOST_TO_TABLE.format(**trial.parts, target=self._target, meets=meets)
                )
        claims = [] if trial.key.nulls_are_equal else [not_null(trial.key.columns, "s.")]
        if unlinked:
            claims.append("NOT " + _IS_UNLINKED.format(**trial.parts))
        if self._table.upsert:
            claims.append("NOT " + _IS_LOST_BY.format(**trial.parts))
        condition = " AND ".join(claims) or "true"
        count = await connection.fetchval(_CLAIMANTS.format(**trial.parts, claims=condition))
        done = await connection.execute(_CLAIM.format(**trial.parts, claims=condition))
        if trial.loses and (unlinked or done != f"INSERT 0 {count}"):
            await self._lose(trial, patterns)

    async def _lose(self, trial: _KeyTrial, patterns: Sequence[frozenset[str]]) -> None:
        for nulls in patterns:
            meets = _meets(trial.key.columns, trial.key.columns, nulls)
            parts = {**trial.parts, "other": trial.parts["other_seen"], "meets": meets}
            await self._connection.execute(_LOST_TO_FILE.format(**parts))

    async def _patterns(self, key: Key) -> list[frozenset[str]]:
        """Which of the key's columns are NULL in rows of the stage that can lose by it; each is a lookup of
        its own, since an index finds a value or NULL, not either."""
        if not key.nulls_are_equal:
            return [frozenset()]
        nulls = ", ".join(f"{listed([name], 's.')} IS NULL" for name in key.columns)
        found = await self._connection.fetch(_NULLS.format(nulls=nulls, stage=STAGE))
        return [
            frozenset(name for name, null in zip(key.columns, row[0], strict=True) if null) for row in found
        ]

    # -- references ----------------------------------------------------------------------------------

    async def _unlink(self) -> bool:
        """Note the rows of the stage that refer to no row; whether there are any."""
        found = False
        known = self._references
        while any([await self._unlink_by(number, reference) for number, reference in enumerate(known)]):
            found = True
            if not any(reference.itself for reference in known):
                break  # none of them loses by it a row that it refers to
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
                _OTHER.format(other=trial.seen, meets=meets)
                for trial in self._keys
                if frozenset(trial.key.columns) == columns
            ]
        asks = f"{not_null(reference.columns, 's.')} AND NOT ({' OR '.join(there) or 'false'})"
        if reference.whole:
            some = " OR ".join(f"{listed([name], 's.')} IS NOT NULL" for name in reference.columns)
            asks = f"({asks}) OR (({some}) AND NOT ({not_null(reference.columns, 's.')}))"
        done = await self._connection.execute(
            _UNLINK.format(row=ROW_COLUMN, number=number, stage=STAGE, asks=asks)
        )
        return done != "INSERT 0 0"


def _key_trial(key: Key, number: int, owner: Sequence[str], loses: bool) -> _KeyTrial:
    """`owner` are the columns that tell the rows of an upsert apart: a row loses to those of others only."""
    seen = f"pg_temp.ingestor_seen_{number}"
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
    return _KeyTrial(key, number, seen, loses, parts)


def _meets(theirs: Sequence[str], mine: Sequence[str], nulls: frozenset[str] = frozenset()) -> str:
    """An SQL condition: the columns of the row `t` have the values of those of the row `s`."""
    return " AND ".join(
        f"{listed([there], 't.')} IS NULL AND {listed([here], 's.')} IS NULL"
        if here in nulls
        else f"{listed([there], 't.')} = {listed([here], 's.')}"
        for there, here in zip(theirs, mine, strict=True)
    )
