"""Undo in every sink: those in tree, and those of outside packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.plugin_undo import PlugInUndoer
from ingestor.services.processor.adapters.postgres.undo import PgUndoer
from ingestor.services.processor.ports import JSON_SINK, TABLE_SINK, Loaded, UndoCounts, Undoer

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool


class Undoers(Undoer):
    """Hands the undo to the sink that the process's pipeline names."""

    def __init__(self, pool: PgPool) -> None:
        self._tables = PgUndoer(pool)
        self._outside = PlugInUndoer(pool)

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        undoer = self._tables if of.sink in (TABLE_SINK, JSON_SINK) else self._outside
        return await undoer.undo(of, dry_run=dry_run)

    async def undone(self, process_id: str) -> UndoCounts | None:
        return await self._tables.undone(process_id)

    async def untold(self, limit: int) -> Sequence[tuple[str, UndoCounts]]:
        return await self._tables.untold(limit)

    async def told(self, process_id: str) -> None:
        await self._tables.told(process_id)
