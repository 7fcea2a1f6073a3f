"""A collector beside the suite: one trace shows the whole way of a file, and nothing depends on it."""

from __future__ import annotations

import re
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ingestor import AsyncClient
from ingestor.client.errors import NotFoundError
from ingestor.local.services import SERVICES
from ingestor.runtime.observability import spans
from tests.e2e.conftest import Suite, running
from tests.e2e.observability.collector import Collector, Received, collector

PIPELINE = {
    "name": "traced",
    "schema": {"fields": [{"name": "nr", "type": "integer"}, {"name": "name", "type": "string"}]},
    "sink": {"table": "traced", "mode": "append"},
}
BAD_CELL = "zebra-4711"
ROWS = 40_000
# From the COPY of a batch up to the application.
WAY = [
    ("processor", "CLIENT", "COPY"),
    ("processor", "INTERNAL", "write"),
    ("processor", "INTERNAL", "load"),
    ("processor", "CONSUMER", "process ingestor-rows"),
    ("orchestrator", "PRODUCER", "send ingestor-rows"),
    ("orchestrator", "INTERNAL", "dispatch"),
    ("orchestrator", "SERVER", "ingestor.internal.v1.IngestionService/IngestFile"),
    ("upload", "CLIENT", "ingestor.internal.v1.IngestionService/IngestFile"),
    ("upload", "INTERNAL", "deliver"),
    ("upload", "SERVER", "ingestor.v1.UploadService/CompleteUpload"),
    ("gateway", "SERVER", "ingestor.v1.UploadService/CompleteUpload"),
    ("application", "CLIENT", "ingestor.v1.UploadService/CompleteUpload"),
    ("application", "INTERNAL", "ingest a file"),
]
STAGES = ["decode", "parse", "check", "load", "tell status"]
# These begin when what they belong to has ended, or may.
LATER = ("deliver", "process ingestor-rows")
SLACK = 0.05  # seconds by which two processes see the same moment


@pytest.fixture(scope="module")
def away() -> Iterator[ExitStack]:
    """Closed, the collector is away."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def traces(away: ExitStack) -> Collector:
    """The suite's collector."""
    return away.enter_context(collector())


