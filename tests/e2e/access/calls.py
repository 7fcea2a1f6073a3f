"""A request of every public method, from the descriptors: a new method without one fails the tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import google_crc32c
import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ingestor.access.roles import PUBLIC_FILES
from ingestor.runtime.grpc.error_details import error_details
from ingestor.v1 import access_pb2, authorization_pb2, status_pb2
from ingestor.v1 import orchestrator_pb2 as orchestrator
from ingestor.v1 import pipelines_pb2 as pipelines
from ingestor.v1 import processor_pb2 as processor
from ingestor.v1 import upload_pb2 as upload


@dataclass(frozen=True)
class Names:
    """What calls are about: of a tenant, or of nobody."""

    process: str = field(default_factory=lambda: str(uuid.uuid4()))
    upload: str = field(default_factory=lambda: str(uuid.uuid4()))  # open
    pipeline: str = "nothing"
    table: str = "nothing"
    key: str = "ing_nothing0"
    member: str = "nobody"
    tenant: str = "nowhere"
    file_name: str = "probe.csv"

    def replaced(self, text: str) -> str:
        """A text in which each of the names is X."""
        for name in sorted(astuple(self), key=len, reverse=True):
            text = text.replace(name, "X")
        return text


def document(name: str, table: str) -> str:
    """A pipeline of one column."""
    return (
        f'{{"name": "{name}", "schema": {{"fields": [{{"name": "id", "type": "integer"}}]}}, '
        f'"sink": {{"table": "{table}"}}}}'
    )


def _chunk(data: bytes = b"id\n1\n") -> upload.FileChunk:
    return upload.FileChunk(offset=0, data=data, crc32c=google_crc32c.value(data))


_VIEWER = authorization_pb2.ROLE_VIEWER
_REQUESTS: dict[str, Callable[[Names], Message | Sequence[Message]]] = {
    "AccessService/GetAccess": lambda n: access_pb2.GetAccessRequest(),
    "AccessService/ListKeys": lambda n: access_pb2.ListKeysRequest(),
    "AccessService/CreateKey": lambda n: access_pb2.CreateKeyRequest(name="", roles=[_VIEWER]),  # refused
    "AccessService/RevokeKey": lambda n: access_pb2.RevokeKeyRequest(prefix=n.key),
    "AccessService/ListMembers": lambda n: access_pb2.ListMembersRequest(),
    "AccessService/SetMember": lambda n: access_pb2.SetMemberRequest(subject=n.member),  # no role: refused
    "AccessService/RemoveMember": lambda n: access_pb2.RemoveMemberRequest(subject=n.member),
    "AccessService/GetQuotas": lambda n: access_pb2.GetQuotasRequest(),
    "AccessService/ListAuditRecords": lambda n: access_pb2.ListAuditRecordsRequest(object=n.process),
    "AccessService/ListTenants": lambda n: access_pb2.ListTenantsRequest(),
    "AccessService/SetQuotas": lambda n: access_pb2.SetQuotasRequest(
        tenant=n.tenant, quotas=[access_pb2.Quota(name="pipelines", limit=1)]
    ),
    "OrchestratorService/RetryRows": lambda n: orchestrator.RetryRowsRequest(process_id=n.process),
    "OrchestratorService/PauseProcess": lambda n: orchestrator.PauseProcessRequest(process_id=n.process),
    "OrchestratorService/ResumeProcess": lambda n: orchestrator.ResumeProcessRequest(process_id=n.process),
    "OrchestratorService/CancelProcess": lambda n: orchestrator.CancelProcessRequest(process_id=n.process),
    "OrchestratorService/GetQueues": lambda n: orchestrator.GetQueuesRequest(),
    "PipelineService/ApplyPipeline": lambda n: pipelines.ApplyPipelineRequest(
        document_json=document(n.pipeline, n.table), dry_run=True
    ),
    "PipelineService/GetPipeline": lambda n: pipelines.GetPipelineRequest(name=n.pipeline),
    "PipelineService/ListPipelineVersions": lambda n: pipelines.ListPipelineVersionsRequest(name=n.pipeline),
    "PipelineService/DeletePipeline": lambda n: pipelines.DeletePipelineRequest(name=n.pipeline),
    "PipelineService/ListPipelines": lambda n: pipelines.ListPipelinesRequest(),
    "ProcessorService/DryRun": lambda n: [processor.DryRunRequest(pipeline=n.pipeline, data=b"id\n1\n")],
    "ProcessorService/UndoProcess": lambda n: processor.UndoProcessRequest(process_id=n.process),
    "ProcessorService/ListLoadedRows": lambda n: processor.ListLoadedRowsRequest(
        process_id=n.process, with_counts=True
    ),
    "ProcessorService/VerifyProcess": lambda n: processor.VerifyProcessRequest(process_id=n.process),
    "ProcessorService/GetReceiptKey": lambda n: processor.GetReceiptKeyRequest(),
    "ProcessorService/DescribeTable": lambda n: processor.DescribeTableRequest(table=n.table),
    "StatusService/GetProcess": lambda n: status_pb2.GetProcessRequest(process_id=n.process),
    "StatusService/ListProcesses": lambda n: status_pb2.ListProcessesRequest(),
    "StatusService/WatchProcess": lambda n: status_pb2.WatchProcessRequest(process_id=n.process),
    "StatusService/ListBatches": lambda n: status_pb2.ListBatchesRequest(process_id=n.process),
    "StatusService/GetRow": lambda n: status_pb2.GetRowRequest(process_id=n.process, row_number=1),
    "StatusService/ListRows": lambda n: status_pb2.ListRowsRequest(process_id=n.process),
    "StatusService/SummarizeErrors": lambda n: status_pb2.SummarizeErrorsRequest(process_id=n.process),
    "StatusService/DownloadReport": lambda n: status_pb2.DownloadReportRequest(process_id=n.process),
    "StatusService/ListEvents": lambda n: status_pb2.ListEventsRequest(process_id=n.process),
    "StatusService/WatchEvents": lambda n: status_pb2.WatchEventsRequest(),
    "StatusService/GetOverview": lambda n: status_pb2.GetOverviewRequest(),
    "StatusService/DeleteProcess": lambda n: status_pb2.DeleteProcessRequest(process_id=n.process),
    "UploadService/CreateUpload": lambda n: upload.CreateUploadRequest(file_name=""),  # refused
    "UploadService/WriteUpload": lambda n: [upload.WriteUploadRequest(upload_id=n.upload, chunk=_chunk())],
    "UploadService/WriteChunk": lambda n: upload.WriteChunkRequest(upload_id=n.upload, chunk=_chunk()),
    "UploadService/GetUpload": lambda n: upload.GetUploadRequest(upload_id=n.upload),
    "UploadService/CompleteUpload": lambda n: upload.CompleteUploadRequest(upload_id=n.upload),
    "UploadService/InspectUpload": lambda n: upload.InspectUploadRequest(upload_id=n.upload),
    "UploadService/DryRunUpload": lambda n: upload.DryRunUploadRequest(upload_id=n.upload),
    "UploadService/GetStorage": lambda n: upload.GetStorageRequest(),
    "UploadService/AbortUpload": lambda n: upload.AbortUploadRequest(upload_id=n.upload),
}
# Answered with NOT_FOUND, for what is unknown and for what is another tenant's.
ABOUT_ONE = frozenset(
    name
    for name in _REQUESTS
    if name.split("/")[1]
    not in {
        "GetAccess", "ListKeys", "CreateKey", "ListMembers", "SetMember", "RemoveMember", "GetQuotas",
        "ListAuditRecords", "ListTenants", "SetQuotas", "GetQueues", "ApplyPipeline", "ListPipelines",
        "ListProcesses", "WatchEvents", "GetOverview", "CreateUpload", "GetStorage", "DescribeTable",
        "ListEvents", "GetReceiptKey",
    }
)  # fmt: skip


def public_methods() -> list[str]:
    """Every public method, as `Service/Method` of ingestor.v1."""
    return [
        f"{service.name}/{method.name}"
        for file in PUBLIC_FILES
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def request_of(method: str, names: Names) -> Message | Sequence[Message]:
    """The request of a method about these names. Raises KeyError for a method without one."""
    return _REQUESTS[method](names)


@dataclass(frozen=True)
class Answer:
    """How a call ended: the code `OK` and the responses, or the error."""

    code: str
    reason: str = ""
    message: str = ""
    responses: tuple[Message, ...] = ()

    @property
    def text(self) -> str:
        """All that the caller has learnt."""
        return self.message + "".join(str(response) for response in self.responses)


def call(
    channel: grpc.Channel,
    method: str,
    request: Message | Sequence[Message] | bytes,
    metadata: Sequence[tuple[str, str]] = (),
    *,
    whole: bool = False,
    timeout: float = 30,
) -> Answer:
    """Call a method of ingestor.v1; bytes are sent as they are. Of a stream take the first response, or,
    `whole`, all until it ends."""
    descriptor = descriptor_of(method)
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary, (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
    }  # fmt: skip
    multicallable = kinds[descriptor.client_streaming, descriptor.server_streaming](
        f"/ingestor.v1.{method}",
        request_serializer=lambda one: one if isinstance(one, bytes) else one.SerializeToString(),
        response_deserializer=GetMessageClass(descriptor.output_type).FromString,
    )
    if isinstance(request, bytes):
        sent: Any = iter([request]) if descriptor.client_streaming else request
    else:
        sent = request if isinstance(request, Message) else iter(request)
    responses: list[Message] = []
    try:
        answered = multicallable(sent, metadata=list(metadata), timeout=timeout)
        if not descriptor.server_streaming:
            return Answer("OK", responses=(answered,))
        for response in answered:
            responses.append(response)
            if not whole:
                answered.cancel()
                break
        return Answer("OK", responses=tuple(responses))
    except grpc.RpcError as error:
        details = error_details(error)  # type: ignore[arg-type]
        return Answer(error.code().name, details.reason, error.details() or "", tuple(responses))


def descriptor_of(method: str) -> MethodDescriptor:
    """What the contract says of a method."""
    service, name = method.split("/")
    for file in PUBLIC_FILES:
        if found := file.services_by_name.get(service):
            return found.methods_by_name[name]
    raise KeyError(method)
