"""While a slice is tried in the table, the next one is checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ingestor.pipeline_documents import read_document
from ingestor.runtime.errors import TransientError
from ingestor.services.processor.dry_run import DryRun, DryRunWork, dry_run
from ingestor.services.processor.dry_run_work import CheckedSlice
from ingestor.services.processor.ports import DryRunTables, GoodRows, Refused, Table, TableDryRun
from ingestor.tabular.options import ReadOptions
from tests.fakes.work import WORK

DOCUMENT = json.dumps({
    "name": "p",
    "schema": {"fields": [{"name": "id", "type": "integer"}, {"name": "text", "type": "string"}]},
    "sink": {"table": "t"},
})  # fmt: skip
ROWS = 80  # of 100 kB, so that there are several slices


class Checks(DryRunWork):
    """Counts the slices that were checked."""

    def __init__(self) -> None:
        self.done = 0
        self.more = asyncio.Event()

    async def head(self, *arguments: Any) -> Any:
        """As it is."""
        return await WORK.head(*arguments)

    async def check(self, *arguments: Any, **options: Any) -> CheckedSlice:
        """Checks."""
        found = await WORK.check(*arguments, **options)
        self.done += 1
        if self.done > 1:
            self.more.set()
        return found


class Waiting(TableDryRun, DryRunTables):
    """A table that takes the first slice when the second one is checked."""

    notices = ()
    table_now = None

    def __init__(self, checks: Checks, error: Exception | None = None) -> None:
        self.checks = checks
        self.error = error
        self.tried: list[int] = []
        self.began = asyncio.Event()

    @asynccontextmanager
    async def open(self, table: Table) -> AsyncIterator[Waiting]:
        """Itself."""
        yield self

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        """None, after the wait."""
        self.began.set()
        await self.checks.more.wait()
        if self.error:
            raise self.error
        self.tried += rows.row_numbers.tolist()
        return ()


async def run(tables: Waiting) -> DryRun:
    """A dry run of 8 MB."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"id,text\n"
        for number in range(1, ROWS + 1):
            yield f"{number},{'x' * 100_000}\n".encode()

    return await dry_run(
        chunks(), read_document(DOCUMENT), ReadOptions(delimiter=","), False, tables, tables.checks
    )


async def test_the_next_slice_is_checked_meanwhile() -> None:
    tables = Waiting(Checks())
    async with asyncio.timeout(60):
        found = await run(tables)
    assert tables.checks.done > 2
    assert (found.read, found.succeeded) == (ROWS, ROWS)
    assert tables.tried == list(range(1, ROWS + 1))


async def test_an_error_of_the_table_ends_it() -> None:
    tables = Waiting(Checks(), TransientError("away"))
    with pytest.raises(TransientError, match="away"):
        await run(tables)
    assert tables.checks.done == 2


async def test_nothing_goes_on_when_the_client_has_gone() -> None:
    tables = Waiting(Checks())
    tables.checks.done = -1000  # the table waits for ever
    running = asyncio.create_task(run(tables))
    await tables.began.wait()  # and the next slice is read
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}
