"""What the service of batches needs to read and check rows, and the usual way: in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.typed_cells import TypedCells
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.observability.spans import span
from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.runtime.observability.stages import stage
from ingestor.services.processor.batches import RepairedRows, RowBatch
from ingestor.services.processor.reading import RepairTable, parse, read_repair
from ingestor.tabular.text_table import TextTable

_check_rows = cpu_of("check")(check_rows)


class Checks(Protocol):
    """Where the rows of a batch are read and checked."""

    async def parse(self, batch: RowBatch, data: bytes, pipeline: Pipeline | None) -> TextTable:
        """The records of a batch. Raises ValueError when the data do not match it."""
        ...

    async def read_repair(
        self, batch: RowBatch, rows: RepairedRows, data: bytes, pipeline: Pipeline | None
    ) -> RepairTable:
        """The records of a batch of a repair. Raises ValueError when the data do not match it."""
        ...

    async def check(
        self, table: TextTable, columns: Sequence[str], pipeline: Pipeline | None, *, typed: TypedCells
    ) -> CheckedRows:
        """The rows of a table after the checks; `columns` are its labels."""
        ...


class ThreadChecks(Checks):
    """In threads of this process."""

    async def parse(self, batch: RowBatch, data: bytes, pipeline: Pipeline | None) -> TextTable:
        return await asyncio.to_thread(parse, batch, data, pipeline)

    async def read_repair(
        self, batch: RowBatch, rows: RepairedRows, data: bytes, pipeline: Pipeline | None
    ) -> RepairTable:
        with stage("parse"), span("parse"):
            return await asyncio.to_thread(read_repair, batch, rows, data, pipeline)

    async def check(
        self, table: TextTable, columns: Sequence[str], pipeline: Pipeline | None, *, typed: TypedCells
    ) -> CheckedRows:
        with stage("check"), span("check"):
            return await asyncio.to_thread(_check_rows, table, columns, pipeline, typed=typed)
