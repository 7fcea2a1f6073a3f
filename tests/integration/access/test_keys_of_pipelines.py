"""What a key that is for some pipelines only may call and sees."""

from __future__ import annotations

import uuid
from typing import Any

import grpc

from ingestor.access.principal import Principal, set_principal
from ingestor.access.scope import within
from ingestor.internal.v1 import ledger_pb2
from ingestor.v1 import access_pb2, authorization_pb2, common_pb2, status_pb2
from tests.integration.access.conftest import Served
from tests.refusals import refusal

NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND")
NOT_ALLOWED = (grpc.StatusCode.PERMISSION_DENIED, "PIPELINE_NOT_ALLOWED")
BATCH = common_pb2.BatchRange(batch_number=1, first_row=1, row_count=1, first_line=2, byte_end=9)


async def change(calls: Any, process: str, **what: Any) -> None:
    """Tell status something of a process."""
    await calls.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, **what))


async def running(served: Served, pipeline: str) -> str:
    """A process of acme with one batch."""
    process = str(uuid.uuid4())
    calls = served.processor()
    with within("acme"):
        info = common_pb2.ProcessInfo(file_name=f"{pipeline}.csv", pipeline=pipeline, pipeline_version=1)
        await change(calls, process, started=info)
        await change(calls, process, header=ledger_pb2.HeaderRead(columns=["id"]))
        await change(calls, process, dispatched=BATCH)
    return process


async def limited(served: Served, *pipelines: str) -> Any:
    """Calls with an operator's key for some pipelines, made by an admin."""
    roles = [authorization_pb2.ROLE_ADMIN]
    request = access_pb2.CreateKeyRequest(name="k", roles=roles, pipelines=pipelines)
    admin = served.person("ann", "acme", "admin")
    return served.bearer((await admin.CreateKey(request)).token)


def of_process(calls: Any, process: str) -> list[Any]:
    """Every call about one process."""
    named: dict[str, Any] = {"process_id": process}
    return [
        calls.GetProcess(status_pb2.GetProcessRequest(**named)),
        calls.WatchProcess(status_pb2.WatchProcessRequest(**named)),
        calls.ListBatches(status_pb2.ListBatchesRequest(**named)),
        calls.GetRow(status_pb2.GetRowRequest(**named, row_number=1)),
        calls.ListRows(status_pb2.ListRowsRequest(**named)),
        calls.SummarizeErrors(status_pb2.SummarizeErrorsRequest(**named)),
        calls.DownloadReport(status_pb2.DownloadReportRequest(**named)),
        calls.ListEvents(status_pb2.ListEventsRequest(**named)),
        calls.WatchEvents(status_pb2.WatchEventsRequest(**named)),
        calls.DeleteProcess(status_pb2.DeleteProcessRequest(**named)),
    ]


async def test_other_pipelines_processes_do_not_exist(served: Served) -> None:
    people, orders, none = [await running(served, name) for name in ("people", "orders", "")]
    calls = await limited(served, "people", "things")
    for process in (orders, none, str(uuid.uuid4())):
        for call in of_process(calls, process):
            assert await refusal(call) == NOT_FOUND
    found = await calls.GetProcess(status_pb2.GetProcessRequest(process_id=people))
    assert found.process.info.pipeline == "people"
    listed = await calls.ListProcesses(status_pb2.ListProcessesRequest())
    assert [process.info.process_id for process in listed.processes] == [people]
    filtered = await calls.ListProcesses(status_pb2.ListProcessesRequest(filter='pipeline="orders"'))
    assert not filtered.processes
    events = await calls.ListEvents(status_pb2.ListEventsRequest(process_id=people))
    assert {event.process_id for event in events.events} == {people}
    admin = served.person("ann", "acme", "admin")
    assert len((await admin.ListProcesses(status_pb2.ListProcessesRequest())).processes) == 3


async def test_what_shows_more_is_refused(served: Served) -> None:
    calls = await limited(served, "people")
    for call in (
        calls.GetOverview(status_pb2.GetOverviewRequest()),
        calls.ListEvents(status_pb2.ListEventsRequest()),
        calls.WatchEvents(status_pb2.WatchEventsRequest()),
        calls.CreateKey(access_pb2.CreateKeyRequest(name="more")),
        calls.ListAuditRecords(access_pb2.ListAuditRecordsRequest()),
        calls.GetQuotas(access_pb2.GetQuotasRequest()),
    ):
        assert await refusal(call) == NOT_ALLOWED
    methods = (await calls.GetAccess(access_pb2.GetAccessRequest())).methods
    assert "ingestor.v1.StatusService/GetProcess" in methods
    assert not {"ingestor.v1.StatusService/GetOverview", "ingestor.v1.AccessService/CreateKey"} & {*methods}


async def test_services_that_work_for_the_key_see_no_more(served: Served) -> None:
    """As when the orchestrator pauses or the processor undoes a process: they ask status first."""
    people, orders = await running(served, "people"), await running(served, "orders")
    calls = served.processor()
    set_principal(Principal("key", "key:ing_12345678", "acme", pipelines=frozenset({"people"})))
    paused = ledger_pb2.DispatchPaused()
    with within("acme"):
        await change(calls, people, paused=paused)
        for call in (
            change(calls, orders, paused=paused),
            change(calls, orders, cancelled=ledger_pb2.DispatchCancelled()),
            calls.GetProcess(status_pb2.GetProcessRequest(process_id=orders)),
            calls.LookUpRows(ledger_pb2.LookUpRowsRequest(process_id=orders, row_numbers=[1])),
        ):
            assert await refusal(call) == NOT_FOUND
    states = dict(await served.database.fetch("SELECT pipeline, paused FROM status.processes"))
    assert states == {"people": True, "orders": False}
