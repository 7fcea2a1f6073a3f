"""Every sink: those in tree, a line each, and the door to those of outside packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.plugin_sink import PlugInSinks
from ingestor.services.processor.adapters.postgres.markers import PgMarkers
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    Applied,
    GoodRows,
    Markers,
    Refused,
    RowLoader,
)

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool


def open_sinks(pool: PgPool) -> Sinks:
    """All of them, with markers in the pool's database."""
    tables = PgSink(pool)
    in_tree: dict[str, RowLoader] = {
        TABLE_SINK.type: tables,
        # Rows without a pipeline: a table of one jsonb column.
        JSON_SINK.type: tables,
    }
    return Sinks(in_tree, PlugInSinks(pool), PgMarkers(pool))


class Sinks(RowLoader, Markers):
    """Hands the rows to the sink that their pipeline names."""

    def __init__(self, in_tree: Mapping[str, RowLoader], outside: RowLoader, markers: Markers) -> None:
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
