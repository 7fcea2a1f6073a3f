"""The status service as its neighbours meet it: a real server, PostgreSQL and SQS."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from python_calamine import CalamineWorkbook

from ingestor.internal.v1 import ledger_pb2
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.errors import ServiceError, from_rpc_error
from ingestor.runtime.grpc.channel import open_channel
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import common_pb2, processor_pb2, status_pb2
from tests.status_stub import status_stub

ROWS = 100  # of a batch


@pytest.fixture
async def status(status_address: str) -> AsyncIterator[Any]:
    """A client of a running service."""
    async with open_channel(status_address) as channel:
        yield status_stub(channel)


def bounds(number: int) -> common_pb2.BatchRange:
    """Batch `number` of a file whose batches have ROWS rows of ten bytes, one a line."""
    first = (number - 1) * ROWS + 1
    return common_pb2.BatchRange(
        batch_number=number, first_row=first, row_count=ROWS, first_line=first + 1,
        byte_start=first * 10, byte_end=(first + ROWS) * 10,
    )  # fmt: skip


def rejected(row: int, state: common_pb2.RowState.ValueType, *errors: tuple[str, str]) -> Any:
    """A row that is no plain success."""
    return processor_pb2.RejectedRow(
        row_number=row, line_number=row + 1, state=state, cells=[str(row), "=cmd"],
        errors=[
            common_pb2.RowError(
                code=code, field=field, value="=cmd", message=f"{field} is bad",
                phase=common_pb2.ERROR_PHASE_VALIDATE,
            )
            for code, field in errors
        ],
    )  # fmt: skip


async def begin(status: Any, process: str) -> None:
    """Start a process with two columns."""
    info = common_pb2.ProcessInfo(process_id=process, file_name="a.csv", size_bytes=9_999, pipeline="p")
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, started=info))
    header = ledger_pb2.HeaderRead(columns=["id", "name"])
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, header=header))


async def dispatch(status: Any, process: str, number: int) -> Any:
    """Record that a batch was sent."""
    return await status.RecordDispatch(
        ledger_pb2.RecordDispatchRequest(process_id=process, dispatched=bounds(number))
    )


async def finish(status: Any, process: str, batches: int) -> Any:
    """Record that all is sent."""
    done = ledger_pb2.DispatchFinished(row_count=batches * ROWS, batch_count=batches)
    return await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, finished=done))


async def outcome(status: Any, process: str, number: int, rows: list[Any] = [], **header: Any) -> bool:  # noqa: B006
    """Record a batch's outcome: its rows in two messages."""
    skipped = sum(row.state == common_pb2.ROW_STATE_SKIPPED for row in rows)
    made: dict[str, Any] = {
        "process_id": process, "tenant": "default", "batch": bounds(number),
        "default_state": common_pb2.ROW_STATE_SUCCEEDED, "succeeded": ROWS - len(rows),
        "failed": len(rows) - skipped, "skipped": skipped, **header,
    }  # fmt: skip

    async def messages() -> AsyncIterator[ledger_pb2.RecordOutcomesRequest]:
        yield ledger_pb2.RecordOutcomesRequest(header=ledger_pb2.OutcomeHeader(**made), rows=rows[:1])
        if rows[1:]:
            yield ledger_pb2.RecordOutcomesRequest(rows=rows[1:])

    answer = await status.RecordOutcomes(messages())
    return bool(answer.recorded)


async def get(status: Any, process: str) -> Any:
    """The process."""
    return (await status.GetProcess(status_pb2.GetProcessRequest(process_id=process))).process


FAILED, SKIPPED = common_pb2.ROW_STATE_FAILED, common_pb2.ROW_STATE_SKIPPED


