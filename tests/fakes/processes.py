"""Processes as an undo asks for them, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, TransientError
from ingestor.services.processor.ports import Processes, ProcessFacts, UndoCounts


class MemoryProcesses(Processes):
    def __init__(self) -> None:
        self.processes: dict[str, ProcessFacts] = {}
        self.deleted: set[str] = set()
        self.undone: dict[str, UndoCounts] = {}
        self.away = False  # it takes no undo

    async def get(self, process_id: str) -> ProcessFacts:
        if process_id in self.deleted:
            raise NotFoundError("PROCESS_DELETED", "The process was deleted.")
        if process_id not in self.processes:
            raise NotFoundError("PROCESS_NOT_FOUND", "There is no such process.")
        return self.processes[process_id]

    async def repairs_of(self, process_id: str) -> Sequence[ProcessFacts]:
        return [found for found in self.processes.values() if found.repairs == process_id]

    async def record_undo(self, process_id: str, counts: UndoCounts) -> None:
        if self.away:
            raise TransientError("away")
        if not (await self.get(process_id)).ended:
            raise FailedPreconditionError("PROCESS_RUNNING", "The process has not ended.")
        self.undone.setdefault(process_id, counts)

    def end(self, process_id: str) -> None:
        """The process has ended."""
        self.processes[process_id] = replace(self.processes[process_id], ended=True)

    def delete(self, process_id: str) -> None:
        """The process is deleted."""
        del self.processes[process_id]
        self.deleted.add(process_id)
