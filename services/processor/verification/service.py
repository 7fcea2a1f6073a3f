"""The use case of a verification.

One batch at a time is in memory. The ledger's batches come as a stream, beside them those that the
orchestrator would send again; for each the bytes are read from the file store, checked by the pipeline as
when they were loaded, and compared with the ledger and with the table.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import structlog

from ingestor.access.scope import tenant
from ingestor.checking.rows import CheckedRows
from ingestor.columns.arrow import Int64s, Mask
from ingestor.pipelines.document import Pipeline
from ingestor.receipts.document import signed
from ingestor.receipts.keys import ReceiptKey
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, ResourceExhaustedError
from ingestor.runtime.fair_slots import FairSlots
from ingestor.services.processor.batches import RowBatch
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    GoodRows,
    Loaded,
    Pipelines,
    Processes,
    Table,
)
from ingestor.services.processor.reading import check, check_table, read_repair
from ingestor.services.processor.verification.comparison import (
    Disagreement,
    Disagreements,
    FileRows,
    RowFacts,
    compare_ledger,
    compare_rows,
    outcomes_hash,
)
from ingestor.services.processor.verification.ports import (
    LedgerBatch,
    ProcessRecord,
    Statements,
    StoredContent,
    TableView,
    UnreadableTableError,
    VerifiedTables,
)
from ingestor.services.processor.verification.receipt import BatchEntry, Findings, receipt_of
from ingestor.stores.keys import original_key
from ingestor.stores.port import FileMissingError, FileReader
from ingestor.tabular.records.slices import bytes_to_read

log = structlog.get_logger(__name__)

_PATIENCE = 5.0
_RECEIPT_PIECE = 256 * 1024
_FILE_GONE = "The file was not compared: it is no longer stored."
_EXPIRED = (
    "The process has expired: its file and the records of its single rows were removed. Only the counts of "
    "its batches were compared."
)


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a verification, see Verification of the contract."""

    agrees: bool
    rows_verified: int
    disagreements: int
    in_table: int
    replaced: int
    left_out: Sequence[str]
    signed: bool


@dataclass(frozen=True, slots=True)
class News:
    """What there is to say: how far the verification is, what was found since the last time, the next bytes
    of the receipt, at the end the result."""

    rows_verified: int
    rows: int
    found: Sequence[Disagreement] = ()
    receipt: bytes = b""
    result: Result | None = None