async def test_a_process_from_start_to_end(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    for number in (1, 2):
        await dispatch(status, process, number)
    rows = [rejected(3, FAILED, ("type-error", "name"), ("constraint-error", "id")), rejected(7, SKIPPED)]
    assert await outcome(status, process, 1, rows)
    assert not await outcome(status, process, 1, rows)  # told twice
    assert (await get(status, process)).state == common_pb2.PROCESS_STATE_DISPATCHING
    assert await outcome(status, process, 2)
    answer = await finish(status, process, 2)
    assert answer.state == common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS
    found = await get(status, process)
    assert found.counts == common_pb2.RowCounts(read=200, succeeded=198, failed=1, skipped=1)
    assert (found.columns, found.batches_processed) == (["id", "name"], 2)

    async def row(number: int) -> Any:
        request = status_pb2.GetRowRequest(process_id=process, row_number=number)
        return (await status.GetRow(request)).row

    assert (await row(3)).state == FAILED
    assert [e.code for e in (await row(3)).errors] == ["type-error", "constraint-error"]
    assert (await row(7)).state == SKIPPED
    assert (await row(200)).state == common_pb2.ROW_STATE_SUCCEEDED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await row(201)
    error = from_rpc_error(caught.value)
    assert isinstance(error, ServiceError)
    assert error.reason == "ROW_NOT_FOUND"


async def test_notices_of_the_file_and_of_its_rows(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    sheets = common_pb2.Notice(code="other-sheets", message="The sheet Lists is hidden.")
    other = str(uuid.uuid4())
    info = common_pb2.ProcessInfo(process_id=other, file_name="a.xlsx", size_bytes=9)
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=other, started=info))
    header = ledger_pb2.HeaderRead(columns=["id"], notices=[sheets])
    for _ in range(2):  # told twice
        await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=other, header=header))

    def left_out(rows: int, *numbers: int) -> common_pb2.Notice:
        message = "A trigger left rows out."
        return common_pb2.Notice(code="rows-left-out", message=message, rows=rows, row_numbers=numbers)

    for number in (1, 2):
        await dispatch(status, other, number)
    assert await outcome(status, other, 2, notices=[left_out(3, 102, 104)])
    assert await outcome(status, other, 1, notices=[left_out(1, 7)])
    assert not await outcome(status, other, 1, notices=[left_out(1, 7)])
    assert list((await get(status, other)).notices) == [sheets, left_out(4, 7, 102, 104)]
    assert not (await get(status, process)).notices

    await dispatch(status, other, 3)
    assert await outcome(status, other, 3, notices=[sheets])  # nothing new
    answer = await status.ListEvents(status_pb2.ListEventsRequest(process_id=other))
    noticed = [json.loads(e.data_json)["notices"] for e in answer.events if e.type == "ingestion.noticed"]
    assert [[notice["rows"] for notice in notices] for notices in noticed] == [[0], [3], [1]]


async def test_rows_are_filtered_and_paged(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    await outcome(status, process, 1, [rejected(3, FAILED, ("type-error", "name")), rejected(7, SKIPPED)])
    await outcome(  # a batch that failed as a whole
        status, process, 2, default_state=FAILED, succeeded=0, failed=ROWS,
        error=common_pb2.RowError(
            code="batch-error", message="The batch could not be processed.", phase=common_pb2.ERROR_PHASE_LOAD
        ),
    )  # fmt: skip
    await dispatch(status, process, 3)

    async def rows(filter_: str, size: int = 1000) -> list[int]:
        found, token = [], ""
        while True:
            request = status_pb2.ListRowsRequest(
                process_id=process, filter=filter_, page_size=size, page_token=token
            )
            answer = await status.ListRows(request)
            found += [row.row_number for row in answer.rows]
            token = answer.next_page_token
            if not token:
                return found

    assert await rows("") == list(range(1, 301))
    assert await rows("", size=7) == list(range(1, 301))
    assert await rows("status=FAILED") == [3, *range(101, 201)]
    assert await rows("status=FAILED", size=10) == [3, *range(101, 201)]
    assert await rows('code="type-error"') == [3]
    assert await rows('status=FAILED AND code="batch-error" AND row>=199') == [199, 200]
    assert await rows("status=SKIPPED") == [7]
    assert await rows("status=QUEUED AND row<203") == [201, 202]
    assert await rows("status!=SUCCEEDED AND row<=101") == [3, 7, 101]
    assert await rows('field="name"') == [3]
    assert await rows("line=4") == [3]
    for wrong in ("status=NEVER", "row>x", "nothing=1", "status=FAILED OR row=1", 'code>"a"'):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rows(wrong)
        error = from_rpc_error(caught.value)
        assert isinstance(error, ServiceError)
        assert error.reason == "INVALID_FILTER"
    page = await status.ListRows(status_pb2.ListRowsRequest(process_id=process, page_size=1))
    for token in ("nonsense", page.next_page_token):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status.ListRows(
                status_pb2.ListRowsRequest(process_id=process, filter="row>1", page_token=token)
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    groups = await status.SummarizeErrors(status_pb2.SummarizeErrorsRequest(process_id=process))
    assert [(g.code, g.field, g.count, g.first_row) for g in groups.groups] == [
        ("batch-error", "", 100, 101),
        ("type-error", "name", 1, 3),
    ]


async def mixed_process(status: Any) -> str:
    """Rows 3 FAILED, 7 SKIPPED, 101 to 200 FAILED as a batch, 201 to 300 not tried, the others loaded."""
    process = str(uuid.uuid4())
    await begin(status, process)
    await outcome(status, process, 1, [rejected(3, FAILED, ("type-error", "name")), rejected(7, SKIPPED)])
    await outcome(
        status, process, 2, default_state=FAILED, succeeded=0, failed=ROWS,
        error=common_pb2.RowError(code="batch-error", message="No.", phase=common_pb2.ERROR_PHASE_LOAD),
    )  # fmt: skip
    await dispatch(status, process, 3)
    cancelled = ledger_pb2.DispatchCancelled()
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, cancelled=cancelled))
    return process


