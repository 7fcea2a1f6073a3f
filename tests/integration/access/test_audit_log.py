"""What the audit log says of calls, and who may read and change it: a real service and PostgreSQL."""

from __future__ import annotations

import uuid
from typing import Any

import grpc

from ingestor.access.scope import within
from ingestor.internal.v1 import ledger_pb2
from ingestor.runtime.observability import tracing
from ingestor.v1 import access_pb2, authorization_pb2, common_pb2, status_pb2
from tests.integration.access.conftest import Served
from tests.refusals import refusal

VIEWER = authorization_pb2.ROLE_VIEWER
ADMIN = authorization_pb2.ROLE_ADMIN
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def records(calls: Any, **filters: Any) -> list[access_pb2.AuditRecord]:
    """The log, oldest first, without the calls that read it, and without the making of the tenant."""
    page = await calls.ListAuditRecords(access_pb2.ListAuditRecordsRequest(page_size=1000, **filters))
    return [
        record
        for record in reversed(page.records)
        if record.method.startswith("ingestor.") and not record.method.endswith("/ListAuditRecords")
    ]


def told(record: access_pb2.AuditRecord) -> tuple[str, str, str, str, str]:
    """Who did what, and how it ended."""
    method = record.method.rpartition("/")[2]
    return record.subject, method, record.object, record.outcome, record.reason


async def end(served: Served, tenant: str) -> str:
    """A process of a tenant that was cancelled."""
    process = str(uuid.uuid4())
    with within(tenant):
        calls = served.processor()
        started = common_pb2.ProcessInfo(file_name="a.csv", pipeline="people")
        header = ledger_pb2.HeaderRead(columns=["id"])
        for change in (
            {"started": started},
            {"header": header},
            {"cancelled": ledger_pb2.DispatchCancelled()},
        ):
            await calls.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, **change))
    return process


async def test_changes_and_downloads_are_in_the_log(served: Served) -> None:
    process = await end(served, "acme")
    admin = served.person("ann", "acme", "admin")
    viewer = served.person("bob", "acme", "viewer")
    download = status_pb2.DownloadReportRequest(process_id=process)
    assert [piece async for piece in viewer.DownloadReport(download)]
    delete = status_pb2.DeleteProcessRequest(process_id=process)
    assert (await refusal(viewer.DeleteProcess(delete)))[1] == "ROLE_MISSING"
    await admin.DeleteProcess(delete)
    assert (await refusal(viewer.DownloadReport(download)))[1] == "PROCESS_DELETED"
    made = await admin.CreateKey(access_pb2.CreateKeyRequest(name="k", roles=[VIEWER]))
    await refusal(admin.CreateKey(access_pb2.CreateKeyRequest(name="k2")))
    await admin.RevokeKey(access_pb2.RevokeKeyRequest(prefix=made.key.prefix))
    await admin.SetMember(access_pb2.SetMemberRequest(subject="cyd", roles=[VIEWER]))
    await admin.RemoveMember(access_pb2.RemoveMemberRequest(subject="cyd"))
    await viewer.GetProcess(status_pb2.GetProcessRequest(process_id=await end(served, "acme")))
    found = await records(admin)
    assert [told(record) for record in found] == [
        ("bob", "DownloadReport", process, "OK", ""),
        ("bob", "DeleteProcess", process, "PERMISSION_DENIED", "ROLE_MISSING"),
        ("ann", "DeleteProcess", process, "OK", ""),
        ("bob", "DownloadReport", process, "NOT_FOUND", "PROCESS_DELETED"),
        ("ann", "CreateKey", made.key.prefix, "OK", ""),
        ("ann", "CreateKey", "k2", "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("ann", "RevokeKey", made.key.prefix, "OK", ""),
        ("ann", "SetMember", "cyd", "OK", ""),
        ("ann", "RemoveMember", "cyd", "OK", ""),
    ]
    assert list(found[0].roles) == [VIEWER] and list(found[2].roles) == [ADMIN]
    assert {record.address for record in found} == {"127.0.0.1"}
    assert all(len(record.trace_id) == 32 for record in found)
    assert [record.sequence for record in found] == sorted(record.sequence for record in found)
    assert made.token not in str(found)


async def test_the_address_and_the_trace_of_a_call(served: Served) -> None:
    token = served.issuer.token("ann", "acme", "admin")
    tracing.continue_trace(f"00-{TRACE}-b7ad6b7169203331-01")
    calls = served.bearer(token, ("x-forwarded-for", "6.6.6.6, 203.0.113.9"))  # the gateway adds the last
    await calls.RemoveMember(access_pb2.RemoveMemberRequest(subject="cyd"))
    (record,) = await records(calls)
    assert (record.address, record.trace_id) == ("203.0.113.9", TRACE)


async def test_who_is_not_known_leaves_no_record(served: Served) -> None:
    """There is no tenant in whose log it could be; a metric counts it."""
    request = access_pb2.RemoveMemberRequest(subject="cyd")
    wrong = served.issuer.wrong_tokens("acme")
    for calls in (served.nobody(), *map(served.bearer, wrong.values())):
        assert (await refusal(calls.RemoveMember(request)))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert not await records(served.person("ann", "acme", "admin"))


async def test_the_log_is_filtered_paged_and_of_one_tenant(served: Served) -> None:
    ann, dan = served.person("ann", "acme", "admin"), served.person("dan", "acme", "admin")
    for number in range(5):
        await ann.RemoveMember(access_pb2.RemoveMemberRequest(subject=f"m{number}"))
    await dan.SetMember(access_pb2.SetMemberRequest(subject="m1", roles=[VIEWER]))
    assert len(await records(ann, subject="ann")) == 5
    assert [record.object for record in await records(ann, subject="dan")] == ["m1"]
    assert len(await records(ann, object="m1")) == 2
    assert len(await records(ann, method="ingestor.v1.AccessService/SetMember")) == 1
    everything_ = await records(ann)
    third = everything_[2].time
    assert len(await records(ann, start_time=third)) == 4
    assert len(await records(ann, end_time=third)) == 2
    assert not await records(ann, start_time=third, end_time=third)
    assert not await records(served.person("eve", "globex", "admin"))
    for role in ("viewer", "uploader", "author", "operator"):
        calls = served.person("bob", "acme", role)
        assert (await refusal(calls.ListAuditRecords(access_pb2.ListAuditRecordsRequest())))[1] == (
            "ROLE_MISSING"
        )
    seen, token = [], ""
    while True:
        request = access_pb2.ListAuditRecordsRequest(subject="ann", page_size=2, page_token=token)
        page = await ann.ListAuditRecords(request)
        seen += [record.sequence for record in page.records]
        if not (token := page.next_page_token):
            break
        for calls, subject in ((ann, "dan"), (served.person("eve", "globex", "admin"), "ann")):
            other = access_pb2.ListAuditRecordsRequest(page_token=token, page_size=2, subject=subject)
            assert (await refusal(calls.ListAuditRecords(other)))[1] == "INVALID_PAGE_TOKEN"
    assert seen == sorted(set(seen), reverse=True)
    assert set(seen) >= {record.sequence for record in everything_ if record.subject == "ann"}
