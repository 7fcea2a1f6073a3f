"""The services that decide what becomes of rows, on a real PostgreSQL, in one process: status with its
ledger, the processor with its sink, the orchestrator's record of batches. Only the queue is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from ingestor.access.scope import row_security
from ingestor.outcomes import RowError
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.postgres.pool import PgPool, open_pool
from ingestor.services.orchestrator.adapters.grpc_status import GrpcStatus
from ingestor.services.orchestrator.adapters.pg_ingestions import PgIngestions
from ingestor.services.orchestrator.dispatch.window import Windows
from ingestor.services.orchestrator.dispatch.wire import batch_message
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo, IngestionState, Layout
from ingestor.services.orchestrator.ports import Limits
from ingestor.services.orchestrator.repairs import RepairService
from ingestor.services.orchestrator.service import Metrics as OrchestratorMetrics
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.services.processor.adapters.grpc_status import GrpcOutcomes, GrpcProcesses
from ingestor.services.processor.adapters.postgres.markers import PgProcessRecords
from ingestor.services.processor.adapters.sinks import Undos, open_sinks
from ingestor.services.processor.adapters.sqs_rows import row_batch
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.batches import BatchKey, BatchRange, RepairedRows, RowBatch, failed_outcome
from ingestor.services.processor.service import BatchService, Metrics
from ingestor.services.processor.undo import UndoService
from ingestor.services.status.adapters.outcomes.pg_outcomes import PgOutcomes
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.api import LedgerApi, StatusApi
from ingestor.services.status.ports import LedgerReader
from ingestor.services.status.reports.formats import ReportFormat
from ingestor.services.status.reports.selection import ReportRows
from ingestor.services.status.service import Metrics as StatusMetrics
from ingestor.services.status.service import StatusService
from tests.conftest import service_dsn
from tests.contract.sink.batches import new_process
from tests.fakes.pipelines import MemoryCatalogue
from tests.fakes.store import MemoryFileStore
from tests.model.local_calls import LocalChannel

HEADER = b"id,name\n"
COLUMNS = ("id", "name")
DEAD = RowError("batch-error", "", "", "The batch was tried too often.", "load")
Rows = Sequence[tuple[int, str]]


class Ids:
    """Identifiers in the order of their making."""

    def new(self) -> str:
        return new_process()


class Services:
    """One suite; see `open`."""

    def __init__(self, status: PgPool, orchestrator: PgPool, processor: PgPool, tenants: PgPool) -> None:
        self.status_pool = status
        self.reader: LedgerReader = PgLedgerReader(status)
        self._removals = PgRemovals(status)
        nothing: Any = None
        self.status = StatusService(
            PgLedger(status), self.reader, nothing, self._removals, nothing, nothing, SystemClock(),
            StatusMetrics(CollectorRegistry()), search_seconds=5,
        )  # fmt: skip
        ledger = LedgerApi(self.status, PgOutcomes(status))
        channel: Any = LocalChannel(LedgerService=ledger, StatusService=StatusApi(self.status))
        self._catalogue = MemoryCatalogue()
        self._files = MemoryFileStore()
        self.tables = tenants
        self.batches = BatchService(
            open_sinks(tenants),
            GrpcOutcomes(channel),
            self._catalogue,
            self._files,
            Metrics(CollectorRegistry()),
        )
        self._undo = UndoService(Undos(processor, tenants), GrpcProcesses(channel), self._catalogue)
        self._records = PgProcessRecords(processor)
        self._ingestions = PgIngestions(orchestrator)
        self._told = GrpcStatus(channel)
        self._dispatch = OrchestratorService(
            self._ingestions, nothing, self._told, nothing, self._files,
            OrchestratorMetrics(CollectorRegistry()), nothing,
            windows=Windows(8), slice_bytes=100, queues=nothing,
        )  # fmt: skip
        self._repairs = RepairService(self._ingestions, self._told, self._files, Ids(), lambda: None)

    @classmethod
    async def open(cls, stack: AsyncExitStack, database_url: str) -> Services:
        """On pools that end with the stack."""

        async def pool(service: str) -> PgPool:
            dsn = service_dsn(database_url, service)
            made = open_pool(
                dsn, service=service, schema=service, size=4, usual_path=service == "processor",
                prepare=row_security,
            )  # fmt: skip
            return await stack.enter_async_context(made)

        processor = await pool("processor")
        return cls(
            await pool("status"), await pool("orchestrator"), processor, await TenantPool.of(processor)
        )

    def add_pipeline(self, name: str, mode: str) -> None:
        """A pipeline into the table of its name: a key, and a name that must be there."""
        fields = [
            {"name": "id", "type": "integer"},
            {"name": "name", "type": "string", "constraints": {"required": True}},
        ]
        schema = {"fields": fields, "primaryKey": "id"}
        self._catalogue.add(
            json.dumps({"name": name, "schema": schema, "sink": {"table": name, "mode": mode}})
        )

    async def dispatch(self, pipeline: str, batches: Sequence[Rows]) -> tuple[str, list[RowBatch]]:
        """Announce a file that is cut like this; the process and its messages."""
        process, key = new_process(), f"default/{new_process()}"
        content, bounds, row = bytearray(HEADER), list[Batch](), 1
        for number, rows in enumerate(batches, 1):
            start = len(content)
            content += "".join(f"{one},{name}\n" for one, name in rows).encode()
            bounds.append(Batch(number, row, len(rows), row + 1, row + 1 + len(rows), start, len(content)))
            row += len(rows)
        self._files.files[key] = content
        file = FileInfo(process, "default", "u", "f.csv", len(content), pipeline, 1)
        what = Content(key, len(content), False, "{}")
        await self._ingestions.add(file)
        await self._ingestions.set_content(process, what)
        await self._ingestions.set_layout(process, Layout(COLUMNS, ",", len(HEADER), 2))
        await self._told.started(file)
        await self._told.header_read(process, COLUMNS, what, Limits())
        for batch in bounds:
            await self._ingestions.record(process, "default", batch)
            await self._told.dispatched(process, batch)
        await self._ingestions.finish(process, IngestionState.DISPATCHED)
        await self._told.finished(process, row - 1, len(bounds))
        return process, await self._messages(process)

    async def _messages(self, process: str) -> list[RowBatch]:
        """The messages of a process, as the queue would bring them."""
        _, batches, message_of = await self._dispatch.stored_batches(process)
        return [row_batch(batch_message(message_of(batch))) for batch in batches]

    async def retry(self, process: str) -> tuple[str, list[RowBatch]]:
        """Run failed rows again; the retry and its messages."""
        retry, _ = await self._repairs.retry(process)
        found = await self._ingestions.get(retry)
        assert found and found.layout and found.content
        await self._told.header_read(retry, found.layout.columns, found.content, Limits())
        batches = await self._ingestions.batches(retry)
        for batch in batches:
            await self._told.dispatched(retry, batch)
        await self._ingestions.finish(retry, IngestionState.DISPATCHED)
        await self._told.finished(retry, sum(batch.row_count for batch in batches), len(batches))
        return retry, await self._messages(retry)

    async def repair(
        self, process: str, pipeline: str, rows: dict[int, tuple[int, str]]
    ) -> tuple[str, RowBatch]:
        """Announce a repair of these rows; the repair and its message."""
        await self._repairs.prepare(process)
        repair = new_process()
        data = "".join(
            f"{place + 2},,{number},{key},{name}\n"
            for place, (number, (key, name)) in enumerate(rows.items())
        ).encode()
        bounds = BatchRange(1, 1, len(rows), 2, 0, len(data))
        file = FileInfo(repair, "default", "u", "r.csv", len(data), pipeline, 1, process)
        await self._told.started(file)
        await self._told.header_read(
            repair, ("_row", *COLUMNS), Content("default/r", len(data), True, "{}"), Limits()
        )
        await self._told.dispatched(repair, Batch(1, 1, len(rows), 2, 2 + len(rows), 0, len(data)))
        await self._told.finished(repair, len(rows), 1)
        return repair, RowBatch(
            BatchKey(repair, "default", bounds), ("_row", *COLUMNS), pipeline, 1, ",", data, None,
            normal_form=True, repairs=RepairedRows(process, COLUMNS, (), 0),
        )  # fmt: skip

    async def give_up(self, batch: RowBatch) -> None:
        """A dead letter."""
        await self.batches.settle(failed_outcome(batch.key, DEAD))

    async def undo(self, process: str) -> None:
        """Take the rows of a process out again. Raises FailedPreconditionError."""
        await self._undo.undo(process, dry_run=False)

    async def expire(self, process: str) -> None:
        """The retention of a process is over."""
        past = datetime.now(UTC) - timedelta(days=2)
        await self.status_pool.execute(
            "UPDATE status.processes SET ended_at = $2 WHERE process_id = $1::uuid", process, past
        )
        await self._removals.expire(past + timedelta(days=1), datetime.now(UTC), 10)
        await self._remove([process], deleted=False)

    async def delete(self, process: str, repairs: Sequence[str]) -> None:
        """Delete a process with its repairs."""
        await self.status.delete(process)
        await self._remove([process, *repairs], deleted=True)

    async def _remove(self, processes: Sequence[str], *, deleted: bool) -> None:
        for process in processes:
            await self._records.remove(process, "default", deleted=deleted)
            await self._ingestions.remove(process)

    async def report(self, process: str) -> dict[int, str]:
        """The states of all rows by their numbers, as the report has them."""
        data = b"".join(
            [piece.data async for piece in self.status.report(process, ReportFormat.JSONL, ReportRows.ALL)]
        )
        rows = [json.loads(line) for line in data.splitlines()]
        assert len({row["row"] for row in rows}) == len(rows)
        return {row["row"]: row["state"] for row in rows}
