"""The dry run into a table: counts of every row, the first rows by name, and a table that takes none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from ingestor.pipeline_documents import read_document
from ingestor.services.processor.dry_run import MAX_ROWS, DryRun, dry_run
from ingestor.tabular.options import ReadOptions
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.sink import MemorySink
from tests.fakes.work import WORK


def document(**schema: Any) -> str:
    """A pipeline of two columns with a primary key."""
    fields = [{"name": "id", "type": "integer"}, {"name": "shop", "type": "integer"}]
    return json.dumps({
        "name": "p", "schema": {"fields": fields, "primaryKey": "id", **schema}, "sink": {"table": "t"}
    })  # fmt: skip


async def run(text: str, data: str, sink: MemorySink) -> DryRun:
    """A dry run of a file that comes in one piece."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data.encode()

    pipeline = read_document(text) if text else None
    tables = MemoryDryRunTables(sink)
    return await dry_run(chunks(), pipeline, ReadOptions(delimiter=","), False, tables, WORK)


async def test_refused_rows_stand_among_the_others_with_line_and_cells() -> None:
    sink = MemorySink()
    sink.tables["t"] = [{"id": 3, "shop": None}]
    found = await run(document(), 'id,shop\n1,1\nx,2\n\n"1",3\n3,4\n4,y\n5,5\n', sink)
    assert (found.read, found.succeeded, found.failed, found.skipped) == (7, 2, 4, 1)
    assert [(row.row_number, row.line_number, row.errors[0].code, row.cells) for row in found.rows] == [
        (2, 3, "type-error", ("x", "2")),
        (3, 4, "blank-row", ()),
        (4, 5, "primary-key", ("1", "3")),
        (5, 6, "primary-key", ("3", "4")),
        (6, 7, "type-error", ("4", "y")),
    ]


async def test_every_row_is_counted_and_the_first_ones_are_told() -> None:
    rows = MAX_ROWS + 500
    lines = [f"{'x' if number % 3 == 0 else 1},1\n" for number in range(rows)]
    found = await run(document(), "id,shop\n" + "".join(lines), MemorySink())
    assert (found.read, found.succeeded, found.failed) == (rows, 1, rows - 1)
    assert [row.row_number for row in found.rows] == [n for n in range(1, rows + 1) if n != 2][:MAX_ROWS]


async def test_a_table_that_takes_no_row() -> None:
    """Every row fails for that one reason, those too that would have been skipped."""
    foreign = [{"fields": "shop", "reference": {"resource": "nowhere", "fields": "id"}}]
    lines = "1,1\n\nx,1\n" + "2,2\n" * MAX_ROWS
    found = await run(document(foreignKeys=foreign), "id,shop\n" + lines, MemorySink())
    count = MAX_ROWS + 3
    assert (found.read, found.succeeded, found.failed, found.skipped) == (count, 0, count, 0)
    assert [row.row_number for row in found.rows] == list(range(1, MAX_ROWS + 1))
    assert {row.errors[0].code for row in found.rows} == {"sink-error"}


async def test_rows_without_a_pipeline_are_not_tried() -> None:
    assert (await run("", "id,shop\n1,1\n1,1\n", MemorySink())).succeeded == 2
