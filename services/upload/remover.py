"""What the upload service removes of a process."""

from __future__ import annotations

from ingestor.removals.ports import Removal
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import TransientError
from ingestor.services.upload.ports import Leavings
from ingestor.stores.port import FileWriter


class UploadRemover:
    """Removes the files, then the upload's records, which name the files."""

    def __init__(self, leavings: Leavings, store: FileWriter, clock: Clock) -> None:
        self._leavings = leavings
        self._store = store
        self._clock = clock

    async def __call__(self, removal: Removal) -> None:
        if not await self._leavings.close(removal.process_id, self._clock.now()):
            raise TransientError("its file is being delivered")
        for key in await self._leavings.files(removal.process_id):
            await self._store.delete(key)
        await self._leavings.forget(removal.process_id)
