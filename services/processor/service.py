"""The use case of a batch: read it, check it, load it, and report its outcome to status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from ingestor.checking.rows import CheckedRows
from ingestor.outcomes import RowError
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import NotFoundError
from ingestor.runtime.fail_points import fail_point
from ingestor.runtime.observability import spans
from ingestor.runtime.observability.stage_cpu import StageCpu
from ingestor.runtime.observability.stages import Stages, stage
from ingestor.runtime.retry import Retries
from ingestor.services.processor.batches import (
    BatchKey,
    BatchOutcome,
    Repaired,
    RepairedRows,
    RowBatch,
    failed_outcome,
    outcome_of,
    unprocessed_outcome,
)
from ingestor.services.processor.checks.port import Checks, ThreadChecks
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    TABLE_SINK,
    Applied,
    Disposition,
    GoodRows,
    MessageRefusedError,
    Outcomes,
    Pipelines,
    Refused,
    SchemaNotAllowedError,
    Sink,
    SinkRefusedError,
    TableLockedError,
    TooManyTablesError,
)
from ingestor.services.processor.reading import (
    failed_rows,
    line_shifts,
    pipeline_of_text,
    read_batch,
    refused_rows,
    typed_of,
)
from ingestor.stores.port import FileReader, ForeignFileError
from ingestor.tabular.records.slices import bytes_to_read

log = structlog.get_logger(__name__)


# queue: the batch waits for a processor. fetch: it is decoded, and its process, pipeline and bytes are asked
# for. parse, check: its rows. encode: they become text. load: their transaction, apart from copy and commit.
# report: status hears of it.
STAGES = ("queue", "fetch", "parse", "check", "encode", "load", "copy", "commit", "report")


class Metrics:
    """What the processor counts for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(StageCpu())
        self.batches = Counter("ingestor_batches_total", "Batches by result.", ["result"], registry=registry)
        self.rows = Counter("ingestor_rows_loaded_total", "Rows loaded.", registry=registry)
        self.stages = Stages(registry, "ingestor_batch_stage_seconds", "Seconds of a batch by stage.", STAGES)
        self.in_work = Gauge(
            "ingestor_messages_in_work", "Messages that are being handled.", ["queue"], registry=registry
        )
        self.refused = Counter(
            "ingestor_messages_refused_total", "Messages that were dropped: forged, or of no tenant.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.handed_back = Counter(
            "ingestor_messages_handed_back_total",
            "Messages that were left in their queue, for processors of a newer release.",
            ["queue"], registry=registry,
        )  # fmt: skip
        self.retries = Retries(registry)


_HERE = ThreadChecks()


