"""Calls with a key that is for some pipelines only."""

from __future__ import annotations

from typing import Any

import pytest

from ingestor.access.limits.pipelines import check_call
from ingestor.access.principal import Principal
from ingestor.runtime.errors import PermissionDeniedError
from ingestor.v1 import pipelines_pb2, processor_pb2, status_pb2, upload_pb2

LIMITED = Principal("key", "key:ing_12345678", "acme", pipelines=frozenset({"people", "orders"}))
UPLOAD, PIPELINE = "ingestor.v1.UploadService", "ingestor.v1.PipelineService"
PROCESSOR, STATUS = "ingestor.v1.ProcessorService", "ingestor.v1.StatusService"

ALLOWED: list[tuple[str, Any]] = [
    (f"{UPLOAD}/CreateUpload", upload_pb2.CreateUploadRequest(file_name="a.csv")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(pipeline="people")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(pipeline="orders@3")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(repairs_process_id="1")),
    (f"{UPLOAD}/DryRunUpload", upload_pb2.DryRunUploadRequest(pipeline="people@2")),
    (f"{PROCESSOR}/DryRun", processor_pb2.DryRunRequest(pipeline="people")),
    (f"{PIPELINE}/GetPipeline", pipelines_pb2.GetPipelineRequest(name="people")),
    (f"{PIPELINE}/ApplyPipeline", pipelines_pb2.ApplyPipelineRequest(document_json='{"name": "people"}')),
    (f"{STATUS}/WatchEvents", status_pb2.WatchEventsRequest(process_id="1")),
]
REFUSED: list[tuple[str, Any]] = [
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest()),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(pipeline="peopl")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(pipeline="things@1")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(pipeline="@people")),
    (f"{UPLOAD}/CompleteUpload", upload_pb2.CompleteUploadRequest(repairs_process_id="1", pipeline="x")),
    (f"{UPLOAD}/DryRunUpload", upload_pb2.DryRunUploadRequest(document_json='{"name": "people"}')),
    (f"{UPLOAD}/GetStorage", upload_pb2.GetStorageRequest()),
    (f"{PROCESSOR}/DryRun", processor_pb2.DryRunRequest(pipeline="people", document_json="{}")),
    (f"{PROCESSOR}/DescribeTable", processor_pb2.DescribeTableRequest(table="people")),
    (f"{PIPELINE}/DeletePipeline", pipelines_pb2.DeletePipelineRequest(name="things")),
    (f"{PIPELINE}/ListPipelineVersions", pipelines_pb2.ListPipelineVersionsRequest(name="things")),
    *(
        (f"{PIPELINE}/ApplyPipeline", pipelines_pb2.ApplyPipelineRequest(document_json=text))
        for text in ('{"name": "things"}', '{"name": ["people"]}', '["people"]', "{", "[" * 100_000, "")
    ),
    (f"{STATUS}/WatchEvents", status_pb2.WatchEventsRequest()),
    (f"{STATUS}/GetOverview", status_pb2.GetOverviewRequest()),
    (f"{STATUS}/SomethingNew", status_pb2.GetOverviewRequest()),
]


@pytest.mark.parametrize(("method", "request_"), ALLOWED)
def test_calls_for_its_pipelines(method: str, request_: Any) -> None:
    check_call(LIMITED, method, request_)


@pytest.mark.parametrize(("method", "request_"), REFUSED)
def test_other_calls(method: str, request_: Any) -> None:
    with pytest.raises(PermissionDeniedError, match="The key is for orders, people only") as caught:
        check_call(LIMITED, method, request_)
    assert caught.value.reason == "PIPELINE_NOT_ALLOWED"
    check_call(Principal("key", "key:ing_12345678", "acme"), method, request_)
