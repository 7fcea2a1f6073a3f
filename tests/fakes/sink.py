"""A sink and pipelines in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from services.processor.batches import BatchKey, BatchOutcome
from services.processor.ports import Applied, GoodRows, Refused, StoredPipeline
from services.processor.problems import Problem


class MemorySink:
    """See Sink: tables of rows with their lineage, unique by the primary key."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.markers: dict[tuple[str, int], BatchOutcome | None] = {}

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        """See Sink."""
        mark = (key.process_id, key.range.number)
        if mark in self.markers:
            return Applied(self.markers[mark])
        table = self.tables.setdefault(rows.table.name, [])
        names = rows.table.primary_key
        taken = {tuple(row[name] for name in names) for row in table} if names else set()
        refused = []
        for position, row in enumerate(rows.data.to_pylist()):
            made = {
                **row, "_row_number": int(rows.row_numbers[position]), "_process_id": key.process_id
            }  # fmt: skip
            if names:
                unique = tuple(row[name] for name in names)
                if unique in taken and rows.table.upsert:
                    (there,) = [old for old in table if tuple(old[name] for name in names) == unique]
                    lineage = ("_process_id", "_row_number")
                    if tuple(there[n] for n in lineage) < tuple(made[n] for n in lineage):
                        there.clear()
                        there.update(made)
                    continue
                if unique in taken:
                    fields = ", ".join(names)
                    message = f"A row with the same {fields} is there already."
                    refused.append(Refused(position, Problem("primary-key", fields, "", message, "load")))
                    continue
                taken.add(unique)
            table.append(made)
        outcome = self.markers[mark] = conclude(refused)
        return Applied(outcome)

    async def settle(self, outcome: BatchOutcome) -> Applied:
        """See Sink."""
        mark = (outcome.key.process_id, outcome.key.range.number)
        if mark in self.markers:
            return Applied(self.markers[mark])
        self.markers[mark] = outcome
        return Applied(outcome)

    async def forget_outcome(self, key: BatchKey) -> None:
        """See Sink."""
        mark = (key.process_id, key.range.number)
        if mark in self.markers:
            self.markers[mark] = None


class MemoryPipelines:
    """See PipelineStore."""

    def __init__(self) -> None:
        self.stored: dict[str, list[tuple[str, StoredPipeline]]] = {}
        self.deleted: set[str] = set()

    async def add(self, name: str, document: str, canonical: str) -> tuple[StoredPipeline, bool]:
        """See PipelineStore."""
        known = self.stored.setdefault(name, [])
        if known and known[-1][0] == canonical and name not in self.deleted:
            return known[-1][1], False
        self.deleted.discard(name)
        made = StoredPipeline(name, len(known) + 1, document, datetime.now(UTC))
        known.append((canonical, made))
        return made, True

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        """See PipelineStore."""
        if version is None and name in self.deleted:
            return None
        known = self.stored.get(name, [])
        number = len(known) if version is None else version
        return known[number - 1][1] if 1 <= number <= len(known) else None

    async def list(self, after: str, limit: int) -> Sequence[StoredPipeline]:
        """See PipelineStore."""
        names = [name for name in sorted(self.stored) if name > after and name not in self.deleted]
        return [self.stored[name][-1][1] for name in names][:limit]

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        """See PipelineStore."""
        found = [stored for _, stored in reversed(self.stored.get(name, []))]
        return [stored for stored in found if before is None or stored.version < before][:limit]

    async def delete(self, name: str) -> None:
        """See PipelineStore."""
        if name in self.stored:
            self.deleted.add(name)