class BatchService:
    """Applies batches, each once."""

    def __init__(
        self,
        sink: Sink,
        outcomes: Outcomes,
        pipelines: Pipelines,
        files: FileReader,
        metrics: Metrics,
    ) -> None:
        self._sink = sink
        self._outcomes = outcomes
        self._pipelines = pipelines
        self._files = files
        self._metrics = metrics
        self._until_done = metrics.retries.until_done

    def measured(self, sent: datetime | None) -> AbstractContextManager[None]:
        """Everything that is done for a batch, which was sent then: its stages are timed."""
        waited = {} if sent is None else {"queue": max(0.0, (datetime.now(UTC) - sent).total_seconds())}
        return self._metrics.stages.measured(**waited)

    async def apply(self, batch: RowBatch, checks: Checks = _HERE) -> None:
        """Load a batch and report its outcome to status; both are durable when it returns. Calls that may
        succeed later are repeated until they do. A batch whose process is held until its table takes rows
        again is dropped: it is sent again then. To stop it, cancel it; it can be called again. Raises
        MessageRefusedError when the batch names a file of another tenant, NewerReleaseError when its pipeline
        is too new, ValueError and others for a broken batch, or what `checks` raise.
        """
        key = batch.key
        with stage("fetch"):
            disposition = await self._until_done("status", lambda: self._outcomes.disposition(key.process_id))
        if disposition is Disposition.GONE:
            self._metrics.batches.labels("dropped").inc()
            log.info("batch dropped, its process was removed")
            return
        if disposition is Disposition.HELD:
            self._held(key)
            return
        if disposition is Disposition.STOPPED:
            await self.settle(unprocessed_outcome(key))
            return
        with stage("fetch"):
            pipeline = await self._pipeline(batch)
            data = await self._read(batch)
        if batch.repairs:
            await self._repair(batch, batch.repairs, data, pipeline, checks)
            return
        table = table_of(pipeline)
        sink = sink_of(pipeline)
        text = await checks.parse(batch, data, pipeline)
        checked = await checks.check(
            text, batch.columns, pipeline_of_text(batch, pipeline), typed=typed_of(batch)
        )
        displaces = sink == TABLE_SINK and not table.upsert  # see the port of tables
        lines = await asyncio.to_thread(line_shifts, text) if displaces else None
        numbers = checked.good_index + key.range.first_row
        rows = GoodRows(table, checked.good, numbers, sink)

        def conclude(refused: Sequence[Refused]) -> BatchOutcome:
            found = refused_rows(read_batch(batch, data), checked.good_index, refused) if refused else ()
            return outcome_of(key, [*checked.rejected, *found], notices=checked.notices, lines=lines)

        def give_up(error: RowError) -> BatchOutcome:
            return failed_outcome(key, error)

        await self._load(key, rows, conclude, give_up)

    async def _repair(
        self, batch: RowBatch, rows: RepairedRows, data: bytes, pipeline: Pipeline | None, checks: Checks
    ) -> None:
        """Load failed rows of the repaired process as its own rows, with its row numbers. Rows that have not
        failed there, and rows that another repair loads first, are skipped."""
        key = batch.key
        found = await checks.read_repair(batch, rows, data, pipeline)
        numbers = found.numbers
        asked = np.unique(numbers[numbers > 0]).tolist()
        states = await self._until_done("status", lambda: self._outcomes.row_states(rows.process_id, asked))

        table, skipped = await asyncio.to_thread(failed_rows, found, states)
        as_in_file = await checks.check(
            table, rows.columns, pipeline_of_text(batch, pipeline), typed=typed_of(batch)
        )

        def in_order() -> CheckedRows:
            # That of the repaired process, so that of rows with the same key the first one wins.
            order = np.argsort(numbers[as_in_file.good_index])
            return CheckedRows(
                as_in_file.good.take(order), as_in_file.good_index[order], as_in_file.rejected + skipped
            )

        checked = await asyncio.to_thread(in_order)
        good = GoodRows(
            table_of(pipeline), checked.good, numbers[checked.good_index], sink_of(pipeline), rows.process_id
        )
        repaired = Repaired(rows.process_id, tuple(numbers.tolist()))

        def conclude(refused: Sequence[Refused]) -> BatchOutcome:
            return outcome_of(
                key, [*checked.rejected, *refused_rows(found.table, checked.good_index, refused)], repaired
            )

        def give_up(error: RowError) -> BatchOutcome:
            # Row by row, so that the repaired process records the corrected cells.
            return conclude([Refused(position, error) for position in range(checked.good.num_rows)])

        await self._load(key, good, conclude, give_up)

    async def _load(
        self,
        key: BatchKey,
        rows: GoodRows,
        conclude: Callable[[Sequence[Refused]], BatchOutcome],
        give_up: Callable[[RowError], BatchOutcome],
    ) -> None:
        with stage("load"), spans.span("load"):
            try:
                applied = await self._until_done("sink", lambda: self._sink.load(key, rows, conclude))
            except TableLockedError as error:
                await self._hold(key, str(error), resumes=True)
                return
            except SinkRefusedError as error:
                if error.midway or isinstance(error, TooManyTablesError | SchemaNotAllowedError):
                    await self._hold(key, str(error))
                    return
                outcome = give_up(RowError("sink-error", "", "", str(error), "load"))
                applied = await self._until_done("sink", lambda: self._sink.settle(outcome))
        fail_point("rows.committed")
        if applied.outcome:
            self._metrics.rows.inc(applied.outcome.succeeded)
        await self._report(key, applied)

    async def _hold(self, key: BatchKey, reason: str, *, resumes: bool = False) -> None:
        """Pause the process of a batch whose table takes no rows any more; the batch is sent again when it
        is resumed, by a person or (`resumes`) by itself."""
        log.warning("process paused, its table takes no rows", reason=reason)
        if await self._until_done(
            "status", lambda: self._outcomes.hold(key.process_id, reason, resumes=resumes)
        ):
            self._held(key)
        else:
            await self.settle(unprocessed_outcome(key))

    def _held(self, key: BatchKey) -> None:
        self._metrics.batches.labels("held").inc()
        log.info("batch dropped until its process is resumed")

    async def settle(self, outcome: BatchOutcome) -> None:
        """Conclude a batch that will not be loaded (unless it was) and report its outcome to status."""
        applied = await self._until_done("sink", lambda: self._sink.settle(outcome))
        await self._report(outcome.key, applied)

    async def _report(self, key: BatchKey, applied: Applied) -> None:
        """Report the outcome to status; once it is durable there, the marker drops it."""
        outcome = applied.outcome
        if outcome is None:
            self._metrics.batches.labels("known").inc()
            return
        spans.note(succeeded=outcome.succeeded, failed=outcome.failed, skipped=outcome.skipped)
        with stage("report"), spans.span("tell status"):
            await self._until_done("status", lambda: self._outcomes.record(outcome))
            fail_point("outcome.recorded")
            await self._until_done("sink", lambda: self._sink.forget_outcome(key))
        fail_point("outcome.forgotten")
        self._metrics.batches.labels(outcome.default_state).inc()
        log.info("batch done", succeeded=outcome.succeeded, failed=outcome.failed, skipped=outcome.skipped)

    async def _pipeline(self, batch: RowBatch) -> Pipeline | None:
        """The pipeline of the batch, for the columns of its file."""
        if not batch.pipeline:
            return None
        pipeline = await self._until_done(
            "pipelines", lambda: self._pipelines.get(batch.pipeline, batch.pipeline_version)
        )
        return pipeline.evolved(batch.repairs.columns if batch.repairs else batch.columns)

    async def _read(self, batch: RowBatch) -> bytes:
        """The bytes of the batch, from the message or from the file store."""
        stored = batch.stored
        if stored is None:
            return batch.data
        size = bytes_to_read(stored.byte_start, stored.byte_end, batch.key.range.row_count)

        async def read() -> bytes:
            pieces = self._files.read(stored.file_key, stored.byte_start, stored.byte_start + size)
            return b"".join([piece async for piece in pieces])

        try:
            with spans.span("fetch"):
                return await self._until_done("file store", read)
        except ForeignFileError:
            raise MessageRefusedError("file") from None

    async def check_pipeline(self, batch: RowBatch) -> None:
        """Raise NewerReleaseError when only a newer release can read the batch's pipeline."""
        try:
            await self._pipeline(batch)
        except NotFoundError:
            log.warning("the batch's pipeline is gone", pipeline=batch.pipeline)

    async def has_tenant(self) -> bool:
        """Whether the scope's tenant is still there."""
        return await self._until_done("sink", self._sink.has_tenant)
