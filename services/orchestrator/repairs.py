"""The use cases of repairs: prepare a repair, and retry failed rows from the stored file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ingestor.reports import OriginalTable
from ingestor.runtime.clock import Ids
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
    RetriedRows,
)
from ingestor.services.orchestrator.ports import Ingestions, Status
from ingestor.stores.port import FileMissingError, FileReader
from ingestor.tabular.options import parse_options

# Codes of errors whose reason may have passed.
TRANSIENT_CODES = frozenset({"batch-error", "sink-error", "foreign-key"})


@dataclass(frozen=True, slots=True)
class RepairTarget:
    """The process that a repair repairs, and its table."""

    file: FileInfo
    table: OriginalTable


class RepairService:
    """Prepares repairs and makes retries."""

    def __init__(
        self,
        ingestions: Ingestions,
        status: Status,
        files: FileReader,
        ids: Ids,
        new_retry: Callable[[], None],
    ) -> None:
        """Calls `new_retry` after making a retry."""
        self._ingestions = ingestions
        self._status = status
        self._files = files
        self._ids = ids
        self._new_retry = new_retry

    async def prepare(self, process_id: str) -> RepairTarget:
        """What a repair of this process repairs: the process or, if it is a repair itself, its parent. Raises
        NotFoundError (PROCESS_NOT_FOUND) and FailedPreconditionError (PROCESS_RUNNING, RECORDS_EXPIRED,
        NOTHING_TO_REPAIR)."""
        parent = await self._parent(process_id, "NOTHING_TO_REPAIR")
        assert parent.layout is not None and parent.content is not None, "rows were read"
        last = await self._ingestions.last_batch(parent.file.process_id)
        rows = last.first_row + last.row_count - 1 if last else 0
        delimiter, quote = _split_by(parent.layout, parent.content)
        knows_nulls = _knows_nulls(parent.content)
        table = OriginalTable(parent.layout.columns, rows, knows_nulls, delimiter, quote)
        return RepairTarget(parent.file, table)

    async def _parent(self, process_id: str, nothing: str) -> Ingestion:
        """The process or, if it is a repair itself, its parent, which must have ended with failed rows."""
        found = await self._ingestions.get(process_id)
        if found is not None and found.file.repairs:
            found = await self._ingestions.get(found.file.repairs)
        standing = await self._status.standing(found.file.process_id) if found else None
        if found is None or standing is None:
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")
        if not standing.terminal:
            raise FailedPreconditionError(
                "PROCESS_RUNNING", "The process has not ended; repair its rows when it has."
            )
        if standing.expired:
            raise FailedPreconditionError(
                "RECORDS_EXPIRED", "The process has expired: the records of its rows have been removed."
            )
        if standing.undone:
            raise FailedPreconditionError(nothing, "The process was undone.")
        if not standing.failed or found.layout is None:
            raise FailedPreconditionError(nothing, "The process has no failed rows.")
        return found

    async def retry(self, process_id: str) -> tuple[str, int]:
        """Retry the rows that failed for a reason that may have passed. Returns the id of the retry and the
        number of its rows; while a retry runs, those of that one.

        Leaves out rows that failed again after a repair file had corrected them: the stored file does not
        have their new cells.

        Raises what `prepare` does, with NOTHING_TO_RETRY, and FailedPreconditionError (FILE_GONE).
        """
        parent = await self._parent(process_id, "NOTHING_TO_RETRY")
        parent_id = parent.file.process_id
        running = await self._running(parent_id)
        if running is None:
            rows = await self._rows(parent_id)
            await self._check_file(parent)
            new = _retry(parent, self._ids.new())
            batches = _batches(await self._ingestions.batches(parent_id), rows)
            running = await self._ingestions.add_retry(new, batches)
            self._new_retry()
        # So that status knows the process when the client asks.
        retry = await self._ingestions.get(running)
        assert retry is not None, "it was just stored"
        await self._status.started(retry.file)
        return running, sum(batch.row_count for batch in await self._ingestions.batches(running))

    async def _running(self, parent_id: str) -> str | None:
        """The running retry of a process, if any."""
        found = await self._ingestions.retry_of(parent_id)
        if found is None:
            return None
        progress = await self._status.progress(found)
        if progress is None or not progress.terminal:
            return found
        await self._ingestions.settle(found)
        return None

    async def _rows(self, parent_id: str) -> list[int]:
        """Numbers of the rows to retry, ascending."""
        retries = await self._ingestions.retries(parent_id)
        rows: set[int] = set()
        corrected = 0
        for code in sorted(TRANSIENT_CODES):
            async for row in self._status.failed_rows(parent_id, code):
                if not row.codes <= TRANSIENT_CODES:
                    continue
                if row.repaired_by and row.repaired_by not in retries:
                    corrected += 1
                    continue
                rows.add(row.row_number)
        if not rows:
            message = "No row of the process failed for a reason that may have passed."
            if corrected:
                message = (
                    f"{corrected} rows that may succeed now were corrected by a repair file; "
                    "load that repair file again."
                )
            raise FailedPreconditionError("NOTHING_TO_RETRY", message)
        return sorted(rows)

    async def _check_file(self, parent: Ingestion) -> None:
        assert parent.content is not None, "rows were read"
        try:
            async for _ in self._files.read(parent.content.file_key, 0, 1):
                pass
        except FileMissingError as error:
            raise FailedPreconditionError(
                "FILE_GONE", "The stored file of the process does not exist any more."
            ) from error


def _knows_nulls(content: Content) -> bool:
    """Whether a file has nulls: all converted formats but CSV do, and CSV whose quotes matter."""
    options = parse_options(content.dialect)
    return (content.normal_form and options.format != "csv") or options.empty_quoted == "text"


def _split_by(layout: Layout, content: Content) -> tuple[str, str]:
    """Delimiter and quote of the file's records; empty when there is more to know of them, or they are no
    delimited text."""
    if not content.normal_form:
        return layout.delimiter, layout.quote
    options = parse_options(content.dialect)
    quote = options.quote_char or '"'
    plain = options.quoting and options.double_quote and not options.escape_char and not options.row_names
    if options.format != "csv" or not plain or options.skip_initial_space or quote == options.delimiter:
        return "", ""
    return options.delimiter or ",", quote


def _retry(parent: Ingestion, process_id: str) -> Ingestion:
    file = replace(parent.file, process_id=process_id, repairs=parent.file.process_id, retry=True)
    # The notices are about the whole file, and its own process has them.
    content = replace(parent.content, notices=()) if parent.content else None
    return Ingestion(file, content, IngestionState.OPEN, False, parent.layout)


def _batches(parents: Sequence[Batch], rows: Iterable[int]) -> list[Batch]:
    """The batches of a retry of these rows (ascending): one, with the same bytes, for each batch of the
    process that has some of them. The rows of the retry are numbered from 1."""
    starts = [batch.first_row for batch in parents]
    chosen: dict[int, list[int]] = {}
    for row in rows:
        chosen.setdefault(bisect_right(starts, row) - 1, []).append(row)
    batches: list[Batch] = []
    first = 1
    for index, numbers in chosen.items():
        batch = parents[index]
        retried = RetriedRows(tuple(numbers), batch.first_row)
        batches.append(
            replace(batch, number=len(batches) + 1, first_row=first, row_count=len(numbers), retried=retried)
        )
        first += len(numbers)
    return batches