async def download(status: Any, process: str, format_: str = "CSV", rows: str = "REJECTED") -> bytes:
    """A whole report; the last message alone tells the number of rows."""
    request = status_pb2.DownloadReportRequest(
        process_id=process,
        format=status_pb2.ReportFormat.Value(f"REPORT_FORMAT_{format_}"),
        rows=status_pb2.ReportRows.Value(f"REPORT_ROWS_{rows}"),
    )
    pieces = [piece async for piece in status.DownloadReport(request)]
    assert [piece.HasField("row_count") for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    data = b"".join(piece.data for piece in pieces)
    if format_ == "JSONL":
        assert pieces[-1].row_count == data.count(b"\n")
    return data


async def test_the_report_has_every_rejected_row(status: Any) -> None:
    data = await download(status, await mixed_process(status))
    lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert [int(line["_row"]) for line in lines] == [3, 7, *range(101, 201)]
    assert (lines[0]["id"], lines[0]["name"], lines[0]["_line"]) == ("3", "'=cmd", "4")
    assert (lines[0]["_code"], lines[0]["_field"]) == ("type-error", "name")
    assert (lines[2]["name"], lines[2]["_code"]) == ("", "batch-error")
    assert "_state" not in lines[0]


async def test_a_report_has_the_rows_that_are_asked_for(status: Any) -> None:
    process = await mixed_process(status)
    succeeded = sorted({*range(1, 101)} - {3, 7})
    for selection, numbers in {
        "UNSPECIFIED": [3, 7, *range(101, 201)],
        "FAILED": [3, *range(101, 201)],
        "SKIPPED": [7],
        "SUCCEEDED": succeeded,
        "UNPROCESSED": list(range(201, 301)),
        "ALL": list(range(1, 301)),
    }.items():
        text = (await download(status, process, "JSONL", selection)).decode()
        found = [json.loads(line) for line in text.splitlines()]
        assert [row["row"] for row in found] == numbers, selection
    states = {row["row"]: row["state"] for row in found}
    assert [states[row] for row in (1, 3, 7, 101, 300)] == [
        "SUCCEEDED", "FAILED", "SKIPPED", "FAILED", "UNPROCESSED"
    ]  # fmt: skip
    assert found[2]["cells"] == {"id": "3", "name": "=cmd"}
    assert (found[0]["cells"], found[0]["errors"], found[100]["errors"][0]["code"]) == ({}, [], "batch-error")


async def test_a_report_as_a_workbook(status: Any) -> None:
    process = await mixed_process(status)
    data = await download(status, process, "XLSX", "ALL")
    lines = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name("Rows").to_python()
    assert lines[0] == ["id", "name", "_row", "_line", "_state", "_code", "_field", "_value", "_message"]
    assert [line[2] for line in lines[1:]] == [str(number) for number in range(1, 301)]
    assert lines[3] == ["3", "'=cmd", "3", "4", "FAILED", "type-error", "name", "'=cmd", "name is bad"]
    assert lines[300] == ["", "", "300", "", "UNPROCESSED", "", "", "", ""]


async def test_a_report_of_wide_rows(status: Any) -> None:
    """Pages of rows are bounded in bytes; no row is lost where one ends."""
    process = str(uuid.uuid4())
    await begin(status, process)
    rows = [
        processor_pb2.RejectedRow(
            row_number=number, line_number=number + 1, state=FAILED, cells=[str(number), f"{number:0500000}"]
        )
        for number in range(1, 101, 4)
    ]
    made = {"default_state": common_pb2.ROW_STATE_SUCCEEDED, "succeeded": ROWS - 25, "failed": 25}

    async def messages() -> AsyncIterator[ledger_pb2.RecordOutcomesRequest]:
        yield ledger_pb2.RecordOutcomesRequest(
            header=ledger_pb2.OutcomeHeader(process_id=process, tenant="default", batch=bounds(1), **made)  # type: ignore[arg-type]
        )
        for row in rows:
            yield ledger_pb2.RecordOutcomesRequest(rows=[row])

    await status.RecordOutcomes(messages())
    await finish(status, process, 1)
    text = (await download(status, process, "JSONL", "ALL")).decode()
    found = [json.loads(line) for line in text.splitlines()]
    assert [row["row"] for row in found] == list(range(1, 101))
    assert [int(row["cells"]["name"][-9:]) for row in found if row["cells"]] == list(range(1, 101, 4))


async def test_a_report_that_lost_a_row_is_an_error(status: Any, database_url: str) -> None:
    process = await mixed_process(status)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "UPDATE status.batches SET row_count = 99 WHERE process_id = $1 AND batch_number = 3", process
        )
    finally:
        await connection.close()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await download(status, process, "CSV", "ALL")
    assert caught.value.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("wrong", [{"format": 99}, {"rows": 99}, {"process_id": "x"}])
