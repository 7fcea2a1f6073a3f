"""What DryRun answers: labels of columns, and never more than a message holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingestor.document_checks import DocumentChecks
from ingestor.runtime.errors import InvalidArgumentError, ResourceExhaustedError
from ingestor.runtime.grpc.channel import MAX_MESSAGE_BYTES
from ingestor.runtime.processes.pool import OverLimitError, Processes
from ingestor.services.processor.dry_run import DryRunWork
from ingestor.tabular.options import ReadOptions
from ingestor.v1 import common_pb2, processor_pb2
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.pipelines import MemoryCatalogue
from tests.fakes.work import Here, processor_api


def document(*names: str, **more: Any) -> str:
    """A pipeline whose fields are whole numbers."""
    fields = [{"name": name, "type": "integer"} for name in names]
    return json.dumps({"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}, **more})


async def validate(data: bytes, text: str, **more: Any) -> processor_pb2.DryRunResponse:
    """A dry run with a document, which needs no store."""

    async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
        yield processor_pb2.DryRunRequest(document_json=text, dialect_json='{"delimiter": ","}', **more)
        yield processor_pb2.DryRunRequest(data=data)

    api = processor_api(MemoryCatalogue(), None, MemoryDryRunTables(), None)
    return await api.DryRun(requests(), None)


async def test_errors_have_the_labels_of_their_columns() -> None:
    text = document("id", "size", mapping={"id": "Nr."})
    found = await validate(b"Nr.,size\n1,2\nx,y\n3\n", text)
    assert [(row.row_number, list(row.error_labels), list(row.cells)) for row in found.rows] == [
        (2, ["Nr.", "size"], ["x", "y"]),
        (3, [""], ["3"]),
    ]
    bare = await validate(b"Nr.,size\n1,2\nx,y\n3\n", text, without_cells=True)
    assert [list(row.cells) for row in bare.rows] == [[], []]
    assert [row.errors for row in bare.rows] == [row.errors for row in found.rows]


async def test_fields_say_how_their_first_values_are_understood() -> None:
    found = await validate(b"Nr.,size\n1,2\nx,2\n3,y\n", document("id", "size", mapping={"id": "Nr."}))
    values = [
        (one.field, one.label, [(value.written, value.understood) for value in one.values])
        for one in found.readings
    ]
    assert values == [("id", "Nr.", [("1", "1"), ("3", "3")]), ("size", "size", [("2", "2")])]


async def test_readings_of_many_fields_fit_into_one_message() -> None:
    names = [f"f{number}" for number in range(1500)]
    fields = [{"name": name, "type": "string"} for name in names]
    text = json.dumps({"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}})
    cells = "\n".join(",".join(f"{row}{'x' * 300}" for _ in names) for row in range(3))
    found = await validate(f"{','.join(names)}\n{cells}\n".encode(), text)
    assert 0 < len(found.readings) < len(names)
    assert sum(one.ByteSize() for one in found.readings) <= 2**19


async def test_a_client_that_sends_nothing_is_not_waited_for() -> None:
    async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
        yield processor_pb2.DryRunRequest(document_json=document("id"), dialect_json="{}")
        yield processor_pb2.DryRunRequest(data=b"id\n1\n")
        await asyncio.Event().wait()

    api = processor_api(MemoryCatalogue(), None, MemoryDryRunTables(), None, idle_seconds=0.05)
    with pytest.raises(ResourceExhaustedError, match=r"got no data for 0\.05 seconds") as caught:
        await api.DryRun(requests(), None)
    assert caught.value.reason == "DRY_RUN_IDLE"


async def test_a_dry_run_without_end_is_ended() -> None:
    async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
        yield processor_pb2.DryRunRequest(document_json=document("id"), dialect_json='{"delimiter": ","}')
        yield processor_pb2.DryRunRequest(data=b"id\n")
        while True:
            await asyncio.sleep(0)
            yield processor_pb2.DryRunRequest(data=b"1\n")

    api = processor_api(MemoryCatalogue(), None, MemoryDryRunTables(), None, most_seconds=0.5)
    with pytest.raises(ResourceExhaustedError, match=r"took more than 0\.5 seconds") as caught:
        await api.DryRun(requests(), None)
    assert caught.value.reason == "DRY_RUN_TOO_LONG"


async def test_work_that_is_too_much_is_one_clear_error() -> None:
    class Overloaded(Processes):
        async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
            raise OverLimitError("took more than 10 seconds")

    with pytest.raises(InvalidArgumentError, match="took more than 10 seconds") as caught:
        await DocumentChecks(Overloaded(), 10).read("{}")
    assert caught.value.reason == "PIPELINE_TOO_COMPLEX"
    with pytest.raises(InvalidArgumentError, match="took more than 10 seconds") as caught:
        await DryRunWork(Overloaded(), 10).head(b"a", True, ReadOptions(), False, ())
    assert caught.value.reason == "DRY_RUN_TOO_COMPLEX"


async def test_a_document_that_was_found_right_is_not_checked_again() -> None:
    class Counted(Here):
        calls = 0

        async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
            self.calls += 1
            return await super().call(function, *arguments, seconds=seconds, group=group)

    documents = DocumentChecks(processes := Counted(), 10)
    for _ in range(2):
        assert (await documents.read(document("id"))).name == "p"
    await documents.read(document("other"))
    assert processes.calls == 2
    for _ in range(2):  # what is wrong is told each time
        with pytest.raises(InvalidArgumentError):
            await documents.read("{}")


async def test_an_answer_fits_into_a_message() -> None:
    wide = "x" * 4000
    text = document(*(f"c{number}" for number in range(5)))
    line = ",".join([wide] * 5)
    found = await validate(f"c0,c1,c2,c3,c4\n{(line + chr(10)) * 900}".encode(), text, without_cells=True)
    assert found.counts.failed == 900
    assert 100 < len(found.rows) < 900
    assert [row.row_number for row in found.rows] == list(range(1, len(found.rows) + 1))
    assert found.ByteSize() < MAX_MESSAGE_BYTES / 2


async def test_one_row_too_large_for_a_message() -> None:
    names = [f"c{number}" for number in range(1500)]
    line = ",".join(["ä" * 2000] * 1500)
    found = await validate(f"{','.join(names)}\n{line}\n".encode(), document(*names))
    (row,) = found.rows
    assert (row.state, list(row.cells)) == (common_pb2.ROW_STATE_FAILED, [])
    assert len(row.errors) == len(row.error_labels) >= 500
    assert row.ByteSize() <= MAX_MESSAGE_BYTES / 2
