"""A sink in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ingestor.access.scope import EVERYTHING, visible
from ingestor.outcomes import DisplacedRow, RowError
from ingestor.services.processor.batches import BatchKey, BatchOutcome, unprocessed_outcome
from ingestor.services.processor.ports import (
    Applied,
    GoodRows,
    HandedBack,
    Loaded,
    ProcessRecords,
    Refused,
    RowUndo,
    Sink,
    TenantGoneError,
    UndoCounts,
    UndoImpossibleError,
    Undone,
)
from ingestor.services.processor.reading import repaired_meanwhile


class MemorySink(Sink, RowUndo, ProcessRecords):
    """Tables of rows with their lineage, unique by the primary key."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.behind: dict[str, list[dict[str, Any]]] = {}  # rows that are not there because of others
        self.gone: dict[str, bool] = {}  # of closed processes
        self.undos: dict[str, UndoCounts] = {}
        self.no_tenants: set[str] = set()  # that are gone
        self.tenants: dict[str, str] = {}  # of undone processes
        self.reported: set[str] = set()
        self.markers: dict[tuple[str, int], BatchOutcome | None] = {}
        self.repaired: set[tuple[str, int]] = set()

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        await self._check_tenant()
        mark = (key.process_id, key.range.number)
        for closed in (key.process_id, rows.repairs or key.process_id):
            if closed in self.gone:
                return Applied(None) if self.gone[closed] else await self.settle(unprocessed_outcome(key))
        if mark in self.markers:
            return Applied(self.markers[mark])
        table = self.tables.setdefault(rows.table.name, [])
        names = rows.table.primary_key
        taken = {tuple(row[name] for name in names) for row in table} if names else set()
        refused = []
        displaced = []
        for position, row in enumerate(rows.data.to_pylist()):
            number = int(rows.row_numbers[position])
            made = {**row, "_row_number": number, "_process_id": rows.repairs or key.process_id}
            if rows.repairs and (rows.repairs, number) in self.repaired:
                refused.append(Refused(position, repaired_meanwhile(number), "skipped"))
                continue
            if names:
                unique = tuple(row[name] for name in names)
                if unique in taken and rows.table.upsert:
                    (there,) = [old for old in table if tuple(old[name] for name in names) == unique]
                    columns = ("_process_id", "_row_number")
                    if there["_process_id"] != made["_process_id"]:
                        loser = min(there, made, key=lambda row: str(row["_process_id"]))
                        self.behind.setdefault(rows.table.name, []).append(dict(loser))
                    if tuple(there[n] for n in columns) < tuple(made[n] for n in columns):
                        there.clear()
                        there.update(made)
                    continue
                if unique in taken:
                    fields, value = ", ".join(names), ", ".join(map(str, unique))
                    message = f"The table already has a row with the same {fields}."
                    problem = RowError("primary-key", fields, value, message, "load")
                    (there,) = [old for old in table if tuple(old[name] for name in names) == unique]
                    process, later = str(there["_process_id"]), int(there["_row_number"])
                    own = process == key.process_id and (process, later) not in self.repaired
                    if own and later > number:
                        displaced.append(DisplacedRow(later, problem))
                        there.clear()
                        there.update(made)
                    else:
                        refused.append(Refused(position, problem))
                    continue
                taken.add(unique)
            table.append(made)
        if rows.repairs:
            left_out = {row.position for row in refused}
            self.repaired |= {
                (rows.repairs, int(number))
                for position, number in enumerate(rows.row_numbers)
                if position not in left_out
            }
        displaced.sort(key=lambda row: row.row_number)
        outcome = self.markers[mark] = replace(conclude(refused), displaced=tuple(displaced))
        return Applied(outcome)

    async def settle(self, outcome: BatchOutcome) -> Applied:
        await self._check_tenant()
        mark = (outcome.key.process_id, outcome.key.range.number)
        if self.gone.get(outcome.key.process_id):
            return Applied(None)
        if mark in self.markers:
            return Applied(self.markers[mark])
        self.markers[mark] = outcome
        return Applied(outcome)

    async def forget_outcome(self, key: BatchKey) -> None:
        mark = (key.process_id, key.range.number)
        if mark in self.markers:
            self.markers[mark] = None

    async def undone(self, process_id: str) -> UndoCounts | None:
        return self.undos.get(process_id)

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        process_id, table = of.process_id, of.table
        if process_id in self.undos:
            return self.undos[process_id]
        if self.gone.get(process_id):
            raise UndoImpossibleError("The rows that the process replaced are no longer kept.")

        def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
            return tuple(row[name] for name in table.primary_key)

        behind = self.behind.get(table.name, [])
        kept = {key_of(row) for row in behind if row["_process_id"] == process_id}
        behind = [row for row in behind if row["_process_id"] != process_id]
        there, removed, restored = [], 0, 0
        for row in self.tables.get(table.name, []):
            if row["_process_id"] != process_id:
                there.append(row)
                continue
            before = [old for old in behind if table.primary_key and key_of(old) == key_of(row)]
            if before:
                back = max(before, key=lambda row: (row["_process_id"], row["_row_number"]))
                gone = (key_of(back), back["_process_id"])
                behind = [old for old in behind if (key_of(old), old["_process_id"]) != gone]
                there.append(back)
                restored += 1
            else:
                removed += 1
        counts = UndoCounts(removed, restored, len(kept))
        if not dry_run:
            self.tables[table.name], self.behind[table.name] = there, behind
            self.undos[process_id] = counts
            self.undos |= dict.fromkeys(of.repairs, UndoCounts(0, 0, 0))
            self.tenants |= dict.fromkeys([process_id, *of.repairs], of.tenant)
            self.gone |= dict.fromkeys([process_id, *of.repairs], False)
        return counts

    async def _check_tenant(self) -> None:
        if not await self.has_tenant():
            raise TenantGoneError

    async def has_tenant(self) -> bool:
        return visible() not in self.no_tenants

    async def unreported(self, limit: int) -> Sequence[Undone]:
        found = [
            Undone(process_id, self.tenants[process_id], counts)
            for process_id, counts in self.undos.items()
            if process_id not in self.reported
        ]
        return [undone for undone in found if visible() in (undone.tenant, EVERYTHING)][:limit]

    async def mark_reported(self, process_id: str) -> None:
        self.reported.add(process_id)

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        self.gone[process_id] = True
        self.markers = {mark: known for mark, known in self.markers.items() if mark[0] != process_id}
        if deleted:
            self.undos.pop(process_id, None)


class MemoryHandedBack(HandedBack):
    """Messages that were handed back."""

    def __init__(self) -> None:
        self.noted: set[str] = set()

    async def note(self, message_id: str, key: BatchKey) -> None:
        self.noted.add(message_id)

    async def is_noted(self, message_id: str, tenant: str) -> bool:
        return message_id in self.noted
