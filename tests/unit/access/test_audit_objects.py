"""What the audit log says that a call was about."""

from __future__ import annotations

from typing import Any

import pytest

from ingestor.access.audit import object_of
from ingestor.access.roles import methods
from ingestor.v1 import access_pb2 as a
from ingestor.v1 import orchestrator_pb2 as o
from ingestor.v1 import pipelines_pb2 as pl
from ingestor.v1 import processor_pb2 as pr
from ingestor.v1 import status_pb2 as s
from ingestor.v1 import upload_pb2 as u

DOCUMENT = '{"name": "people"}'
# Request, response, and the object with both and with the request alone, as of a refused call.
CALLS: dict[str, tuple[Any, Any, str, str]] = {
    "AccessService/CreateKey": (
        a.CreateKeyRequest(name="k"),
        a.CreateKeyResponse(key=a.ApiKey(prefix="ing_1", name="k"), token="ing_1_x"),
        "ing_1", "k",
    ),
    "AccessService/RevokeKey": (a.RevokeKeyRequest(prefix="ing_1"), a.RevokeKeyResponse(), "ing_1", "ing_1"),
    "AccessService/SetMember": (
        a.SetMemberRequest(subject="bob"), a.SetMemberResponse(member=a.Member(subject="bob")), "bob", "bob"
    ),
    "AccessService/RemoveMember": (
        a.RemoveMemberRequest(subject="bob"), a.RemoveMemberResponse(), "bob", "bob"
    ),
    "AccessService/ListAuditRecords": (
        a.ListAuditRecordsRequest(), a.ListAuditRecordsResponse(records=[a.AuditRecord(subject="x")]), "", ""
    ),
    "AccessService/SetQuotas": (
        a.SetQuotasRequest(tenant="acme"), a.SetQuotasResponse(tenant=a.Tenant(name="acme")), "acme", "acme"
    ),
    "OrchestratorService/RetryRows": (
        o.RetryRowsRequest(process_id="p1"), o.RetryRowsResponse(process_id="p2"), "p1", "p1"
    ),
    "OrchestratorService/PauseProcess": (o.PauseProcessRequest(process_id="p1"), None, "p1", "p1"),
    "OrchestratorService/ResumeProcess": (o.ResumeProcessRequest(process_id="p1"), None, "p1", "p1"),
    "OrchestratorService/CancelProcess": (o.CancelProcessRequest(process_id="p1"), None, "p1", "p1"),
    "PipelineService/ApplyPipeline": (
        pl.ApplyPipelineRequest(document_json=DOCUMENT),
        pl.ApplyPipelineResponse(pipeline=pl.Pipeline(name="people")), "people", "people",
    ),
    "PipelineService/DeletePipeline": (
        pl.DeletePipelineRequest(name="people"), pl.DeletePipelineResponse(), "people", "people"
    ),
    "ProcessorService/UndoProcess": (pr.UndoProcessRequest(process_id="p1"), None, "p1", "p1"),
    "StatusService/DownloadReport": (s.DownloadReportRequest(process_id="p1"), None, "p1", "p1"),
    "StatusService/DeleteProcess": (s.DeleteProcessRequest(process_id="p1"), None, "p1", "p1"),
    "UploadService/CreateUpload": (
        u.CreateUploadRequest(file_name="a.csv"), u.CreateUploadResponse(upload=u.Upload(upload_id="u1")),
        "u1", "a.csv",
    ),
    "UploadService/CompleteUpload": (
        u.CompleteUploadRequest(upload_id="u1", pipeline="people"), u.CompleteUploadResponse(process_id="p1"),
        "u1", "u1",
    ),
    "UploadService/AbortUpload": (u.AbortUploadRequest(upload_id="u1"), None, "u1", "u1"),
}  # fmt: skip


@pytest.mark.parametrize("method", sorted(name for name, access in methods().items() if access.audited))
def test_every_audited_call_has_its_object(method: str) -> None:
    request, response, done, refused = CALLS[method.removeprefix("ingestor.v1.")]
    assert object_of(request, response) == done
    assert object_of(request, None) == refused


def test_a_long_or_broken_request_is_no_matter() -> None:
    assert object_of(a.RemoveMemberRequest(subject="x" * 10_000), None) == "x" * 200
    assert object_of(pl.ApplyPipelineRequest(document_json="{"), None) == ""
    assert object_of(None, None) == ""


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (s.DeleteProcessRequest(process_id="a\0b"), "a\N{REPLACEMENT CHARACTER}b"),
        (u.CreateUploadRequest(file_name="Zoë\n.csv"), "Zoë\N{REPLACEMENT CHARACTER}.csv"),
        (
            pl.ApplyPipelineRequest(document_json='{"name": "\\ud800\\u0000"}'),
            "\N{REPLACEMENT CHARACTER}" * 2,
        ),
    ],
)
def test_no_character_keeps_a_record_out_of_the_log(request_: Any, said: str) -> None:
    assert object_of(request_, None) == said
    said.encode()
