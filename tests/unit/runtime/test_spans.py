"""Spans of calls and of what happens within them, taken from memory instead of a collector."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from ingestor.runtime.observability import spans, tracing
from tests.unit.runtime.test_grpc_host import KINDS, call, running

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def made() -> Iterator[InMemorySpanExporter]:
    """The spans that have ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.use(provider)
    yield exporter
    spans.use(None)


def by_name(made: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The ended spans; each name once."""
    found = made.get_finished_spans()
    assert len({span.name for span in found}) == len(found), [span.name for span in found]
    return {span.name: span for span in found}


def parent_of(span: ReadableSpan) -> int | None:
    """Its parent's id."""
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    """Its id."""
    assert span.context is not None
    return int(span.context.span_id)


def is_recorded(traceparent: str) -> bool:
    """Whether it asks for spans."""
    parts = tracing.parse(traceparent)
    assert parts
    return bool(parts[2] & 1)


@pytest.mark.parametrize("kind", KINDS[:3])
async def test_a_call_has_a_span_on_either_side(kind: str, made: InMemorySpanExporter) -> None:
    async with running() as channel:
        with spans.root("work"):
            await call(channel, kind, [b"a"])
        await until(lambda: len(made.get_finished_spans()) == 3)
    sides = {span.kind: span for span in made.get_finished_spans() if span.name == f"test.Words/{kind}"}
    (work,) = (span for span in made.get_finished_spans() if span.name == "work")
    assert parent_of(sides[SpanKind.SERVER]) == id_of(sides[SpanKind.CLIENT])
    assert parent_of(sides[SpanKind.CLIENT]) == id_of(work)
    for side in sides.values():
        assert side.attributes is not None
        assert side.attributes["rpc.system.name"] == "grpc"
        assert side.attributes["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize(
    ("word", "code", "server_fails"),
    [
        (b"bug", "INTERNAL", True),
        (b"transient", "UNAVAILABLE", True),
        (b"invalid", "INVALID_ARGUMENT", False),
    ],
)
async def test_the_spans_of_a_failed_call_say_so(
    kind: str, word: bytes, code: str, server_fails: bool, made: InMemorySpanExporter
) -> None:
    async with running() as channel:
        with spans.root("work"), pytest.raises(grpc.aio.AioRpcError):
            await call(channel, kind, [word])
        await until(lambda: SpanKind.CLIENT in {span.kind for span in made.get_finished_spans()})
    assert SpanKind.SERVER in {span.kind for span in made.get_finished_spans()}  # one for each attempt
    for span in made.get_finished_spans():
        if span.name == "work":
            continue
        assert span.attributes is not None
        assert span.attributes["error.type"] == span.attributes["rpc.response.status_code"] == code
        wanted = span.kind is SpanKind.CLIENT or server_fails
        assert (span.status.status_code is StatusCode.ERROR) == wanted
        assert "secret" not in span.to_json()


async def test_a_call_outside_of_a_trace_has_no_span(made: InMemorySpanExporter) -> None:
    """Workers that look at other services every few seconds make no traces."""

    async def look() -> None:
        async with running() as channel:
            await call(channel, "unary_unary", [b"a"])

    # In a context of its own, as a worker's, without what tests before this one have left.
    await asyncio.create_task(look(), context=contextvars.Context())
    assert made.get_finished_spans() == ()


async def test_a_caller_without_spans_is_continued(made: InMemorySpanExporter) -> None:
    async with running() as channel:
        mine = tracing.continue_trace(PARENT)
        await call(channel, "unary_unary", [b"a"])
    (span,) = made.get_finished_spans()
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id, 1) == tracing.parse(mine)


def test_parts_are_nested_and_fail_without_a_message(made: InMemorySpanExporter) -> None:
    with spans.root("root"), pytest.raises(ValueError, match="cell"), spans.span("part"):
        with spans.span("piece"):
            pass
        raise ValueError("the cell 4711")
    found = by_name(made)
    assert parent_of(found["piece"]) == id_of(found["part"])
    assert parent_of(found["part"]) == id_of(found["root"])
    assert found["piece"].status.status_code is StatusCode.UNSET
    assert found["part"].status.status_code is StatusCode.ERROR
    assert found["part"].attributes == {"error.type": "ValueError"}
    assert "4711" not in "".join(span.to_json() for span in found.values())


async def test_stages_follow_each_other(made: InMemorySpanExporter) -> None:
    with spans.root("root"):
        async with spans.Stages("one") as stages:
            with spans.span("within one"):
                pass
            stages.begin("two")
        with spans.span("after"):
            pass
    found = by_name(made)
    assert parent_of(found["within one"]) == id_of(found["one"])
    for name in ("one", "two", "after"):
        assert parent_of(found[name]) == id_of(found["root"])
    assert (found["one"].end_time or 0) <= (found["two"].start_time or 0)


def test_of_very_many_some_are_recorded(made: InMemorySpanExporter) -> None:
    with spans.root("root") as root:
        trace = root.get_span_context().trace_id
        for number in range(1, 1025):
            with spans.counted(number), spans.span(str(number)):
                assert tracing.trace_id(tracing.current_traceparent()) == f"{trace:032x}"
    numbers = [int(span.name) for span in made.get_finished_spans() if span.name != "root"]
    assert numbers[:31] == list(range(1, 32))
    for least in (32, 64, 128, 256, 512):
        assert len([number for number in numbers if least <= number < 2 * least]) == 16
    assert numbers[-1] == 1024


def test_what_is_not_recorded_is_not_recorded_elsewhere(made: InMemorySpanExporter) -> None:
    with spans.root("root"):
        assert is_recorded(tracing.current_traceparent())
        with spans.counted(33):
            assert not is_recorded(tracing.current_traceparent())
        assert is_recorded(tracing.current_traceparent())
    with spans.root("attempt", number=33):
        assert not is_recorded(tracing.current_traceparent())
    assert list(by_name(made)) == ["root"]


async def test_times_have_the_trace_as_exemplar(made: InMemorySpanExporter) -> None:
    registry = CollectorRegistry()
    async with running(registry) as channel:
        tracing.continue_trace(PARENT)
        await call(channel, "unary_unary", [b"a"])
    text = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    (line,) = (line for line in text.splitlines() if "# {" in line)
    assert line.startswith("grpc_server_handling_seconds_bucket{")
    assert f'trace_id="{PARENT[3:35]}"' in line


def test_without_an_endpoint_nothing_is_loaded_or_started() -> None:
    """And what cannot be used is said, but stops nothing."""
    code = (
        "import sys, threading\n"
        "from ingestor.runtime.observability.otlp import exporting\n"
        "from ingestor.runtime.observability import spans\n"
        "with exporting('upload'):\n"
        "    with spans.root('root') as root:\n"
        "        print(root.is_recording(), threading.active_count(), 'opentelemetry.sdk' in sys.modules)\n"
    )
    for variables in (
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    ):
        others = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**others, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "False 1 False", variables
        assert ("no traces" in done.stdout) == (len(variables) > 0 and "OTEL_SDK_DISABLED" not in variables)


def test_the_client_needs_no_opentelemetry() -> None:
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"  # as if it were not installed
        "from ingestor import AsyncClient\n"
        "from ingestor.runtime.grpc import call_metadata\n"
        "from ingestor.runtime.observability import tracing\n"
        "assert len(call_metadata.client_interceptors()) == 3\n"
        "print(tracing.current_traceparent())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tracing.parse(done.stdout.strip())


async def until(condition: Any) -> None:
    """Wait for the loop to end the spans of calls that have ended."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