async def test_a_report_that_cannot_be_made_is_refused(status: Any, wrong: dict[str, Any]) -> None:
    request = status_pb2.DownloadReportRequest(**{"process_id": await mixed_process(status), **wrong})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await status.DownloadReport(request).read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    error = from_rpc_error(caught.value)
    assert isinstance(error, ServiceError)
    assert [violation.field for violation in error.violations] == list(wrong)


async def test_the_command_line_saves_reports(status: Any, status_address: str, tmp_path: Path) -> None:
    process = await mixed_process(status)

    async def run(*arguments: str, of: str = process) -> tuple[int, str, str]:
        started = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ingestor"), "--address", status_address, "report", of, *arguments,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await started.communicate()
        return started.returncode or 0, out.decode(), err.decode()

    for name, head in {"r.csv": b"id,name,_row", "r.jsonl": b'{"row": 3', "r.XLSX": b"PK\3\4"}.items():
        done = await run("-o", str(tmp_path / name))
        data = (tmp_path / name).read_bytes()
        assert data.startswith(head)
        assert done == (0, f"{tmp_path / name}: 102 rows, {len(data):,} bytes\n", "")
    done = await run("-o", str(tmp_path / "all"), "--format", "jsonl", "--rows", "all", "--json")
    told = json.loads(done[1])
    assert (told["rows"], told["format"]) == (300, "jsonl")
    _, out, _ = await run("-o", "-", "--rows", "skipped")
    assert [line[:3] for line in out.splitlines()] == ["id,", "7,'"]
    status_, _, err = await run("-o", str(tmp_path / "r.txt"))
    assert (status_, "give --format" in err) == (2, True), err
    status_, _, err = await run("-o", str(tmp_path / "none.csv"), of=str(uuid.uuid4()))
    assert (status_, "PROCESS_NOT_FOUND" in err) == (1, True)
    assert {path.name for path in tmp_path.iterdir()} == {"r.csv", "r.jsonl", "r.XLSX", "all"}  # noqa: ASYNC240