@pytest.fixture(scope="module")
def traced(traces: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite that exports its traces."""
    folder = tmp_path_factory.mktemp("traced")
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "INGESTOR_SLICE_BYTES": "200000",
        "INGESTOR_PAGE_DIR": str(folder / "nothing"),
    }
    with running(folder / "data", **env) as started:
        yield started


@pytest.fixture
def application(traces: Collector) -> Iterator[None]:
    """The test is an application that uses OpenTelemetry and the client."""
    provider = TracerProvider(resource=Resource.create({"service.name": "ingestor-application"}))
    exporter = OTLPSpanExporter(endpoint=traces.url)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
    spans.use(provider)
    yield
    spans.use(None)
    provider.shutdown()


def table(folder: Path) -> Path:
    """A file of several batches, one of whose rows fails."""
    path = folder / "rows.csv"
    lines = [f"{number},name {number}\n" for number in range(1, ROWS)]
    path.write_text("".join(["nr,name\n", *lines, f"{BAD_CELL},bad\n"]), "utf-8")
    return path


async def ingest(suite: Suite, path: Path) -> tuple[str, int]:
    """Ingest a file within one span; its trace, and the number of its batches."""
    async with AsyncClient(suite.gateway) as client:
        with spans.root("ingest a file") as root:
            process = await client.ingest(path, pipeline=PIPELINE)
            await process.wait()
        assert (process.counts.succeeded, process.counts.failed) == (ROWS - 1, 1)
        return f"{root.get_span_context().trace_id:032x}", len([batch async for batch in process.batches()])


def of_trace(trace: str, found: list[Received]) -> dict[str, Received]:
    """Its spans by id."""
    return {span.id: span for span in found if span.trace == trace}


def is_whole(trace: str, batches: int, found: list[Received]) -> bool:
    """Whether all of a trace has arrived: of each process exports come at times of their own."""
    known = of_trace(trace, found)
    copies = [span for span in known.values() if span.name == "COPY"]
    told = [
        span
        for span in known.values()
        if span.name.endswith("/RecordOutcomes") and span.service == "ingestor-status"
    ]
    done = len(copies) >= batches and len(told) >= batches
    return done and all(span.parent in known for span in known.values() if span.parent)


async def test_one_trace_shows_the_whole_way_of_a_file(
    traced: Suite, traces: Collector, application: None, tmp_path: Path
) -> None:
    trace, batches = await ingest(traced, table(tmp_path))
    assert batches >= 3
    found = traces.wait(lambda spans: is_whole(trace, batches, spans), "a whole trace")
    known = of_trace(trace, found)

    def upwards(span: Received) -> list[Received]:
        return [span, *(upwards(known[span.parent]) if span.parent else [])]

    assert [span.name for span in known.values() if not span.parent] == ["ingest a file"]
    for copy in (span for span in known.values() if span.name == "COPY"):
        way = [(span.service.removeprefix("ingestor-"), span.kind, span.name) for span in upwards(copy)]
        assert way == WAY
        assert copy.attributes["db.collection.name"] == "public.traced"

    processed = [span for span in known.values() if span.kind == "CONSUMER"]
    assert sorted(span.attributes["ingestor.batch"] for span in processed) == [*range(1, batches + 1)]
    for span in processed:
        assert span.links == ((trace, span.parent),)
        assert span.attributes["messaging.system"] == "aws_sqs"
        parts = sorted((one for one in known.values() if one.parent == span.id), key=lambda one: one.start)
        names = [part.name for part in parts if part.kind == "INTERNAL"]
        assert names == STAGES
        told = [one for one in known.values() if one.parent == parts[-1].id]
        assert [one.name for one in told] == ["ingestor.internal.v1.LedgerService/RecordOutcomes"]

    for span in known.values():
        assert span.end >= span.start
        assert not span.failed, span
        if span.parent and span.name not in LATER:
            over = known[span.parent]
            assert over.start - SLACK <= span.start, (span, over)
            # Envoy ends its span when it has passed the answer on, and a service when it hears that a watcher
            # has gone.
            if span.service != "ingestor-gateway" and not span.name.endswith("/WatchProcess"):
                assert span.end <= over.end + SLACK, (span, over)

    services = {span.service for span in known.values()}
    hops = ("application", "gateway", "upload", "orchestrator", "processor", "status")
    assert services == {f"ingestor-{hop}" for hop in hops}
    of_suite = [span for span in known.values() if span.service != "ingestor-application"]
    assert {span.resource["service.version"] for span in of_suite} == {version("data-ingestor")}
    assert BAD_CELL not in repr(found)
    assert "secret" not in repr(found).lower()
    assert "postgresql://" not in repr(found)


async def test_a_slow_bucket_leads_to_a_trace(traced: Suite, traces: Collector) -> None:
    """By an exemplar, in the format that has them."""
    request = urllib.request.Request(
        traced.facts["services"]["processor"]["metrics"], headers={"Accept": "application/openmetrics-text"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: ASYNC210 - nothing else runs meanwhile
        lines = answer.read().decode().splitlines()
    found = {
        match[1]
        for line in lines
        if line.startswith("ingestor_batch_stage_seconds_bucket")
        and (match := re.search('trace_id="([0-9a-f]+)"', line))
    }
    assert found
    assert found <= {span.trace for span in traces.spans}


async def test_nothing_but_what_is_asked_for_is_traced(traced: Suite, traces: Collector) -> None:
    """Workers look at other services all the time, and Envoy asks for health."""
    names = {span.name for span in traces.spans}
    assert not [name for name in names if "ListRemovals" in name or "grpc.health" in name]


async def test_the_span_of_a_call_that_fails_says_so(
    traced: Suite, traces: Collector, application: None
) -> None:
    async with AsyncClient(traced.gateway) as client:
        with spans.root("look") as root, pytest.raises(NotFoundError):
            await client.process(str(uuid.uuid4()))
    trace = f"{root.get_span_context().trace_id:032x}"

    def looks(found: list[Received]) -> dict[str, Received]:
        return {span.kind: span for span in of_trace(trace, found).values() if "GetProcess" in span.name
                and span.service != "ingestor-gateway"}  # fmt: skip

    found = looks(traces.wait(lambda spans: len(looks(spans)) == 2, "the two sides of the call"))
    for span in found.values():
        assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert found["CLIENT"].failed
    assert not found["SERVER"].failed  # by the conventions the caller's fault is none of the server


async def test_a_collector_that_goes_away_is_not_missed(
    traced: Suite, traces: Collector, away: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_tracer", TracerProvider().get_tracer("test"))  # which exports nothing
    before = {service: traced.pid(service) for service in SERVICES}
    away.close()
    began = time.monotonic()
    await ingest(traced, table(tmp_path))
    assert time.monotonic() - began < 20
    with collector(traces.port) as again:
        trace, _ = await ingest(traced, table(tmp_path))

        def processed(found: list[Received]) -> bool:
            return any(span.kind == "CONSUMER" for span in of_trace(trace, found).values())

        again.wait(processed, "spans after the collector has come back", seconds=60)
    assert {service: traced.pid(service) for service in SERVICES} == before
