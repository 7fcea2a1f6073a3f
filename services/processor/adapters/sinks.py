"""Chooses the sink of a pipeline: one of this package, or one of an outside package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.plugin_sink import PlugInSinks, PlugInUndo
from ingestor.services.processor.adapters.postgres.markers import PgMarkers
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.target import OWN_ONLY
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    Applied,
    GoodRows,
    Loaded,
    Refused,
    RowLoader,
    RowUndo,
    Sink,
    UndoCounts,
    Undone,
)

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgPool


def open_sinks(tenants: PgPool, schemas: TableSchemas = OWN_ONLY) -> Sinks:
    """Every sink, with markers in the pool's database. The pool's transactions run as the tenant; its tables
    are in its own schemas or in one of `schemas`."""
    tables = PgSink(tenants, schemas)
    in_tree: dict[str, RowLoader] = {
        TABLE_SINK.type: tables,
        # Rows without a pipeline: a table of one jsonb column.
        JSON_SINK.type: tables,
    }
    return Sinks(in_tree, PlugInSinks(tenants), PgMarkers(tenants))


class Sinks(Sink):
    """Passes rows to the sink that their pipeline names."""

    def __init__(self, in_tree: Mapping[str, RowLoader], outside: RowLoader, markers: PgMarkers) -> None:
        self._in_tree = in_tree
        self._outside = outside
        self._markers = markers

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        loader = self._in_tree.get(rows.sink.type, self._outside)
        return await loader.load(key, rows, conclude)

    async def settle(self, outcome: BatchOutcome) -> Applied:
        return await self._markers.settle(outcome)

    async def forget_outcome(self, key: BatchKey) -> None:
        await self._markers.forget_outcome(key)

    async def has_tenant(self) -> bool:
        return await self._markers.has_tenant()


class Undos(RowUndo):
    """Passes an undo to the sink that the pipeline of the process names."""

    def __init__(self, pool: PgPool, tenants: PgPool) -> None:
        """The transactions of `tenants` run as the tenant."""
        self._tables = PgUndo(pool, tenants)
        self._outside = PlugInUndo(tenants)

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        undo = self._tables if of.sink in (TABLE_SINK, JSON_SINK) else self._outside
        return await undo.undo(of, dry_run=dry_run)

    async def undone(self, process_id: str) -> UndoCounts | None:
        return await self._tables.undone(process_id)

    async def unreported(self, limit: int) -> Sequence[Undone]:
        return await self._tables.unreported(limit)

    async def mark_reported(self, process_id: str) -> None:
        await self._tables.mark_reported(process_id)