async def test_a_watcher_sees_every_change_and_the_end(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    call = status.WatchProcess(status_pb2.WatchProcessRequest(process_id=process, min_interval_ms=1))
    async with asyncio.timeout(20):
        seen = await call.read()
        assert seen.process.batches_dispatched == 0
        await dispatch(status, process, 1)
        while seen.process.batches_dispatched == 0:
            seen = await call.read()
        await finish(status, process, 1)
        await outcome(status, process, 1)
        rest = [seen async for seen in call]
    assert rest[-1].process.state == common_pb2.PROCESS_STATE_COMPLETED


async def test_events_reach_the_queue(status: Any, status_settings: StatusSettings) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    await dispatch(status, process, 1)
    await outcome(status, process, 1)
    await finish(status, process, 1)
    types: list[str] = []
    async with open_sqs(status_settings) as client, asyncio.timeout(30):
        url = (await client.get_queue_url(QueueName=status_settings.events_queue))["QueueUrl"]
        while len(types) < 4:
            answer = await client.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                event = json.loads(message["Body"])
                assert (event["specversion"], event["subject"]) == ("1.0", process)
                types.append(event["type"])
    assert sorted(types) == [
        "ingestion.completed", "ingestion.started", "rows.dispatched", "rows.processed"
    ]  # fmt: skip
    listed = await status.ListEvents(status_pb2.ListEventsRequest(process_id=process))
    assert sorted(event.type for event in listed.events) == sorted(types)


async def test_pause_resume_cancel(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    await dispatch(status, process, 1)

    async def tell(**change: Any) -> Any:
        return (
            await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, **change))
        ).state

    assert await tell(paused=ledger_pb2.DispatchPaused()) == common_pb2.PROCESS_STATE_PAUSED
    assert await tell(resumed=ledger_pb2.DispatchResumed()) == common_pb2.PROCESS_STATE_DISPATCHING
    for _ in range(2):
        assert await tell(cancelled=ledger_pb2.DispatchCancelled()) == common_pb2.PROCESS_STATE_CANCELLED
    assert (await get(status, process)).counts.unprocessed == ROWS
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await tell(resumed=ledger_pb2.DispatchResumed())
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    # What was being loaded when it was cancelled still counts.
    assert await outcome(status, process, 1)
    assert (await get(status, process)).counts == common_pb2.RowCounts(read=ROWS, succeeded=ROWS)


async def test_processes_are_listed_newest_first(status: Any) -> None:
    made = [str(uuid.uuid4()) for _ in range(5)]
    for process in made:
        await begin(status, process)
    answer = await status.ListProcesses(status_pb2.ListProcessesRequest(page_size=2))
    rest = await status.ListProcesses(
        status_pb2.ListProcessesRequest(page_size=10, page_token=answer.next_page_token)
    )
    listed = [process.info.process_id for process in (*answer.processes, *rest.processes)]
    assert listed == made[::-1]
    filtered = await status.ListProcesses(
        status_pb2.ListProcessesRequest(filter='state=DISPATCHING AND pipeline="p"')
    )
    assert len(filtered.processes) == 5
    none = await status.ListProcesses(status_pb2.ListProcessesRequest(filter='pipeline="other"'))
    assert not none.processes


async def test_processes_are_found_by_a_part_of_their_names(status: Any) -> None:
    """What LIKE takes for a pattern means itself; case does not count."""
    for name in ("Kunden_2026.csv", "kunden-2026.CSV", "100% \\ sure.csv", "ÄRGER.csv"):
        process = str(uuid.uuid4())
        info = common_pb2.ProcessInfo(process_id=process, file_name=name, pipeline="p")
        await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, started=info))

    async def found(filter_: str) -> list[str]:
        answer = await status.ListProcesses(status_pb2.ListProcessesRequest(filter=filter_))
        return [process.info.file_name for process in answer.processes][::-1]

    assert await found('file_name:"KUNDEN"') == ["Kunden_2026.csv", "kunden-2026.CSV"]
    assert await found('file_name:"n_2"') == ["Kunden_2026.csv"]
    assert await found('file_name:"0%"') == ["100% \\ sure.csv"]
    assert await found('file_name:"\\\\ S"') == ["100% \\ sure.csv"]
    assert await found('file_name:"ärg"') == ["ÄRGER.csv"]
    assert len(await found('pipeline:"P" AND file_name:""')) == 4
    assert await found('create_time>"2100-01-01T00:00:00Z"') == []
    assert len(await found('create_time<"2100-01-01T00:00:00Z" AND file_name:".csv"')) == 4