class VerificationService:
    """Verifies processes, so many at a time; the last place is for a tenant that has none."""

    def __init__(
        self,
        statements: Statements,
        processes: Processes,
        pipelines: Pipelines,
        tables: VerifiedTables,
        files: FileReader,
        clock: Clock,
        key: ReceiptKey | None,
        *,
        most: int,
        patience: float = _PATIENCE,
    ) -> None:
        """Without a key receipts are not signed."""
        self._statements = statements
        self._processes = processes
        self._pipelines = pipelines
        self._tables = tables
        self._files = files
        self._clock = clock
        self._key = key
        self._most = most
        self._places = FairSlots(most, reserved=1)
        self._patience = patience

    @property
    def key(self) -> ReceiptKey:
        """The key of receipts. Raises NotFoundError (NO_RECEIPT_KEY)."""
        if self._key is None:
            raise NotFoundError("NO_RECEIPT_KEY", "The suite has no key for receipts (INGESTOR_RECEIPT_KEY).")
        return self._key

    async def verify(self, process_id: str, sample: int = 0) -> AsyncGenerator[News, None]:
        """Verify all rows of a process that has ended, or a sample of so many. Raises NotFoundError,
        FailedPreconditionError (PROCESS_RUNNING, PROCESS_CHANGED), ResourceExhaustedError
        (TOO_MANY_VERIFICATIONS), TransientError."""
        process = await self._ended(process_id)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self._places.place(tenant()))
            except TimeoutError:
                raise ResourceExhaustedError(
                    "TOO_MANY_VERIFICATIONS",
                    f"Too many processes are being verified: there are {self._most} places, and one tenant "
                    "may have a part of them; try again later.",
                    retry_seconds=30,
                ) from None
            run = _Run(process, self._sampled(process, sample), self._files)
            async for some in await stack.enter_async_context(aclosing(self._compare(run))):
                yield some
            now = await self._statements.process(process_id)
            if now.updated != process.updated or now.expired != process.expired:
                raise FailedPreconditionError(
                    "PROCESS_CHANGED", "The process was changed while it was verified; verify it again."
                )
            receipt = receipt_of(process, run.findings(), self._clock.now())
            data = await asyncio.to_thread(signed, receipt, self._key)
        for start in range(0, len(data), _RECEIPT_PIECE):
            yield run.news(receipt=data[start : start + _RECEIPT_PIECE])
        log.info("verified", process_id=process_id, rows=run.done, disagreements=run.found.count)
        yield run.news(
            result=Result(
                not run.found.count,
                run.done,
                run.found.count,
                run.in_table,
                run.replaced,
                tuple(run.left_out),
                self._key is not None,
            )
        )

    async def _ended(self, process_id: str) -> ProcessRecord:
        """The process, which has ended with all of its repairs."""
        process = await self._statements.process(process_id)
        ended = process.ended and all(one.ended for one in await self._processes.repairs_of(process_id))
        if not ended:
            what = "A repair of the process" if process.ended else "The process"
            raise FailedPreconditionError("PROCESS_RUNNING", f"{what} has not ended; verify it when it has.")
        return process

    @staticmethod
    def _sampled(process: ProcessRecord, sample: int) -> Int64s | None:
        """Numbers of the rows to verify; None for all."""
        read = process.counts.read
        if not sample or sample >= read:
            return None
        return np.array(sorted(random.sample(range(1, read + 1), sample)), np.int64)

    async def _compare(self, run: _Run) -> AsyncGenerator[News, None]:
        process = run.process
        pipeline = None
        if process.pipeline:
            pipeline = await self._pipelines.get(process.pipeline, process.pipeline_version)
        async with AsyncExitStack() as stack:
            stored = await self._stored(run, stack)
            yield run.news()
            table = await self._table(run, pipeline, stack)
            yield run.news()
            ledger = await stack.enter_async_context(aclosing(self._statements.ledger(process.process_id)))
            async for batch in ledger:
                await self._batch(run, batch, stored, table, pipeline)
                yield run.news()
            if stored and (left := await stored.after()) is not None:
                number = left.key.range.number
                run.found.add(0, number, lambda: f"Batch {number:,}: it was sent, and the ledger lacks it.")
            if table is not None and run.sample is None and not process.repairs:
                await self._beyond(run, table)
        run.compare_counts()
        yield run.news()

    async def _stored(self, run: _Run, stack: AsyncExitStack) -> _Stored | None:
        """The batches in the stored file, which is hashed first; None without one."""
        if run.process.expired:
            run.leave_out(_EXPIRED)
            return None
        batches = await stack.enter_async_context(aclosing(self._statements.stored(run.process.process_id)))
        try:
            content = await anext(batches, None)
        except NotFoundError:
            content = None
        if not isinstance(content, StoredContent):
            if run.process.counts.read:
                run.left_out.append(_FILE_GONE)
            return None
        try:
            await run.hash_file(original_key(content.file_key), as_sent=content.as_sent)
        except FileMissingError:
            run.left_out.append(_FILE_GONE)
            return None
        return _Stored(batches)

    async def _table(self, run: _Run, pipeline: Pipeline | None, stack: AsyncExitStack) -> TableView | None:
        """The rows in the table; None if they are not compared."""
        process, sink = run.process, sink_of(pipeline)
        if process.undone:
            run.leave_out("The process was undone: none of its rows should be in the table.")
        if sink not in (TABLE_SINK, JSON_SINK):
            run.left_out.append(
                f"The rows in the sink were not compared: the sink {sink.type} does not show them."
            )
            return None
        if not process.counts.read:
            return None
        if process.expired and process.repairs:
            run.left_out.append(
                "The rows of an expired repair are not told from those of the repaired process."
            )
            return None
        of = pipeline.evolved(await self._columns(process)) if pipeline else None
        owner = process.repairs or process.process_id
        run.table = table_of(of)
        loaded = Loaded(owner, process.tenant, (), run.table, sink)
        chosen = None if run.sample is None or process.repairs else run.sample.tolist()
        try:
            return await stack.enter_async_context(self._tables.open(loaded, chosen))
        except UnreadableTableError as error:
            if error.gone and process.counts.succeeded and not process.undone:
                sentence = f"{error} The ledger says that rows are in it."
                run.found.add(0, 0, lambda: sentence)
            elif not error.gone:
                run.left_out.append(f"The table was not compared: {error}")
            return None

    async def _columns(self, process: ProcessRecord) -> Sequence[str]:
        """Labels of the columns of the rows: a repair has those of the repaired process."""
        if not process.repairs:
            return process.columns
        return (await self._statements.process(process.repairs)).columns

    async def _batch(
        self,
        run: _Run,
        batch: LedgerBatch,
        stored: _Stored | None,
        table: TableView | None,
        pipeline: Pipeline | None,
    ) -> None:
        bounds = batch.bounds
        entry = BatchEntry(bounds, batch.counts)
        run.check_order(batch)
        if not run.process.expired:
            compare_ledger(batch, run.found)
            entry = replace(entry, outcomes_sha256=await asyncio.to_thread(outcomes_hash, batch.spans))
        verified = run.chosen(batch)
        if not verified.any():
            run.add(entry, 0)
            return
        rows = None
        sent = await stored.next(bounds.number) if stored else None
        if stored and (sent is None or sent.key.range != bounds):
            run.found.add(
                0, bounds.number,
                lambda: f"Batch {bounds.number:,}: the ledger has it with other rows than it was cut with.",
            )  # fmt: skip
        elif sent is not None:
            rows, digest = await self._read(run, sent, pipeline)
            entry = replace(entry, sha256=digest)
        await self._compare_batch(run, batch, verified, entry, rows, table)

    async def _read(self, run: _Run, sent: RowBatch, pipeline: Pipeline | None) -> tuple[_Rows | None, str]:
        """The rows of a batch by its file and pipeline, and the hash of its bytes."""
        stored, bounds = sent.stored, sent.key.range
        assert stored is not None, "the orchestrator tells where the bytes are"
        size = bytes_to_read(stored.byte_start, stored.byte_end, bounds.row_count)
        pieces = self._files.read(stored.file_key, stored.byte_start, stored.byte_start + size)
        data = b"".join([piece async for piece in pieces])
        whole = len(data) == stored.byte_end - stored.byte_start
        try:
            rows = await asyncio.to_thread(_rows, sent, data, pipeline)
        except ValueError as error:
            reason = str(error)
            run.found.add(
                0, bounds.number,
                lambda: f"Batch {bounds.number:,}: the stored file no longer has its rows: {reason}.",
            )  # fmt: skip
            return None, ""
        return rows, hashlib.sha256(data).hexdigest() if whole else ""

    async def _compare_batch(
        self,
        run: _Run,
        batch: LedgerBatch,
        verified: Mask,
        entry: BatchEntry,
        rows: _Rows | None,
        table: TableView | None,
    ) -> None:
        process, bounds = run.process, batch.bounds
        if table is not None and process.expired:
            found = await table.between(bounds.first_row, bounds.first_row + bounds.row_count - 1, None)
            run.compare_expired(batch, len(found.numbers))
            run.add(replace(entry, rows_in_table=len(found.numbers)), bounds.row_count)
            return
        numbers = rows.numbers if rows else None
        facts = RowFacts.of(batch, verified, numbers)
        in_table = None
        if table is not None and process.repairs and numbers is None:
            table = None  # nobody knows which rows of the repaired process these are
        if table is not None:
            expected = _expected(rows, facts, run) if rows else None
            if process.repairs:
                asked = facts.numbers[verified & (facts.numbers > 0)]
                in_table = await table.chosen(np.unique(asked), expected)
            else:
                in_table = await table.between(
                    bounds.first_row, bounds.first_row + bounds.row_count - 1, expected
                )
            run.leave_out(table.values_left_out)
        compared = await asyncio.to_thread(
            compare_rows,
            facts,
            rows.file if rows else None,
            in_table,
            run.found,
            undone=process.undone,
            of_repair=bool(process.repairs),
        )
        run.in_table += compared.in_table
        run.replaced += compared.replaced
        if in_table is not None:
            entry = replace(entry, rows_in_table=compared.in_table, rows_replaced=compared.replaced)
        run.add(entry, int(verified.sum()))

    @staticmethod
    async def _beyond(run: _Run, table: TableView) -> None:
        read = run.process.counts.read
        count, first = await table.beyond(read, 1000)
        for number in first:
            run.found.add(
                number, 0,
                lambda number=number: f"Row {number:,}: not in the file, not in the ledger, in the table.",  # type: ignore[misc]
            )  # fmt: skip
        run.found.count += count - len(first)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a batch by its file and pipeline: good ones with their positions in the batch, others; for
    a repair the number in the repaired process of each row."""

    checked: CheckedRows
    file: FileRows
    numbers: Int64s | None


def _rows(sent: RowBatch, data: bytes, pipeline: Pipeline | None) -> _Rows:
    """Parse and check a batch (CPU-bound). Raises ValueError when the data do not match it."""
    numbers = None
    columns = sent.repairs.columns if sent.repairs else sent.columns
    pipeline = pipeline.evolved(columns) if pipeline else None
    if sent.repairs:
        found = read_repair(sent, sent.repairs, data, pipeline)
        numbers = found.numbers
        checked = check_table(replace(sent, columns=columns), found.table, pipeline)
    else:
        checked = check(sent, data, pipeline)
    rejected = {
        row.row_number: (row.state, row.errors[0].code if row.errors else "") for row in checked.rejected
    }
    return _Rows(checked, FileRows(rejected), numbers)


def _expected(rows: _Rows, facts: RowFacts, run: _Run) -> GoodRows | None:
    """The rows that the table should have with the values of the file."""
    if run.table is None or run.process.undone:
        return None
    index = rows.checked.good_index
    wanted = (facts.succeeded & facts.verified & ~facts.repaired)[index]
    good, numbers = rows.checked.good.filter(pa.array(wanted)), facts.numbers[index][wanted]
    return GoodRows(run.table, good, numbers, repairs=run.process.repairs)


class _Stored:
    """The batches in the stored file, by number."""

    def __init__(self, batches: AsyncGenerator[StoredContent | RowBatch | None, None]) -> None:
        self._batches = batches
        self._held: RowBatch | None = None

    async def after(self) -> RowBatch | None:
        """The next one."""
        held, self._held = self._held, None
        if held is not None:
            return held
        found = await anext(self._batches, None)
        return found if isinstance(found, RowBatch) else None

    async def next(self, number: int) -> RowBatch | None:
        """The one with this number; those before it are passed by."""
        while (found := await self.after()) is not None:
            if found.key.range.number == number:
                return found
            if found.key.range.number > number:
                self._held = found
                return None
        return None


@dataclass
class _Run:
    """One verification under way."""

    process: ProcessRecord
    sample: Int64s | None
    files: FileReader
    table: Table | None = None
    found: Disagreements = field(default_factory=Disagreements)
    left_out: list[str] = field(default_factory=list)
    batches: list[BatchEntry] = field(default_factory=list)
    done: int = 0
    in_table: int = 0
    replaced: int = 0
    file: dict[str, Any] | None = None
    told: int = 0

    def news(self, **more: Any) -> News:
        """What there is to say now."""
        found, self.told = self.found.first[self.told :], len(self.found.first)
        rows = self.process.counts.read if self.sample is None else len(self.sample)
        return News(self.done, rows, found, **more)

    def leave_out(self, sentence: str) -> None:
        """Note what is not compared, once."""
        if sentence and sentence not in self.left_out:
            self.left_out.append(sentence)

    def add(self, entry: BatchEntry, verified: int) -> None:
        """A batch is done."""
        self.batches.append(entry)
        self.done += verified

    def chosen(self, batch: LedgerBatch) -> Mask:
        """Which rows of a batch are verified."""
        first, count = batch.bounds.first_row, batch.bounds.row_count
        if self.sample is None:
            return np.ones(count, np.bool_)
        found = np.zeros(count, np.bool_)
        low, high = np.searchsorted(self.sample, (first, first + count))
        found[self.sample[low:high] - first] = True
        return found

    async def hash_file(self, key: str, *, as_sent: bool) -> None:
        """Hash the file that was sent. Raises FileMissingError."""
        made, size = hashlib.sha256(), 0
        async for piece in self.files.read(key):
            await asyncio.to_thread(made.update, piece)
            size += len(piece)
        self.file = {"sha256": made.hexdigest(), "size_bytes": size, "batches_are_of_it": as_sent}

    def check_order(self, batch: LedgerBatch) -> None:
        """Batches follow each other without gaps."""
        last = self.batches[-1].bounds if self.batches else None
        number, row = (last.number + 1, last.first_row + last.row_count) if last else (1, 1)
        if (batch.bounds.number, batch.bounds.first_row) != (number, row):
            self.found.add(
                0, batch.bounds.number,
                lambda: f"Batch {batch.bounds.number:,}: the ledger lacks what comes before it, batch "
                f"{number:,} with row {row:,}.",
            )  # fmt: skip

    def compare_counts(self) -> None:
        """Compare the counts of the process with those of its batches."""
        counts = self.process.counts
        for name in ("read", "succeeded", "failed", "skipped", "unprocessed"):
            known = getattr(counts, name)
            summed = sum(getattr(entry.counts, name) for entry in self.batches)
            if known != summed:
                self.found.add(
                    0, 0,
                    lambda name=name, known=known, summed=summed: (  # type: ignore[misc]
                        f"The ledger counts {known:,} rows {name.upper()} for the process and {summed:,} for "
                        "its batches."
                    ),
                )  # fmt: skip

    def compare_expired(self, batch: LedgerBatch, in_table: int) -> None:
        """Compare the counts of a batch of an expired process with the rows in the table."""
        succeeded = 0 if self.process.undone else batch.counts.succeeded
        upserts = self.table is not None and self.table.upsert  # later rows may have replaced some
        if in_table != succeeded and not (upserts and in_table < succeeded):
            number = batch.bounds.number
            self.found.add(
                0, number,
                lambda: f"Batch {number:,}: {succeeded:,} rows should be in the table by the ledger, and "
                f"{in_table:,} are.",
            )  # fmt: skip
        self.in_table += in_table

    def findings(self) -> Findings:
        """What the receipt says."""
        sample = 0 if self.sample is None else len(self.sample)
        return Findings(
            self.file,
            self.batches,
            self.found,
            self.left_out,
            self.done,
            sample,
            self.in_table,
            self.replaced,
        )
