"""Removes the markers of a process, and the rows that its undo would have set back."""

from __future__ import annotations

from ingestor.removals.ports import Removal, Remover
from ingestor.services.processor.ports import ProcessRecords


class MarkerRemover(Remover):
    def __init__(self, records: ProcessRecords) -> None:
        self._records = records

    async def __call__(self, removal: Removal) -> None:
        await self._records.remove(removal.process_id, removal.tenant, deleted=removal.deleted)
