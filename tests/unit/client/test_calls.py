"""Calls: what they answer, how they fail, how long they take."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestor import AsyncClient
from ingestor.client import (
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ProcessState,
    RowState,
    UnavailableError,
)
from ingestor.runtime import errors
from ingestor.v1 import common_pb2
from tests.fakes.gateway import Suite, a_process


async def test_a_process_has_typed_fields(client: AsyncClient) -> None:
    process = await client.process("p1")
    counts = process.counts
    assert (counts.read, counts.succeeded, counts.failed, counts.skipped) == (10, 8, 1, 1)
    assert (process.file_name, process.size, process.columns) == ("a.csv", 100, ("id", "name"))
    assert process.dialect == {"delimiter": ";"}
    assert process.state == "COMPLETED" and process.state.ended
    assert process.ended is None and process.failure is None and process.repairs is None
    assert counts.raw == process.raw.counts


async def test_progress_is_estimated_from_what_is_dispatched(client: AsyncClient, suite: Suite) -> None:
    running = a_process(state=common_pb2.PROCESS_STATE_DISPATCHING)
    running.counts.succeeded = 3  # of 10 read, in half of the file
    suite.status.course = [running]
    assert (await client.process("p1")).progress == pytest.approx(0.25)
    suite.status.course = [a_process()]
    assert (await client.process("p1")).progress == 1


async def test_a_state_that_is_not_known_yet_is_no_error(client: AsyncClient, suite: Suite) -> None:
    suite.status.course = [a_process(state=99)]  # type: ignore[arg-type]
    assert (await client.process("p1")).state is ProcessState.UNSPECIFIED


async def test_an_error_has_code_reason_and_message(client: AsyncClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.process("p9")
    error = caught.value
    assert (error.code, error.reason, error.message) == (
        "NOT_FOUND", "PROCESS_NOT_FOUND", "no such process"
    )  # fmt: skip


async def test_an_invalid_document_names_its_fields(client: AsyncClient, suite: Suite) -> None:
    suite.pipelines.refuse = errors.InvalidArgumentError(
        "INVALID_PIPELINE",
        "the document is wrong",
        metadata={"pipeline": "customers"},
        violations=[
            errors.FieldViolation("/name", "is missing"),
            errors.FieldViolation("/sink", "is no object"),
            errors.FieldViolation("/sink", "has no table"),
        ],
    )
    with pytest.raises(InvalidArgumentError) as caught:
        await client.pipelines.apply({})
    assert caught.value.fields == {"/name": "is missing", "/sink": "is no object; has no table"}
    assert caught.value.metadata == {"pipeline": "customers"}
    assert "/name: is missing" in str(caught.value)


async def test_apply_with_dry_run_says_so(client: AsyncClient, suite: Suite) -> None:
    stored = await client.pipelines.apply({"name": "customers"}, dry_run=True)
    assert suite.pipelines.applied[0].dry_run
    assert (stored.reference, stored.created, stored.document) == (
        "customers@1", True, {"name": "customers"}
    )  # fmt: skip


async def test_a_call_is_repeated_while_the_suite_is_unavailable(suite: Suite) -> None:
    suite.status.unavailable = 2
    lost: list[str] = []
    async with AsyncClient(suite.address, on_lost=lost.append) as client:
        assert (await client.process("p1")).id == "p1"
    assert lost == ["starting", "starting"]


async def test_patience_ends(suite: Suite) -> None:
    suite.status.unavailable = 10**6
    async with AsyncClient(suite.address, patience=0.1) as client:
        with pytest.raises(UnavailableError, match="starting"):
            await client.process("p1")


async def test_an_address_without_a_suite_is_unavailable() -> None:
    async with AsyncClient("127.0.0.1:1", patience=0.1) as client:
        with pytest.raises(UnavailableError):
            await client.process("p1")


@pytest.mark.parametrize("of_call", [True, False])
async def test_a_silent_suite_runs_into_the_time_limit(suite: Suite, of_call: bool) -> None:
    suite.status.silent = True
    async with AsyncClient(suite.address, timeout=60 if of_call else 0.2) as client:
        with pytest.raises(DeadlineExceededError, match=r"0\.2 s"):
            await client.process("p1", timeout=0.2 if of_call else None)


async def test_a_closed_client_refuses_calls(client: AsyncClient) -> None:
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.process("p1")


async def test_wait_tells_of_every_change_and_survives_a_lost_connection(
    client: AsyncClient, suite: Suite
) -> None:
    suite.status.course = [a_process(state=common_pb2.PROCESS_STATE_PENDING), a_process()]
    suite.status.break_watch = True
    process = await client.process("p1")
    states: list[str] = []
    assert await process.wait(lambda p: states.append(p.state)) is process
    assert states == ["PENDING", "PENDING", "COMPLETED"]


async def test_wait_has_a_time_limit(client: AsyncClient, suite: Suite) -> None:
    suite.status.course = [a_process(state=common_pb2.PROCESS_STATE_PENDING)]
    process = await client.process("p1")
    suite.status.silent = True
    with pytest.raises(DeadlineExceededError, match=r"PENDING after 0\.2 s and still running"):
        await process.wait(timeout=0.2)


async def test_rows_come_from_all_pages(client: AsyncClient, suite: Suite) -> None:
    process = await client.process("p1")
    rows = [row async for row in process.rows("status=FAILED")]
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert {request.filter for request in suite.status.asked} == {"status=FAILED"}
    first = rows[0]
    assert (first.line, first.state, first.cells) == (2, RowState.FAILED, ("x", "y"))
    error = first.errors[0]
    assert (error.code, error.field, error.value, error.phase) == ("type-error", "id", "x", "VALIDATE")


async def test_no_more_rows_are_fetched_than_asked_for(client: AsyncClient, suite: Suite) -> None:
    process = await client.process("p1")
    assert [row.number async for row in process.rows(limit=3)] == [1, 2, 3]
    assert [request.page_size for request in suite.status.asked] == [3, 1]


async def test_processes_are_handles(client: AsyncClient) -> None:
    found = [process async for process in client.processes()]
    assert [process.id for process in found] == ["p1", "p2"]
    assert (await found[0].refresh()).counts.read == 10


async def test_events_have_aware_times(client: AsyncClient) -> None:
    (event,) = [event async for event in (await client.process("p1")).events()]
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (event.type, event.data) == ("ingestion.started", {"a": 1})


@pytest.mark.parametrize(
    ("name", "format_", "content"),
    [
        ("r.csv", None, b"REPORT_FORMAT_CSVREPORT_ROWS_ALL"),
        ("r.XLSX", None, b"REPORT_FORMAT_XLSXREPORT_ROWS_ALL"),
        ("r.csv", "jsonl", b"REPORT_FORMAT_JSONLREPORT_ROWS_ALL"),
    ],
)
async def test_a_report_is_written_to_a_path(
    client: AsyncClient, tmp_path: Path, name: str, format_: str | None, content: bytes
) -> None:
    process = await client.process("p1")
    report = await process.report(tmp_path / name, format_, "all")  # type: ignore[arg-type]
    assert (tmp_path / name).read_bytes() == content
    assert (report.rows, report.size) == (7, len(content))


async def test_half_a_report_is_not_left(client: AsyncClient, suite: Suite, tmp_path: Path) -> None:
    suite.status.break_watch = True
    with pytest.raises(UnavailableError):
        await (await client.process("p1")).report(tmp_path / "r.csv")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - one name suffices


async def test_a_report_is_written_to_a_file(client: AsyncClient) -> None:
    file = io.BytesIO()
    await (await client.process("p1")).report(file)
    assert file.getvalue() == b"REPORT_FORMAT_CSVREPORT_ROWS_REJECTED"


async def test_a_report_that_is_cut_begins_anew(client: AsyncClient, suite: Suite, tmp_path: Path) -> None:
    suite.status.cut_reports = 2
    file = io.BytesIO(b"before ")
    file.seek(0, os.SEEK_END)
    report = await (await client.process("p1")).report(file)
    assert file.getvalue() == b"before REPORT_FORMAT_CSVREPORT_ROWS_REJECTED"
    assert (report.rows, report.size) == (7, len(file.getvalue()) - len(b"before "))


async def test_what_cannot_be_taken_back_is_not_written_twice(client: AsyncClient, suite: Suite) -> None:
    suite.status.cut_reports = 1
    read, write = os.pipe()
    with os.fdopen(write, "wb") as pipe, pytest.raises(UnavailableError):
        await (await client.process("p1")).report(pipe)
    assert os.read(read, 1000) == b"REPORT_FORMAT_CSVREPORT_ROWS_REJECTED"
    os.close(read)


async def test_a_report_of_no_known_format_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="'pdf', not one of csv, jsonl, xlsx"):
        await (await client.process("p1")).report(tmp_path / "r", "pdf")  # type: ignore[arg-type]


async def test_pause_is_seen_in_the_handle(client: AsyncClient) -> None:
    process = await client.process("p1")
    assert (await process.pause()).state == "PAUSED"


async def test_undo_counts_and_looks_again_unless_it_is_a_dry_run(client: AsyncClient, suite: Suite) -> None:
    process = await client.process("p1")
    suite.status.course = [a_process(state=common_pb2.PROCESS_STATE_UNDONE)]
    counts = await process.undo(dry_run=True)
    assert (counts.removed, counts.restored, counts.kept) == (3, 0, 1)
    assert process.state == "COMPLETED"
    await process.undo()
    assert process.state == "UNDONE"


async def test_queues(client: AsyncClient) -> None:
    queues = await client.queues()
    assert (queues.waiting, queues.in_flight, queues.dead_letters) == (2, 1, 1)


async def test_a_call_that_the_suite_does_not_know_is_an_error_of_its_own(client: AsyncClient) -> None:
    from ingestor.client import UnimplementedError

    with pytest.raises(UnimplementedError):
        await client.overview()


async def test_a_draft_from_a_table(client: AsyncClient) -> None:
    found = await client.pipelines.of_table("stock")
    assert [field["name"] for field in found.document["schema"]["fields"]] == ["sku", "qty"]
    assert found.needed == ("sku",)
    with pytest.raises(NotFoundError, match="There is no table other"):
        await client.pipelines.of_table("other")
