"""Undo in sinks of outside packages that can, and the close of the process in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingestor.outcomes import shortened
from ingestor.plugins import PlugInError, SinkUndo, UndoesProcesses
from ingestor.runtime.postgres import transient_errors
from ingestor.services.processor.adapters.postgres.closed import undo_once
from ingestor.services.processor.plugin_sinks import make_sink, plug_in_errors
from ingestor.services.processor.ports import Loaded, UndoCounts, UndoImpossibleError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool


class PlugInUndoer:
    """The sink is called before the close is committed; a crash in between undoes the close, and
    the sink is called again, which its contract makes harmless."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def undo(self, of: Loaded, *, validate_only: bool) -> UndoCounts:
        name = of.sink.type
        try:
            made = make_sink(name, of.sink.options)
        except (PlugInError, ValueError) as error:
            raise UndoImpossibleError(shortened(f"The sink cannot be opened: {error}")) from error
        if not isinstance(made, UndoesProcesses):
            raise UndoImpossibleError(f"The sink {name} cannot take rows out again.")
        undoes: UndoesProcesses = made
        asked = SinkUndo(
            of.tenant, of.process_id, (of.process_id, *of.repairs), of.table.name, of.table.primary_key
        )

        async def undo() -> UndoCounts:
            with plug_in_errors(name, UndoImpossibleError):
                found = await asyncio.to_thread(undoes.undo, asked, validate_only=validate_only)
            return UndoCounts(found.removed, found.restored, found.kept)

        async with (
            transient_errors("markers"),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            return await undo_once(connection, of, undo, validate_only=validate_only)
