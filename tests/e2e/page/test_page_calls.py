"""The calls that the page makes, as a browser makes them."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestor.v1 import common_pb2, orchestrator_pb2, status_pb2, upload_pb2
from tests.e2e.conftest import Suite
from tests.e2e.page.browser import Browser
from tests.e2e.tables import write_readings

SAMPLE = Path(__file__).parents[3] / "examples" / "sample"
FAILED, SKIPPED = common_pb2.ROW_STATE_FAILED, common_pb2.ROW_STATE_SKIPPED


@pytest.fixture
def browser(connection: http.client.HTTPConnection) -> Browser:
    """A browser connected to the suite."""
    return Browser(connection)


def check(browser: Browser, upload_id: str, **more: object) -> upload_pb2.DryRunUploadResponse:
    """Check an upload."""
    request = upload_pb2.DryRunUploadRequest(upload_id=upload_id, **more)  # type: ignore[arg-type]
    return browser.unary("UploadService/DryRunUpload", request, upload_pb2.DryRunUploadResponse)


@pytest.mark.parametrize(
    ("name", "pack", "dialect"),
    [
        ("customers.csv", lambda data: data, ""),
        ("customers.csv.gz", gzip.compress, ""),
        ("utf16.csv", lambda data: data.decode().encode("utf-16"), ""),
        ("commented.csv", lambda data: b"\xef\xbb\xbf" + data, '{"commentChar": "#"}'),
    ],
)
def test_a_dry_run_finds_what_the_run_finds(
    suite: Suite,
    browser: Browser,
    tmp_path: Path,
    name: str,
    pack: Callable[[bytes], bytes],
    dialect: str,
) -> None:
    document = json.loads((SAMPLE / "customers.pipeline.json").read_text("utf-8"))
    table = "dry_run_" + name.replace(".", "_")
    document |= {"name": table, "sink": {"table": table}}
    upload = browser.upload(name, pack((SAMPLE / "customers.csv").read_bytes()))
    found = check(browser, upload, document_json=json.dumps(document), dialect_json=dialect, sample_rows=1000)
    assert found.complete
    assert found.counts.read == len(found.rows) == 1000
    stored = tmp_path / "p.json"
    stored.write_text(json.dumps(document), "utf-8")
    suite.run("pipelines", "apply", str(stored))
    by_name = check(browser, upload, pipeline=table, dialect_json=dialect, sample_rows=1000)
    assert by_name == found
    complete = upload_pb2.CompleteUploadRequest(upload_id=upload, pipeline=table, dialect_json=dialect)
    process = browser.unary(
        "UploadService/CompleteUpload", complete, upload_pb2.CompleteUploadResponse
    ).process_id
    suite.run("watch", process, status=3)
    listed = browser.unary(
        "StatusService/ListRows",
        status_pb2.ListRowsRequest(process_id=process, page_size=1000),
        status_pb2.ListRowsResponse,
    ).rows
    real = {
        row.row_number: (row.state, row.line_number, list(row.errors))
        for row in listed
        if row.state in (FAILED, SKIPPED)
    }
    dry = {
        row.row_number: (row.state, row.line_number, list(row.errors))
        for row in found.rows
        if row.state in (FAILED, SKIPPED)
    }
    assert dry == real
    assert len(dry) > 15
    assert any(errors[0].phase == common_pb2.ERROR_PHASE_LOAD for _, _, errors in dry.values())
    labels = {label for row in found.rows for label in row.error_labels}
    assert labels - {""} <= set(found.columns)
    assert any(label == "Credit limit" or label.lower().startswith("credit") for label in labels)


def test_a_dry_run_of_an_unfinished_upload(browser: Browser) -> None:
    data = b"id,name\n1,a\n2,b\nx"
    fields = [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]
    document = json.dumps({"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}})
    open_ = check(browser, browser.upload("a.csv", data, 100), document_json=document)
    assert ([row.state for row in open_.rows], open_.complete) == (
        [common_pb2.ROW_STATE_SUCCEEDED] * 2,
        False,
    )
    whole = check(browser, browser.upload("a.csv", data), document_json=document)
    assert (whole.rows[2].state, whole.complete) == (FAILED, True)


def test_an_invalid_document_is_refused_with_its_violations(browser: Browser) -> None:
    upload = browser.upload("a.csv", b"id\n1\n")
    for document in ("{}", "no"):
        request = upload_pb2.DryRunUploadRequest(upload_id=upload, document_json=document)
        _, trailers = browser.call("UploadService/DryRunUpload", request, upload_pb2.DryRunUploadResponse)
        assert trailers["grpc-status"] == "3"
        assert "problem" in trailers["grpc-message"]
        padded = trailers["grpc-status-details-bin"] + "=="
        assert b"INVALID_PIPELINE" in base64.b64decode(padded)


def test_storage_and_queues(browser: Browser) -> None:
    request = upload_pb2.GetStorageRequest()
    before = browser.unary("UploadService/GetStorage", request, upload_pb2.GetStorageResponse)
    browser.upload("a.csv", b"id\n1\n")
    after = browser.unary("UploadService/GetStorage", request, upload_pb2.GetStorageResponse)
    assert (after.file_count, after.file_bytes) == (before.file_count + 1, before.file_bytes + 5)
    assert (after.store, after.free_bytes > 0) == ("disk", True)
    queues = browser.unary(
        "OrchestratorService/GetQueues",
        orchestrator_pb2.GetQueuesRequest(),
        orchestrator_pb2.GetQueuesResponse,
    )
    assert queues.HasField("rows")
    assert queues.dead_letters == orchestrator_pb2.QueueDepth()


def test_events_and_overview(suite: Suite, browser: Browser, tmp_path: Path) -> None:
    process = suite.ingest(write_readings(tmp_path / "r.csv", 500))["process_id"]
    messages, trailers = browser.call(
        "StatusService/WatchEvents",
        status_pb2.WatchEventsRequest(process_id=process),
        status_pb2.WatchEventsResponse,
    )
    assert trailers["grpc-status"] == "0"
    types = [event.type for message in messages for event in message.events]
    assert (types[0], types[-1]) == ("ingestion.started", "ingestion.completed")
    overview = browser.unary(
        "StatusService/GetOverview", status_pb2.GetOverviewRequest(), status_pb2.GetOverviewResponse
    )
    assert sum(bucket.counts.succeeded for bucket in overview.buckets) >= 500
    assert sum(bucket.processes_completed for bucket in overview.buckets) >= 1


@pytest.mark.parametrize(
    "method",
    [
        "IngestionService/BeginIngestion",
        "IngestionService/IngestFile",
        "LedgerService/RecordOutcomes",
        "LedgerService/RecordDispatch",
        "LedgerService/RecordUndo",
        "LedgerService/ListRemovals",
        "LedgerService/LookUpRows",
        "IngestionService/PrepareRepair",
    ],
)
def test_internal_calls_are_refused(connection: http.client.HTTPConnection, method: str) -> None:
    connection.request(
        "POST",
        f"/ingestor.internal.v1.{method}",
        b"\0\0\0\0\0",
        {"content-type": "application/grpc-web+proto"},
    )
    response = connection.getresponse()
    response.read()
    # UNIMPLEMENTED from Envoy, which routes no such call.
    assert (response.status, response.getheader("grpc-status")) in ((404, None), (200, "12"))
