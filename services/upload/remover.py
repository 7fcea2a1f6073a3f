"""Removes the upload service's records of a process."""

from __future__ import annotations

from ingestor.removals.ports import Removal
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import TransientError
from ingestor.services.upload.ports import ProcessRecords
from ingestor.stores.port import FileWriter


class UploadRemover:
    """Removes the files before the records that name them."""

    def __init__(self, records: ProcessRecords, store: FileWriter, clock: Clock) -> None:
        self._records = records
        self._store = store
        self._clock = clock

    async def __call__(self, removal: Removal) -> None:
        if not await self._records.close(removal.process_id, self._clock.now()):
            raise TransientError("its file is being delivered")
        for key in await self._records.files(removal.process_id):
            await self._store.delete(key)
        await self._records.forget(removal.process_id)
