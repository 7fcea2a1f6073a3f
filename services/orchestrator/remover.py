"""Removes the orchestrator's records of a process."""

from __future__ import annotations

from ingestor.removals.ports import Removal
from ingestor.runtime.errors import TransientError
from ingestor.services.orchestrator.ports import BusyError, Ingestions


class IngestionRemover:
    """Removes the ingestion and the boundaries of its batches."""

    def __init__(self, ingestions: Ingestions) -> None:
        self._ingestions = ingestions

    async def __call__(self, removal: Removal) -> None:
        try:
            async with self._ingestions.hold(removal.process_id):
                await self._ingestions.remove(removal.process_id)
        except BusyError as error:
            raise TransientError("the file is being read") from error
