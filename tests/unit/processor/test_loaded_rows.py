"""The use case of looking at loaded rows: which table is read, and what its columns are read from."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from ingestor.runtime.errors import InvalidArgumentError, NotFoundError
from ingestor.services.processor.loaded.service import LoadedRowsService
from ingestor.services.processor.ports import Loaded, LoadedRows, LoadedTables, ProcessFacts
from ingestor.v1 import processor_pb2
from tests.fakes.pipelines import MemoryCatalogue
from tests.fakes.processes import MemoryProcesses
from tests.fakes.work import processor_api

PROCESS, REPAIR = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
COLUMNS = ("Full name", "first", "last", "note")


class OneRow(LoadedTables):
    """Has one row in each table, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Loaded, int, int]] = []

    async def read(self, of: Loaded, first: int, last: int, *, counts: bool) -> LoadedRows:
        self.asked.append((of, first, last))
        columns = tuple(name for name, _ in of.table.columns)
        rows = [(7, [None if name == columns[0] else name for name in columns])]
        return LoadedRows("t", "SELECT", columns, rows, counts=(9, 1) if counts else None)


def document(**more: Any) -> str:
    """A pipeline whose fields are read from a column of another name, from two columns, and from none."""
    fields = [{"name": name, "type": "string"} for name in ("full_name", "both", "note")]
    made = {
        "name": "people",
        "schema": {"fields": fields},
        "mapping": {"full_name": "Full name"},
        "transforms": [{"op": "concatenate", "columns": ["first", "last"], "separator": " ", "into": "both"}],
        "sink": {"table": "people"},
    }
    return json.dumps(made | more)


class Suite:
    """The API and its fakes."""

    def __init__(self, pipeline: str = "people", text: str = "") -> None:
        self.tables = OneRow()
        catalogue = MemoryCatalogue()
        catalogue.add(text or document())
        processes = MemoryProcesses()
        for process, repairs in ((PROCESS, ""), (REPAIR, PROCESS)):
            version = 1 if pipeline else 0
            processes.processes[process] = ProcessFacts(
                process, "default", pipeline, version, True, False, repairs, COLUMNS
            )
        service = LoadedRowsService(self.tables, processes, catalogue)
        self.api = processor_api(None, None, None, None, service)

    async def ask(self, process: str = PROCESS, **more: Any) -> processor_pb2.ListLoadedRowsResponse:
        """The answer of a call."""
        request = processor_pb2.ListLoadedRowsRequest(process_id=process, **more)
        return await self.api.ListLoadedRows(request, None)


async def test_columns_say_what_they_are_read_from() -> None:
    suite = Suite()
    answer = await suite.ask(first_row=5, last_row=9)
    assert [(column.name, column.label) for column in answer.columns] == [
        ("full_name", "Full name"), ("both", ""), ("note", "note"),
    ]  # fmt: skip
    (row,) = answer.rows
    assert row.row_number == 7
    assert [cell.text if cell.HasField("text") else None for cell in row.cells] == [None, "both", "note"]
    assert not answer.HasField("table_rows")
    ((of, first, last),) = suite.tables.asked
    assert (of.process_id, of.table.name, first, last) == (PROCESS, "people", 5, 9)


async def test_columns_that_the_table_took_from_the_file() -> None:
    answer = await Suite(text=document(sink={"table": "people", "schemaDrift": "evolve"})).ask()
    assert {column.label for column in answer.columns} >= {"Full name", "note"}
    assert len(answer.columns) >= 3


async def test_counts_and_no_end() -> None:
    suite = Suite()
    answer = await suite.ask(with_counts=True)
    assert (answer.table_rows, answer.process_rows) == (9, 1)
    assert suite.tables.asked[0][2] == 2**63 - 1


async def test_json_rows_have_the_labels_of_the_file() -> None:
    answer = await Suite(pipeline="").ask()
    assert [(column.name, column.label) for column in answer.columns] == [("data", "")]


async def test_rows_of_a_repair_are_those_of_the_repaired_process() -> None:
    suite = Suite()
    answer = await suite.ask(REPAIR)
    assert suite.tables.asked[0][0].process_id == PROCESS
    assert "as rows of the repaired process" in answer.unreadable
    assert (answer.table, answer.select_sql, list(answer.rows)) == ("t", "SELECT", [])


async def test_a_sink_of_another_package_says_so() -> None:
    suite = Suite(text=document(sink={"type": "parquet-files", "options": {}}))
    answer = await suite.ask(with_counts=True)
    assert answer.unreadable == "The sink parquet-files does not show its rows."
    assert (answer.table, suite.tables.asked) == ("", [])


async def test_what_is_refused() -> None:
    with pytest.raises(NotFoundError):
        await Suite().ask(str(uuid.UUID(int=3)))
    with pytest.raises(InvalidArgumentError):
        await Suite().ask("x")
