"""The status service in memory, for the orchestrator and for the processor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

from ingestor.outcomes import DisplacedRow, RejectedRow
from ingestor.reports import NOT_FAILED
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.services.orchestrator.ingestions import Batch as SentBatch
from ingestor.services.orchestrator.ingestions import Content, FileInfo
from ingestor.services.orchestrator.ports import FailedRow, Limits, Progress, Standing, Status
from ingestor.services.processor.batches import BatchOutcome, Repaired
from ingestor.services.processor.ports import Disposition, Outcomes
from ingestor.services.status import ledger
from ingestor.services.status.ledger import Account, Batch, Change, Outcome
from ingestor.services.status.processes import TERMINAL, Failure, IllegalTransitionError, RowState, S


@dataclass
class _Process:
    account: Account = field(default_factory=Account)
    batches: dict[int, Batch] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)  # numbers of batches that were sent again
    outcomes: dict[int, BatchOutcome] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    started: bool = False
    repaired: dict[int, tuple[RowState, frozenset[str], str]] = field(default_factory=dict)  # by whom
    displaced: dict[int, DisplacedRow] = field(default_factory=dict)  # before it was told that they succeeded

    def row(self, number: int) -> tuple[RowState, frozenset[str], str] | None:
        """Where a row stands, the codes of its errors and who repaired it; None without an outcome."""
        if number in self.repaired:
            return self.repaired[number]
        for outcome in self.outcomes.values():
            bounds = outcome.key.range
            if bounds.first_row <= number < bounds.first_row + bounds.row_count:
                for row in outcome.rows:
                    if row.row_number == number:
                        codes = frozenset(error.code for error in row.errors)
                        return RowState[row.state.upper()], codes, ""
                codes = frozenset({outcome.error.code}) if outcome.error else frozenset()
                return RowState[outcome.default_state.upper()], codes, ""
        return None


class MemoryStatus(Status, Outcomes):
    """Status for the orchestrator and Outcomes for the processor. It keeps the account with the
    status service's own rules."""

    def __init__(self) -> None:
        self.processes: dict[str, _Process] = {}
        self.deleted: set[str] = set()
        self._changed = asyncio.Condition()

    def _process(self, process_id: str) -> _Process:
        if process_id in self.deleted:
            raise NotFoundError("PROCESS_DELETED", "The process was deleted.")
        return self.processes.setdefault(process_id, _Process())

    async def _apply(self, process_id: str, how: Callable[[Account], Change]) -> Progress:
        process = self._process(process_id)
        try:
            process.account, _ = how(process.account)
        except IllegalTransitionError as error:
            raise FailedPreconditionError("ILLEGAL_TRANSITION", str(error)) from error
        async with self._changed:
            self._changed.notify_all()
        return self._progress(process)

    @staticmethod
    def _progress(process: _Process) -> Progress:
        account = process.account
        held = account.state is S.PAUSED and bool(account.pause_reason)
        return Progress(
            account.state.name, account.state in TERMINAL, account.batches_processed, held,
            held and account.pause_resumes,
        )  # fmt: skip

    async def started(self, file: FileInfo) -> Progress:
        self._process(file.process_id).started = True
        return await self._apply(file.process_id, lambda account: (account, []))

    async def header_read(
        self, process_id: str, columns: Sequence[str], content: Content, limits: Limits
    ) -> Progress:
        self._process(process_id).columns = tuple(columns)
        return await self._apply(
            process_id,
            lambda account: ledger.header_read(account, limits.max_failed, limits.max_failed_share),
        )

    async def dispatched(self, process_id: str, batch: SentBatch, message_bytes: int = 0) -> Progress:
        made = Batch(
            batch.number, batch.first_row, batch.row_count, batch.first_line, batch.byte_start,
            batch.byte_end, message_bytes,
        )  # fmt: skip
        return await self._dispatched(process_id, made)

    async def _dispatched(self, process_id: str, batch: Batch) -> Progress:
        process = self._process(process_id)
        if batch.number in process.batches:
            assert process.batches[batch.number] == batch, "a batch never changes its bounds"
            return self._progress(process)
        process.batches[batch.number] = batch
        return await self._apply(process_id, lambda account: ledger.dispatched(account, batch))

    async def redispatched(self, process_id: str, batches: Sequence[SentBatch]) -> Progress:
        self._process(process_id).again += [batch.number for batch in batches]
        rows = sum(batch.row_count for batch in batches)
        return await self._apply(process_id, lambda account: ledger.redispatched(account, len(batches), rows))

    async def finished(self, process_id: str, rows: int, batches: int) -> Progress:
        return await self._apply(process_id, lambda account: ledger.finished(account, rows, batches))

    async def failed(self, process_id: str, reason: str, message: str) -> Progress:
        return await self._apply(process_id, lambda account: ledger.failed(account, Failure(reason, message)))

    async def paused(self, process_id: str, reason: str = "") -> Progress:
        return await self._apply(process_id, lambda account: ledger.paused(account, reason))

    async def hold(self, process_id: str, reason: str, *, resumes: bool = False) -> bool:
        try:
            await self._apply(process_id, lambda account: ledger.paused(account, reason, resumes=resumes))
        except (FailedPreconditionError, NotFoundError):
            return False
        return True

    async def resumed(self, process_id: str) -> Progress:
        return await self._apply(process_id, ledger.resumed)

    async def cancelled(self, process_id: str) -> Progress:
        return await self._apply(process_id, ledger.cancelled)

    async def progress(self, process_id: str) -> Progress | None:
        if process_id in self.deleted:
            return Progress("DELETED", True, 0)
        process = self.processes.get(process_id)
        return self._progress(process) if process else None

    async def watch(self, process_id: str) -> AsyncGenerator[Progress, None]:
        while True:
            seen = self._progress(self.processes[process_id])
            yield seen
            if seen.terminal:
                return
            async with self._changed:
                await self._changed.wait_for(
                    lambda seen=seen: self._progress(self.processes[process_id]) != seen  # type: ignore[misc]
                )

    async def queued(self, process_id: str) -> Sequence[int]:
        process = self.processes[process_id]
        return [number for number in sorted(process.batches) if number not in process.outcomes]

    async def record(self, outcome: BatchOutcome) -> None:
        key = outcome.key
        if key.process_id in self.deleted:
            return
        bounds = key.range
        batch = Batch(
            bounds.number, bounds.first_row, bounds.row_count, bounds.first_line, bounds.byte_start,
            bounds.byte_end,
        )  # fmt: skip
        await self._dispatched(key.process_id, batch)
        process = self.processes[key.process_id]
        if bounds.number in process.outcomes:
            return
        early = [
            process.displaced.pop(number)
            for number in sorted(process.displaced)
            if bounds.first_row <= number < bounds.first_row + bounds.row_count
        ]
        outcome = process.outcomes[bounds.number] = _with_displaced(outcome, early)
        others = self._displace(process, outcome.displaced)
        made = Outcome(
            batch, RowState[outcome.default_state.upper()], outcome.succeeded, outcome.failed, outcome.skipped
        )
        await self._apply(key.process_id, lambda account: ledger.processed(account, made, others))
        if outcome.repaired:
            await self._repair(process, outcome, outcome.repaired)

    @staticmethod
    def _displace(process: _Process, displaced: Sequence[DisplacedRow]) -> int:
        others = 0
        for row in displaced:
            known = process.row(row.row_number)
            if known is None or known[0] is not RowState.SUCCEEDED:
                process.displaced.setdefault(row.row_number, row)
            else:
                others += 1
                (number,) = [
                    number
                    for number, batch in process.batches.items()
                    if batch.first_row <= row.row_number < batch.first_row + batch.row_count
                ]
                process.outcomes[number] = _with_displaced(process.outcomes[number], [row])
        return others

    async def _repair(self, process: _Process, outcome: BatchOutcome, repaired: Repaired) -> None:
        parent = self.processes[repaired.process_id]
        news: list[RowState] = []
        skipped = 0
        for row, number in enumerate(repaired.rows, outcome.key.range.first_row):
            here, there = process.row(row), parent.row(number)
            assert here is not None
            brought = here[0] is not RowState.SKIPPED or here[1] != {NOT_FAILED}
            revived = (
                bool(there and there[0] is RowState.SKIPPED and there[2]) and here[0] is RowState.SUCCEEDED
            )
            if there and (there[0] is RowState.FAILED or revived) and brought:
                skipped -= revived
                state, codes, _ = here
                parent.repaired[number] = (state, codes, outcome.key.process_id)
                news.append(state)
        skipped += news.count(RowState.SKIPPED)
        await self._apply(
            repaired.process_id,
            lambda account: ledger.repaired(
                account, outcome.key.process_id, news.count(RowState.SUCCEEDED), news.count(RowState.FAILED),
                skipped,
            ),
        )  # fmt: skip

    async def row_states(self, process_id: str, numbers: Sequence[int]) -> dict[int, str]:
        if process_id not in self.processes:
            raise NotFoundError("PROCESS_NOT_FOUND", "no")
        found = {number: self.processes[process_id].row(number) for number in numbers}
        return {number: row[0].name.lower() for number, row in found.items() if row}

    async def standing(self, process_id: str) -> Standing | None:
        process = self.processes.get(process_id)
        if process is None:
            return None
        undone = process.account.state is S.UNDONE
        return Standing(process.account.state in TERMINAL, undone, False, process.account.failed)

    async def failed_rows(self, process_id: str, code: str) -> AsyncGenerator[FailedRow, None]:
        process = self.processes[process_id]
        for number in range(1, process.account.read + 1):
            row = process.row(number)
            if row and row[0] is RowState.FAILED and code in row[1]:
                yield FailedRow(number, row[1], row[2])

    async def disposition(self, process_id: str) -> Disposition:
        if process_id in self.deleted:
            return Disposition.GONE
        process = self.processes.get(process_id)
        if process and self._progress(process).held:
            return Disposition.HELD
        stopped = process is not None and process.account.state in (S.CANCELLED, S.FAILED, S.UNDONE)
        return Disposition.STOPPED if stopped else Disposition.RUNNING

    def delete(self, process_id: str) -> None:
        """As DeleteProcess does."""
        del self.processes[process_id]
        self.deleted.add(process_id)


def _with_displaced(outcome: BatchOutcome, displaced: Sequence[DisplacedRow]) -> BatchOutcome:
    """An outcome of which these rows, counted as SUCCEEDED, have FAILED."""
    rows = [RejectedRow(row.row_number, 0, "failed", (row.error,), ()) for row in displaced]
    return replace(
        outcome,
        succeeded=outcome.succeeded - len(rows),
        failed=outcome.failed + len(rows),
        rows=(*outcome.rows, *rows),
    )
