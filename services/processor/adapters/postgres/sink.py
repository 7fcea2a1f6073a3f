"""Loads into typed PostgreSQL tables, with the marker of the batch in the same transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.outcomes import DisplacedRow
from ingestor.runtime.observability.spans import Stages, span
from ingestor.runtime.observability.stages import next_stage, stage
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.pg_rows_before import RowsBefore
from ingestor.services.processor.adapters.postgres import markers
from ingestor.services.processor.adapters.postgres.binary.encoded import Encoded, encoded, takes_binary
from ingestor.services.processor.adapters.postgres.columns.facts import columns_of
from ingestor.services.processor.adapters.postgres.columns.fitting import NO_FITTING, Fitting
from ingestor.services.processor.adapters.postgres.first_row import append_keys
from ingestor.services.processor.adapters.postgres.left_out import left_out_notices
from ingestor.services.processor.adapters.postgres.lineage import (
    Place,
    add_columns,
    no_columns_notice,
    place_of,
)
from ingestor.services.processor.adapters.postgres.loading import EVOLVED, Loading
from ingestor.services.processor.adapters.postgres.markers import PgMarkers, load_unrepaired
from ingestor.services.processor.adapters.postgres.table import (
    check_constraints,
    definition,
    lacking_columns,
    qualified,
    quoted,
    sql_name,
    why_none,
)
from ingestor.services.processor.adapters.postgres.target import (
    OWN_ONLY,
    Way,
    check_making,
    check_owner,
    check_schema,
    version_of,
    way_into,
    why_not_made,
)
from ingestor.services.processor.adapters.postgres.upserts.new_keys import NewKeys
from ingestor.services.processor.adapters.table_locks import TableLocks
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.ports import (
    Applied,
    GoodRows,
    Refused,
    Sink,
    SinkRefusedError,
    Table,
    TableNow,
)

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_MOST_READY = 1000

# How long to wait for users of a table that gets new columns; after that the batch is tried again.
_PATIENCE = "SET LOCAL lock_timeout = '10s'"


@dataclass(frozen=True, slots=True)
class Target:
    """An existing table: how rows get into it, how they are fitted to its columns, whether these read the
    binary form, and whether appended rows may displace others."""

    version: str  # of its definition and rights
    way: Way
    fitting: Fitting
    binary: bool
    displaces: bool


class _UnexplainedError(SinkRefusedError):
    """A load failed for a reason that the look at the table before it had not found."""


class PgSink(PgMarkers, Sink):
    def __init__(self, pool: PgPool, schemas: TableSchemas = OWN_ONLY) -> None:
        """The pool's transactions run as the tenant; its tables are in its own schemas or in one of
        `schemas`."""
        super().__init__(pool)
        self._schemas = schemas
        self._locks = TableLocks()
        self._before = RowsBefore(pool)
        self._new_keys = NewKeys()
        self._ready: dict[tuple[str, Table], Target] = {}  # by tenant: each has rights of its own

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        before = None if rows.repairs else await self._before.count(key, rows.table)
        try:
            try:
                with stage("load"):  # of which the end is the commit
                    return await self._load(key, rows, conclude, before)
            except _UnexplainedError:
                # The table is no longer what was known of it: it is looked at again, which tells why.
                return await self._load(key, rows, conclude, before)
        except SinkRefusedError as error:
            async with transient_errors("sink"):
                error.midway = await markers.has_loaded(self._pool, key.process_id, key.tenant)
            raise

    async def _load(
        self,
        key: BatchKey,
        rows: GoodRows,
        conclude: Callable[[Sequence[Refused]], BatchOutcome],
        rows_before: TableNow | None,
    ) -> Applied:
        owner = rows.repairs or key.process_id
        place = (key.tenant, rows.table)
        before = self._ready.get(place)
        ready: Encoded | None = None  # for the table as it was, or as the suite would make it
        if before is None or not before.fitting.is_needed:
            ready = await _encoded(rows, owner, binary=before is None or before.binary)
        async with (
            transient_errors("sink", lambda error: self._refusal(error, key.tenant, rows.table)),
            Stages("connect") as stages,
            self._pool.transaction() as connection,
        ):
            stages.begin("prepare")
            if known := await markers.begin(connection, key, owner):
                return known
            async with self._locks.patience(connection, key.tenant, rows.table):
                target = await self._ensure(connection, rows.table, key)
            stages.begin("write")
            displaced: list[DisplacedRow] = []
            notices = [] if target.way.in_columns else [no_columns_notice(rows.table)]

            async def load(chosen: GoodRows) -> Sequence[Refused]:
                fitted = await target.fitting.fit(connection, chosen)
                whole = ready if fitted.rows is rows else None
                if whole is None or (whole.binary and not target.binary):
                    whole = await _encoded(fitted.rows, owner, binary=target.binary)
                loading = Loading(connection, key, owner, fitted.rows, target.way, self._new_keys)
                refused = await loading.all(whole)
                displaced.extend(loading.displaced)
                notices.extend(left_out_notices(loading.left_out, loading.lost))
                return fitted.with_loaded(refused)

            if rows.repairs:
                refused = await load_unrepaired(connection, key, rows, load)
            else:
                refused = await load(rows)
            outcome = conclude(refused)
            if not target.displaces:  # then nobody asks for the lines, of which each row may have one
                outcome = replace(outcome, lines=None)
            if notices:
                outcome = replace(outcome, notices=(*outcome.notices, *notices))
            if displaced:
                displaced.sort(key=lambda row: row.row_number)
                outcome = replace(outcome, displaced=tuple(displaced))
            await markers.conclude(connection, outcome)
            if rows_before is not None:
                await self._before.keep(connection, key, rows_before)
            next_stage("commit")
            stages.begin("commit")
        if len(self._ready) >= _MOST_READY:  # an evolving table is another key for each header
            self._ready.clear()
        self._ready[place] = target
        return Applied(outcome)

    def _refusal(self, error: asyncpg.PostgresError, tenant: str, table: Table) -> Exception:
        # The table may have been dropped or changed since it was looked at, a moment ago or long before.
        self._ready.pop((tenant, table), None)
        return _UnexplainedError(why_none(error, table))

    async def _ensure(self, connection: PgConnection, table: Table, key: BatchKey) -> Target:
        """Create the table, or check that the existing one fits, unless it is as it was. Raises
        SinkRefusedError."""
        name = sql_name(table)
        known = self._ready.get((key.tenant, table))
        if known and known.version == await version_of(connection, name):
            return known
        way, fitting, binary = await self._made(connection, table, key)
        displaces = False
        if not table.upsert:
            columns = [column for column, _ in table.columns]
            keys = await append_keys(connection, name, columns, in_columns=way.in_columns)
            displaces = keys.deciding is not None
        return Target(await version_of(connection, name), way, fitting, binary, displaces)

    async def _made(self, connection: PgConnection, table: Table, key: BatchKey) -> tuple[Way, Fitting, bool]:
        name = sql_name(table)
        await check_schema(connection, table, self._schemas)
        # Only one processor creates the table; the lock ends with the transaction.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"ingestor:{name}")
        lacking = await lacking_columns(connection, table)
        if lacking is not None:
            await check_owner(connection, table, lacking)
            if lacking:
                await self._add_columns(connection, name, lacking)
            await check_constraints(connection, table)
            place = await place_of(connection, table)
            if place is Place.TO_ADD:
                await connection.execute(_PATIENCE)
                await add_columns(connection, table, key.tenant)
                await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
                place = Place.COLUMNS
            columns = await columns_of(connection, name)
            way = await way_into(connection, table, place)
            return way, Fitting.of(table, columns), takes_binary(table, columns)
        if await markers.has_loaded(connection, key.process_id, key.tenant):
            raise SinkRefusedError(
                f"The table {table.schema}.{table.name} no longer exists, although the process has loaded "
                "rows into it: create it again, or cancel the process."
            )
        await check_making(connection, table)
        made = definition(table, lambda foreign: qualified(*foreign.table))
        try:
            await connection.execute(f"CREATE TABLE {name} ({made})")
        except asyncpg.PostgresError as error:
            raise why_not_made(error, table) from error
        if table.evolve:
            await self._mark(connection, name, table.columns)
        return Way(), NO_FITTING, True

    async def _add_columns(
        self, connection: PgConnection, name: str, columns: Sequence[tuple[str, str]]
    ) -> None:
        """Waits for batches that are being loaded into the table, and lets none begin before this one is
        committed."""
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


async def _encoded(rows: GoodRows, owner: str, *, binary: bool) -> Encoded:
    with span("encode"):
        return await asyncio.to_thread(encoded, rows, owner, binary=binary)
