"""The status service over gRPC: records outcomes of batches and looks up processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import grpc

from ingestor.access.scope import tenant
from ingestor.formats import NEWER_RELEASE, OUTCOMES
from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.outcomes import RejectedRow
from ingestor.reports import CUT
from ingestor.runs import RejectedRun, packed
from ingestor.runtime.errors import NotFoundError, TransientError, from_rpc_error
from ingestor.runtime.grpc.error_details import error_details
from ingestor.services.processor.batches import BatchOutcome
from ingestor.services.processor.ports import Disposition, Outcomes, Processes, ProcessFacts, UndoCounts
from ingestor.states import ROW_STATE_WORDS, ROW_STATES, TERMINAL
from ingestor.v1 import common_pb2, status_pb2, status_pb2_grpc
from ingestor.wire import (
    displaced_message,
    error_message,
    fill_rejected,
    notice_message,
    run_message,
)

M = TypeVar("M", ledger_pb2.RejectedRun, ledger_pb2.DisplacedRow)
_MESSAGE_BYTES = 1024 * 1024
_ANSWER_SECONDS = 2.0
_DEADLINE = 120.0
# So long runs go row by row after a status service of an older release has refused them.
_ROW_BY_ROW_SECONDS = 30.0
_STOPPED = (
    common_pb2.PROCESS_STATE_CANCELLED,
    common_pb2.PROCESS_STATE_FAILED,
    common_pb2.PROCESS_STATE_UNDONE,
)
_DELETED = "PROCESS_DELETED"
_LOOK_UP = 100_000  # rows of a call; part of the contract


class _OlderReleaseError(Exception):
    """The status service is of a release that reads no runs."""


class GrpcOutcomes(Outcomes):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        self._row_by_row_until = 0.0  # on the monotonic clock
        self._dispositions: dict[tuple[str, str], tuple[float, Disposition]] = {}  # by tenant and process

    async def record(self, outcome: BatchOutcome) -> None:
        if time.monotonic() < self._row_by_row_until:
            await self._record(outcome, outcome.rows, ())
            return
        alone, runs = await asyncio.to_thread(packed, outcome.rows)
        try:
            await self._record(outcome, alone, runs)
        except _OlderReleaseError:
            self._row_by_row_until = time.monotonic() + _ROW_BY_ROW_SECONDS
            await self._record(outcome, outcome.rows, ())

    async def _record(
        self, outcome: BatchOutcome, alone: Sequence[RejectedRow], runs: Sequence[RejectedRun]
    ) -> None:
        """Send an outcome, its rows alone and in runs. Raises _OlderReleaseError if status reads no runs."""
        header = _header(outcome)
        run_messages = list(map(run_message, runs))
        header.reader_version = max([header.reader_version, *map(OUTCOMES.needed, run_messages[:1])])

        async def messages() -> AsyncIterator[ledger_pb2.RecordOutcomesRequest]:
            yield ledger_pb2.RecordOutcomesRequest(header=header)
            for request in _requests(alone):
                yield request
            for some in _pieces(run_messages):
                yield ledger_pb2.RecordOutcomesRequest(runs=some)
            for displaced in _pieces(map(displaced_message, outcome.displaced)):
                yield ledger_pb2.RecordOutcomesRequest(displaced=displaced)

        try:
            await self._ledger.RecordOutcomes(messages(), timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            if runs and error_details(error).reason == NEWER_RELEASE:
                raise _OlderReleaseError from error
            known = from_rpc_error(error)
            if not (isinstance(known, NotFoundError) and known.reason == _DELETED):
                raise known from error

    async def row_states(self, process_id: str, numbers: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for start in range(0, len(numbers), _LOOK_UP):
            some = numbers[start : start + _LOOK_UP]
            request = ledger_pb2.LookUpRowsRequest(process_id=process_id, row_numbers=some)
            try:
                answer = await self._ledger.LookUpRows(request, timeout=_DEADLINE)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from error
            found.update(
                (number, ROW_STATE_WORDS.get(state, "in a state of a newer release"))
                for number, state in zip(some, answer.states, strict=True)
                if state != common_pb2.ROW_STATE_UNSPECIFIED
            )
        return found

    async def disposition(self, process_id: str) -> Disposition:
        now = time.monotonic()
        key = (tenant(), process_id)
        asked, known = self._dispositions.get(key, (None, Disposition.RUNNING))
        if known is Disposition.GONE or (asked is not None and now - asked < _ANSWER_SECONDS):
            return known
        found = await self._disposition(process_id)
        if len(self._dispositions) > 1_000:
            self._dispositions.clear()
        if found is not Disposition.HELD:  # after the pause each batch counts
            self._dispositions[key] = (now, found)
        return found

    async def hold(self, process_id: str, reason: str, *, resumes: bool = False) -> bool:
        paused = ledger_pb2.DispatchPaused(reason=reason, resumes=resumes)
        request = ledger_pb2.RecordDispatchRequest(process_id=process_id, paused=paused)
        self._dispositions.pop((tenant(), process_id), None)
        try:
            await self._ledger.RecordDispatch(request, timeout=_FACTS_DEADLINE)
        except grpc.aio.AioRpcError as error:
            known = from_rpc_error(error)
            if isinstance(known, TransientError):
                raise known from error
            return False  # it has ended, or was deleted
        return True

    async def _disposition(self, process_id: str) -> Disposition:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        try:
            process = (await self._status.GetProcess(request, timeout=10)).process
        except grpc.aio.AioRpcError as error:
            known = from_rpc_error(error)
            if not isinstance(known, NotFoundError):
                raise known from error
            # Status may not know the process yet, but never forgets that one was deleted.
            return Disposition.GONE if known.reason == _DELETED else Disposition.RUNNING
        if process.expired:
            return Disposition.GONE
        if process.pause_reason:
            return Disposition.HELD
        return Disposition.STOPPED if process.state in _STOPPED else Disposition.RUNNING


def _header(outcome: BatchOutcome) -> ledger_pb2.OutcomeHeader:
    bounds = outcome.key.range
    header = ledger_pb2.OutcomeHeader(
        process_id=outcome.key.process_id,
        tenant=outcome.key.tenant,
        batch=common_pb2.BatchRange(
            batch_number=bounds.number, first_row=bounds.first_row, row_count=bounds.row_count,
            first_line=bounds.first_line, byte_start=bounds.byte_start, byte_end=bounds.byte_end,
        ),
        default_state=ROW_STATES[outcome.default_state],
        succeeded=outcome.succeeded,
        failed=outcome.failed,
        skipped=outcome.skipped,
        error=error_message(outcome.error) if outcome.error else None,
        repairs_process_id=outcome.repaired.process_id if outcome.repaired else "",
        repaired_rows=outcome.repaired.rows if outcome.repaired else (),
        notices=map(notice_message, outcome.notices),
        lines=_lines(outcome.lines) if outcome.lines is not None else None,
    )  # fmt: skip
    header.reader_version = OUTCOMES.needed(header)
    return header


def _lines(lines: Sequence[tuple[int, int]]) -> ledger_pb2.RowLines:
    shifts = [ledger_pb2.LineShift(position=position, lines=later) for position, later in lines]
    return ledger_pb2.RowLines(shifts=shifts)


def _requests(rows: Iterable[RejectedRow]) -> Iterator[ledger_pb2.RecordOutcomesRequest]:
    """Requests with the rows, each of about 1 MiB; cells of a row that would be larger are shortened."""
    request, size = ledger_pb2.RecordOutcomesRequest(), 0
    for row in rows:
        message = request.rows.add()
        fill_rejected(message, row)
        if (own := message.ByteSize()) > _MESSAGE_BYTES:
            message.Clear()
            fill_rejected(message, _shortened(row))
            own = message.ByteSize()
        size += own
        if size > _MESSAGE_BYTES:
            yield request
            request, size = ledger_pb2.RecordOutcomesRequest(), 0
    if request.rows:
        yield request


def _pieces(messages: Iterable[M]) -> Iterator[list[M]]:
    """The messages in pieces of about 1 MiB; a larger one is alone."""
    found: list[M] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if found and size > _MESSAGE_BYTES:
            yield found
            found, size = [], message.ByteSize()
        found.append(message)
    if found:
        yield found


def _shortened(row: RejectedRow) -> RejectedRow:
    """The row with its cells cut so that they fit into one message; the stored file keeps them whole."""
    most = max(16, _MESSAGE_BYTES // 8 // max(1, len(row.cells)))
    cells = tuple(cell if len(cell) <= most else cell[:most] + CUT for cell in row.cells)
    return row._replace(cells=cells)


T = TypeVar("T")
_FACTS_DEADLINE = 30.0
_PAGE = 1000


class GrpcProcesses(Processes):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)

    @staticmethod
    async def _call(call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def get(self, process_id: str) -> ProcessFacts:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        answer = await self._call(lambda: self._status.GetProcess(request, timeout=_FACTS_DEADLINE))
        return _facts(answer.process)

    async def repairs_of(self, process_id: str) -> Sequence[ProcessFacts]:
        found: list[ProcessFacts] = []
        token = ""
        while True:
            request = status_pb2.ListProcessesRequest(
                filter=f'repairs="{process_id}"', page_size=_PAGE, page_token=token
            )
            answer = await self._call(
                lambda request=request: self._status.ListProcesses(request, timeout=_FACTS_DEADLINE)  # type: ignore[misc]
            )
            found += [_facts(process) for process in answer.processes]
            token = answer.next_page_token
            if not token:
                return found

    async def record_undo(self, process_id: str, counts: UndoCounts) -> None:
        request = ledger_pb2.RecordUndoRequest(
            process_id=process_id,
            counts=status_pb2.UndoCounts(removed=counts.removed, restored=counts.restored, kept=counts.kept),
        )
        await self._call(lambda: self._ledger.RecordUndo(request, timeout=_FACTS_DEADLINE))


def _facts(process: status_pb2.Process) -> ProcessFacts:
    info = process.info
    return ProcessFacts(
        info.process_id, info.tenant, info.pipeline, info.pipeline_version, process.state in TERMINAL,
        process.expired, info.repairs_process_id, tuple(process.columns),
    )  # fmt: skip
