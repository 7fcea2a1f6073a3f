"""A file that is sent in Chromium: one trace has the browser's call, the gateway and all services."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Suite, running
from tests.e2e.observability.collector import Collector, Received, collector
from tests.e2e.page.test_page import TRACES, missing, run_in_browser

COMPLETE = "ingestor.v1.UploadService/CompleteUpload"
HOPS = {f"ingestor-{hop}" for hop in ("gateway", "upload", "orchestrator", "processor", "status")}


@pytest.fixture
def traces() -> Iterator[Collector]:
    """The suite's collector."""
    with collector() as made:
        yield made


@pytest.fixture
def traced_page(traces: Collector, tmp_path: Path) -> Iterator[Suite]:
    """A suite that serves the built page and exports its traces."""
    if (reason := missing()) is not None:
        # CI must not skip tests silently.
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with running(tmp_path / "data", **env) as started:
        yield started


def way(found: list[Received]) -> list[tuple[str, str]]:
    """The spans from the COPY of the file's one batch upwards, by service and name; at last the browser's,
    which nobody exports."""
    known = {span.id: span for span in found}
    span = next((one for one in found if one.name == "COPY"), None)
    steps, parent = [], ""
    while span is not None:
        steps.append((span.service, span.name))
        parent = span.parent
        span = known.get(parent)
    return [*steps, ("browser", parent)]


def test_one_trace_has_browser_gateway_and_services(
    traced_page: Suite, traces: Collector, tmp_path: Path
) -> None:
    sent = tmp_path / "sent.json"
    run_in_browser(TRACES, INGESTOR_PAGE=f"http://{traced_page.gateway}", INGESTOR_TRACES_SENT=str(sent))
    calls = [(call["method"], call["traceparent"].split("-")) for call in json.loads(sent.read_text("utf-8"))]
    ((trace, browser),) = {(parts[1], parts[2]) for method, parts in calls if method == "CompleteUpload"}

    def of_trace(found: list[Received]) -> list[Received]:
        return [span for span in found if span.trace == trace]

    def is_whole(found: list[Received]) -> bool:
        services = {span.service for span in of_trace(found)}
        return services >= HOPS and ("browser", browser) in way(of_trace(found))

    found = of_trace(traces.wait(is_whole, "a trace from the browser's call to the COPY", seconds=60))
    assert way(found)[-3:] == [
        ("ingestor-upload", COMPLETE), ("ingestor-gateway", COMPLETE), ("browser", browser)
    ]  # fmt: skip
    # Each call of the upload is a span of the gateway, below the browser's.
    recorded = {parts[2]: method for method, parts in calls if parts[1] == trace and parts[3] == "01"}
    assert set(recorded.values()) >= {"CreateUpload", "WriteChunk", "CompleteUpload"}
    at_gateway = {span.parent: span.name for span in found if span.service == "ingestor-gateway"}
    assert {one: at_gateway[one].rpartition("/")[2] for one in recorded} == recorded
