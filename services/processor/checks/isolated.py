"""Checks the rows of a batch apart from the service, and finds those that no process survives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import pyarrow as pa
import structlog

from ingestor.checking.rows import CheckedRows
from ingestor.checking.typed_cells import TypedCells
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.processes.pool import CallFailedError, OverLimitError, Processes
from ingestor.services.processor.batches import RepairedRows, RowBatch
from ingestor.services.processor.checks.parts import CHECK, PARSE, READ_REPAIR, given_up, part
from ingestor.services.processor.checks.port import Checks
from ingestor.services.processor.reading import RepairTable
from ingestor.tabular.text_table import TextTable

log = structlog.get_logger(__name__)

_MOST_GUILTY = 10  # rows that are looked for; a part that fails after that is given up as a whole


class UnreadableRowsError(Exception):
    """No process survives reading the batch's bytes."""


class IsolatedChecks(Checks):
    """Runs the checks in other processes: all rows at once; if that process dies, takes too long or raises,
    by halves, until the rows that it dies of are alone. Those are FAILED, the others are as good as ever."""

    def __init__(self, processes: Processes, *, tenant: str, seconds: float) -> None:
        """A call may take so many seconds of processor time."""
        self._call = partial(processes.call, seconds=seconds, group=tenant)
        self._guilty = 0

    async def parse(self, batch: RowBatch, data: bytes, pipeline: Pipeline | None) -> TextTable:
        """Raises UnreadableRowsError."""
        return cast("TextTable", await self._twice(PARSE, batch, data, pipeline))

    async def read_repair(
        self, batch: RowBatch, rows: RepairedRows, data: bytes, pipeline: Pipeline | None
    ) -> RepairTable:
        """Raises UnreadableRowsError."""
        return cast("RepairTable", await self._twice(READ_REPAIR, batch, rows, data, pipeline))

    async def check(
        self, table: TextTable, columns: Sequence[str], pipeline: Pipeline | None, *, typed: TypedCells
    ) -> CheckedRows:
        """The rows after the checks."""
        good: list[pa.Table] = []
        indexes, rejected = [], []
        waiting = [(0, table.record_count)]
        notices = table.notices
        while waiting:
            first, end = waiting.pop()
            some = part(table, first, end)
            try:
                found = await self._check(some, columns, pipeline, typed=typed, again=end - first == 1)
            except (OverLimitError, CallFailedError) as error:
                if end - first > 1 and self._guilty < _MOST_GUILTY:
                    middle = (first + end) // 2
                    waiting += [(middle, end), (first, middle)]  # the first half is next
                    continue
                self._guilty += 1
                log.warning("rows given up", first=table.first_row + first, rows=end - first, why=str(error))
                rejected += given_up(some, _message(error, alone=end - first == 1))
                continue
            good.append(found.good)
            indexes.append(found.good_index)
            rejected += found.rejected
        rejected.sort(key=lambda row: row.row_number)
        if not good:  # a part without rows has the columns
            nothing = await self._check(part(table, 0, 0), columns, pipeline, typed=typed, again=True)
            good, indexes = [nothing.good], [nothing.good_index]
        return CheckedRows(pa.concat_tables(good), np.concatenate(indexes), rejected, notices)

    async def _check(
        self,
        table: TextTable,
        columns: Sequence[str],
        pipeline: Pipeline | None,
        *,
        typed: TypedCells,
        again: bool,
    ) -> CheckedRows:
        """With `again` a second time if the process dies: somebody may have killed it."""
        call = partial(self._call, CHECK, table, columns, pipeline, typed)
        try:
            return cast("CheckedRows", await call())
        except OverLimitError:
            if not again:
                raise
            return cast("CheckedRows", await call())

    async def _twice(self, function: str, *arguments: object) -> object:
        for _ in range(2):
            try:
                return await self._call(function, *arguments)
            except OverLimitError as error:
                log.warning("the batch cannot be read", why=str(error))
                last: Exception = error
            except CallFailedError as error:
                last = error
                break
        raise UnreadableRowsError(str(last)) from last


def _message(error: Exception, *, alone: bool) -> str:
    what = "This row" if alone else "This row, or one near it,"
    if isinstance(error, CallFailedError):
        return f"{what} cannot be checked because of an error in the program, which its log tells."
    return f"{what} cannot be checked: the process {error}."
