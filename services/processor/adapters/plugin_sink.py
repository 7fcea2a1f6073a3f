"""Loads into sinks of outside packages, with the markers of batches in PostgreSQL, and undoes in those that
can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from ingestor.outcomes import RowError, capped, shortened
from ingestor.plugin_sinks import make_sink
from ingestor.plugins import PlugInError, RowFault, RowSink, SinkBatch, SinkUndo, UndoesProcesses
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.postgres import markers
from ingestor.services.processor.adapters.postgres.markers import load_unrepaired, undo_once
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.plugin_sinks import plug_in_errors
from ingestor.services.processor.ports import (
    Applied,
    GoodRows,
    Loaded,
    Refused,
    RowLoader,
    SinkChoice,
    SinkRefusedError,
    UndoCounts,
    UndoImpossibleError,
)
from ingestor.types.notation.json_text import canonical_json

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_MOST_OPEN = 64


class PlugInSinks(RowLoader):
    """The marker is claimed before the sink writes and committed afterwards, so that no two processors write
    a batch at the same time. A crash in between undoes the claim, and the batch is written again, which the
    contract of sinks makes harmless."""

    def __init__(self, pool: PgPool) -> None:
        """The pool's transactions run as the tenant."""
        self._pool = pool
        self._open: dict[tuple[str, str, str], RowSink] = {}  # a sink may remember what is one tenant's

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        sink = self._sink(key.tenant, rows.sink)

        async def write(chosen: GoodRows) -> Sequence[Refused]:
            if not chosen.data.num_rows:
                return []
            batch = SinkBatch(
                key.tenant,
                key.process_id,
                key.range.number,
                chosen.table.name,
                chosen.table.primary_key,
                chosen.data,
                pa.array(chosen.row_numbers, pa.int64()),
                chosen.repairs,
            )
            return await self._write(sink, chosen, batch)

        async with (
            transient_errors("markers"),
            self._pool.transaction() as connection,
        ):
            if known := await markers.begin(connection, key, rows.repairs or key.process_id):
                return known
            if rows.repairs:
                refused = await load_unrepaired(connection, key, rows, write)
            else:
                refused = await write(rows)
            outcome = conclude(refused)
            await markers.conclude(connection, outcome)
        return Applied(outcome)

    async def _write(self, sink: RowSink, rows: GoodRows, batch: SinkBatch) -> list[Refused]:
        name = rows.sink.type
        with plug_in_errors(name, SinkRefusedError):
            faults = await asyncio.to_thread(sink.write, batch)
        refused = {fault.position: _refused(name, fault, rows.data.num_rows) for fault in faults}
        return [refused[position] for position in sorted(refused)]

    def _sink(self, tenant: str, choice: SinkChoice) -> RowSink:
        known = (tenant, choice.type, canonical_json(dict(choice.options)))
        if known not in self._open:
            while len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[known] = make_sink(choice.type, choice.options)
        return self._open[known]


def _refused(name: str, fault: RowFault, count: int) -> Refused:
    if not 0 <= fault.position < count:
        raise PlugInError(f"the sink {name} refused a row that does not exist")
    error = RowError("sink-error", fault.column, capped(fault.value), shortened(fault.message), "load")
    return Refused(fault.position, error)


class PlugInUndo:
    """The sink is called before the process is closed. After a crash in between the sink is called again,
    which the contract of sinks makes harmless."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        name = of.sink.type
        try:
            made = make_sink(name, of.sink.options)
        except (PlugInError, ValueError) as error:
            raise UndoImpossibleError(shortened(f"The sink cannot be opened: {error}")) from error
        if not isinstance(made, UndoesProcesses):
            raise UndoImpossibleError(f"The sink {name} cannot undo.")
        undoes: UndoesProcesses = made
        asked = SinkUndo(
            of.tenant, of.process_id, (of.process_id, *of.repairs), of.table.name, of.table.primary_key
        )

        async def undo() -> UndoCounts:
            with plug_in_errors(name, UndoImpossibleError):
                found = await asyncio.to_thread(undoes.undo, asked, dry_run=dry_run)
            return UndoCounts(found.removed, found.restored, found.kept)

        async with (
            transient_errors("markers"),
            self._pool.transaction() as connection,
        ):
            return await undo_once(connection, of, undo, dry_run=dry_run)