async def begin_repair(status: Any, parent: str) -> str:
    """Start a process that repairs another one."""
    process = str(uuid.uuid4())
    info = common_pb2.ProcessInfo(process_id=process, file_name="r.csv", repairs_process_id=parent)
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, started=info))
    header = ledger_pb2.HeaderRead(columns=["id", "name"])
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, header=header))
    return process


async def reason_of(call: Any) -> str:
    """Why a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = from_rpc_error(caught.value)
    assert isinstance(error, ServiceError)
    return error.reason


async def test_a_repair_and_what_it_repairs(status: Any) -> None:
    parent = str(uuid.uuid4())
    await begin(status, parent)
    rows = [rejected(row, FAILED, ("type-error", "name")) for row in (3, 5, 9)]
    await outcome(status, parent, 1, rows)
    await finish(status, parent, 1)
    repair = await begin_repair(status, parent)
    numbers = [9, 3, 1, 0, *[0] * (ROWS - 4)]
    rows = [
        rejected(2, FAILED, ("constraint-error", "id")), rejected(3, SKIPPED, ("not-failed", "")),
        *(rejected(row, FAILED, ("row-number", "")) for row in range(4, ROWS + 1)),
    ]  # fmt: skip
    assert await outcome(status, repair, 1, rows, repairs_process_id=parent, repaired_rows=numbers)
    assert not await outcome(status, repair, 1, rows, repairs_process_id=parent, repaired_rows=numbers)
    found = await get(status, parent)
    assert found.state == common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS
    assert found.counts == common_pb2.RowCounts(read=100, succeeded=98, failed=2)

    request = status_pb2.GetRowRequest(process_id=parent, row_number=3)
    row = (await status.GetRow(request)).row
    assert [error.code for error in row.errors] == ["constraint-error"]
    assert row.repaired_by_process_id == repair
    (before,) = row.history
    assert (before.repair_process_id, before.cells) == (repair, ["3", "=cmd"])
    assert [error.code for error in before.errors] == ["type-error"]
    assert before.replace_time.seconds
    here = (await status.GetRow(status_pb2.GetRowRequest(process_id=repair, row_number=2))).row
    assert here.repairs_row == 3
    look_up = ledger_pb2.LookUpRowsRequest(process_id=parent, row_numbers=[9, 101, 5, 9])
    assert list((await status.LookUpRows(look_up)).states) == [
        common_pb2.ROW_STATE_SUCCEEDED, common_pb2.ROW_STATE_UNSPECIFIED, FAILED,
        common_pb2.ROW_STATE_SUCCEEDED,
    ]  # fmt: skip
    listed = await status.ListProcesses(status_pb2.ListProcessesRequest(filter=f'repairs="{parent}"'))
    assert [process.info.process_id for process in listed.processes] == [repair]
    assert listed.processes[0].info.repairs_process_id == parent

    # The report of a repair has the numbers of what it repairs.
    lines = list(csv.reader(io.StringIO((await download(status, repair, "CSV", "REJECTED")).decode())))
    place = lines[0].index("_row")
    assert [line[place] for line in lines[1:5]] == ["3", "1", "", ""]
    objects = (await download(status, repair, "JSONL", "REJECTED")).decode().splitlines()
    assert [json.loads(line)["row"] for line in objects[:3]] == [3, 1, None]


async def test_what_cannot_be_a_repair(status: Any) -> None:
    parent = str(uuid.uuid4())
    await begin(status, parent)
    repair = await begin_repair(status, parent)
    assert await reason_of(begin_repair(status, repair)) == "REPAIRS_A_REPAIR"
    told = outcome(status, repair, 1, repairs_process_id=str(uuid.uuid4()), repaired_rows=[1] * ROWS)
    assert await reason_of(told) == "OUTCOME_MISMATCH"
    told = outcome(status, repair, 1, repairs_process_id=parent, repaired_rows=[1])
    assert await reason_of(told) == "OUTCOME_MISMATCH"
    many = ledger_pb2.LookUpRowsRequest(process_id=parent, row_numbers=range(1, 100_002))
    assert await reason_of(status.LookUpRows(many)) == "INVALID_ARGUMENT"
    unknown = ledger_pb2.LookUpRowsRequest(process_id=str(uuid.uuid4()), row_numbers=[1])
    assert await reason_of(status.LookUpRows(unknown)) == "PROCESS_NOT_FOUND"
