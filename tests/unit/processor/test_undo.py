"""The use case of an undo: what is refused, what is told, and that status hears of it in the end."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.services.processor.pipelines import json_table, table_of
from ingestor.services.processor.ports import GoodRows, ProcessFacts, UndoCounts
from ingestor.services.processor.undo import UndoService
from tests.contract.sink.batches import concluding, key
from tests.fakes.pipelines import MemoryCatalogue
from tests.fakes.processes import MemoryProcesses
from tests.fakes.sink import MemorySink


def document(name: str, **sink: Any) -> str:
    """A pipeline of one column."""
    fields = [{"name": "id", "type": "integer"}]
    schema = {"fields": fields, "primaryKey": "id"}
    return json.dumps({"name": name, "schema": schema, "sink": {"table": name, **sink}})


class Suite:
    """The service and its fakes."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.processes = MemoryProcesses()
        self.pipelines = MemoryCatalogue()
        self.service = UndoService(self.sink, self.processes, self.pipelines)

    async def process(self, pipeline: str = "added", *, ended: bool = True, **facts: Any) -> str:
        """A process that has loaded two rows."""
        process = str(uuid.uuid4())
        known = ProcessFacts(process, "default", pipeline, 1 if pipeline else 0, ended, False, "")
        self.processes.processes[process] = replace(known, **facts)
        table = json_table()
        if pipeline:
            table = table_of(await self.pipelines.get(pipeline, 1))
        name = table.columns[0][0]
        of = key(rows=2, process=facts.get("repairs") or process)
        first = len(self.sink.tables.get(table.name, []))
        rows = GoodRows(table, pa.table({name: pa.array([first, first + 1])}), np.array([1, 2]))
        await self.sink.load(of, rows, concluding(of))
        return process

    def count(self, table: str = "added") -> int:
        """Rows of a table."""
        return len(self.sink.tables[table])

    async def refused(self, process: str) -> FailedPreconditionError:
        """Why an undo is refused; nothing happens then."""
        before = {name: len(rows) for name, rows in self.sink.tables.items()}
        for dry_run in (True, False):
            with pytest.raises(FailedPreconditionError) as caught:
                await self.service.undo(process, dry_run=dry_run)
        assert {name: len(rows) for name, rows in self.sink.tables.items()} == before
        assert self.processes.undone == {}
        return caught.value


@pytest.fixture
async def suite() -> Suite:
    """A service that knows pipelines."""
    made = Suite()
    for text in (
        document("added"),
        document("kept", mode="upsert"),
        document("bare", mode="upsert", undo=False),
    ):
        made.pipelines.add(text)
    return made


@pytest.mark.parametrize("pipeline", ["added", "kept", ""])
async def test_an_undo_happens_once_and_is_told(suite: Suite, pipeline: str) -> None:
    process = await suite.process(pipeline)
    other = await suite.process(pipeline)
    counts = UndoCounts(2, 0, 0)
    assert await suite.service.undo(process, dry_run=True) == counts
    assert suite.processes.undone == {}
    assert suite.count(pipeline or "ingested_rows") == 4
    for _ in range(2):
        assert await suite.service.undo(process, dry_run=False) == counts
        assert suite.processes.undone == {process: counts}
    assert await suite.service.undo(process, dry_run=True) == counts
    assert {str(row["_process_id"]) for row in suite.sink.tables[pipeline or "ingested_rows"]} == {other}


async def test_a_process_that_runs_is_refused(suite: Suite) -> None:
    process = await suite.process(ended=False)
    assert (await suite.refused(process)).reason == "PROCESS_RUNNING"


async def test_a_process_that_is_repaired_is_refused(suite: Suite) -> None:
    process = await suite.process()
    repair = await suite.process(ended=False, repairs=process)
    error = await suite.refused(process)
    assert (error.reason, error.metadata) == ("PROCESS_RUNNING", {"process_id": repair})


async def test_a_repair_goes_with_what_it_repairs(suite: Suite) -> None:
    process = await suite.process()
    repair = await suite.process(repairs=process)
    error = await suite.refused(repair)
    assert (error.reason, error.metadata) == ("REPAIR", {"process_id": process})
    await suite.service.undo(process, dry_run=False)
    assert set(suite.processes.undone) == {process, repair}


async def test_what_cannot_be_undone_says_why(suite: Suite) -> None:
    expired = await suite.process(expired=True)
    bare = await suite.process("bare")
    for process, why in ((expired, "expired"), (bare, "sink.undo is false")):
        error = await suite.refused(process)
        assert error.reason == "UNDO_IMPOSSIBLE"
        assert why in error.message
    unknown = str(uuid.uuid4())
    with pytest.raises(NotFoundError):
        await suite.service.undo(unknown, dry_run=False)


async def test_an_undo_stays_known_when_the_process_has_expired(suite: Suite) -> None:
    process = await suite.process()
    counts = await suite.service.undo(process, dry_run=False)
    suite.processes.processes[process] = replace(suite.processes.processes[process], expired=True)
    await suite.sink.remove(process, "default", deleted=False)
    assert await suite.service.undo(process, dry_run=False) == counts


async def test_status_hears_of_it_in_the_end(suite: Suite) -> None:
    process, deleted = await suite.process(), await suite.process()
    suite.processes.away = True
    for each in (process, deleted):
        assert await suite.service.undo(each, dry_run=False) == UndoCounts(2, 0, 0)
    assert suite.processes.undone == {}
    suite.processes.delete(deleted)
    suite.processes.away = False
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.service.run(stopping))
    async with asyncio.timeout(30):
        while await suite.sink.unreported(10):
            await asyncio.sleep(0)
        stopping.set()
        await running
    assert suite.processes.undone == {process: UndoCounts(2, 0, 0)}


async def test_one_that_status_refuses_holds_up_no_other(suite: Suite) -> None:
    process, other = await suite.process(), await suite.process()
    suite.processes.away = True
    for each in (process, other):
        await suite.service.undo(each, dry_run=False)
    suite.processes.away = False
    known = suite.processes.processes[process]
    suite.processes.processes[process] = replace(known, ended=False)
    await suite.service.report()
    assert set(suite.processes.undone) == {other}
    assert [found.process_id for found in await suite.sink.unreported(10)] == [process]
