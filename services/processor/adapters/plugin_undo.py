"""Undo in sinks of outside packages that can, and the close of the process in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.plugins import RefusedBatchError, SinkUndo, TransientSinkError, UndoesProcesses, Undone
from ingestor.runtime.errors import TransientError
from ingestor.runtime.postgres import transient_errors
from services.processor.adapters.pg_closed import undo_once
from services.processor.plug_ins import PlugInError
from services.processor.plugin_sinks import make_sink
from services.processor.ports import SinkChoice, Table, UndoCounts, UndoImpossibleError
from services.processor.problems import shortened

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool


class PlugInUndoer:
    """See Undoer. The sink is called before the close is committed; a crash in between undoes the close, and
    the sink is called again, which its contract makes harmless."""

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def undo(
        self,
        process_id: str,
        tenant: str,
        repairs: Sequence[str],
        table: Table,
        sink: SinkChoice,
        *,
        validate_only: bool,
    ) -> UndoCounts:
        """See Undoer."""
        try:
            made = make_sink(sink.type, sink.options)
        except (PlugInError, ValueError) as error:
            raise UndoImpossibleError(shortened(f"The sink cannot be opened: {error}")) from error
        if not isinstance(made, UndoesProcesses):
            raise UndoImpossibleError(f"The sink {sink.type} cannot take rows out again.")
        asked = SinkUndo(tenant, process_id, (process_id, *repairs), table.name, table.primary_key)

        async def undo() -> UndoCounts:
            return await _undo(made, sink.type, asked, validate_only=validate_only)

        async with (
            transient_errors("markers"),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            return await undo_once(
                connection, process_id, tenant, repairs, undo, validate_only=validate_only
            )  # fmt: skip


async def _undo(sink: UndoesProcesses, name: str, asked: SinkUndo, *, validate_only: bool) -> UndoCounts:
    try:
        found: Undone = await asyncio.to_thread(sink.undo, asked, validate_only=validate_only)
    except TransientSinkError as error:
        raise TransientError(f"sink {name}: {error}") from error
    except RefusedBatchError as error:
        raise UndoImpossibleError(shortened(str(error))) from error
    except Exception as error:
        # Not as it is: an OSError of the sink's is none of the database's, which may pass.
        raise PlugInError(f"the sink {name} failed") from error
    return UndoCounts(found.removed, found.restored, found.kept)
