"""Draws the trace of a small file: `python -m bench.pictures.trace docs/images/trace.svg`.

Starts a suite and a collector, ingests a file of 120,000 rows, and draws the spans that arrive.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ingestor import AsyncClient
from ingestor.runtime.observability import spans
from tests.e2e.conftest import running
from tests.e2e.observability.collector import Received, collector

_ROWS = 120_000
_COLOURS = {
    "application": "#868e96",
    "gateway": "#7048e8",
    "upload": "#1971c2",
    "orchestrator": "#2f9e44",
    "processor": "#e8590c",
    "status": "#c2255c",
}
_LEFT, _WIDE, _LINE = 400, 560, 17
# Calls that every file has, and that say nothing of its speed.
_HIDDEN = ("/BeginIngestion", "/RecordDispatch", "/GetProcess", "/WatchProcess", "/CreateUpload")


async def _ingest(gateway: str, path: Path) -> str:
    async with AsyncClient(gateway) as client:
        with spans.root("ingest a file") as root:
            process = await client.ingest(path)
            await process.wait()
    return f"{root.get_span_context().trace_id:032x}"


def _record(folder: Path) -> list[Received]:
    """The spans of the file's trace."""
    path = folder / "rows.csv"
    path.write_text("nr,name\n" + "".join(f"{number},name {number}\n" for number in range(_ROWS)), "utf-8")
    with collector() as found:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": found.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "INGESTOR_SLICE_BYTES": "700000",
            "INGESTOR_PAGE_DIR": str(folder / "nothing"),
        }
        with running(folder / "data", **env) as suite:
            provider = TracerProvider(resource=Resource.create({"service.name": "ingestor-application"}))
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=found.url)))
            asyncio.run(_ingest(suite.gateway, path))  # a first file makes the table and warms up
            spans.use(provider)
            trace = asyncio.run(_ingest(suite.gateway, path))
            spans.use(None)
            provider.shutdown()
        return [span for span in found.spans if span.trace == trace]  # all: the services have stopped


def _in_order(found: list[Received]) -> Iterator[tuple[int, Received]]:
    """The spans with their depth, each below its parent."""

    def below(parent: str, depth: int) -> Iterator[tuple[int, Received]]:
        for span in sorted((one for one in found if one.parent == parent), key=lambda one: one.start):
            if not span.name.endswith(_HIDDEN):
                yield depth, span
                yield from below(span.id, depth + 1)

    return below("", 0)


def _draw(found: list[Received]) -> str:
    lines = list(_in_order(found))
    first = min(span.start for _, span in lines)
    whole = max(span.end for _, span in lines) - first
    height = (len(lines) + 3) * _LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDE + 70} {height}" '
        'font-family="system-ui, sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for at, (service, colour) in enumerate(_COLOURS.items()):
        parts.append(f'<rect x="{10 + at * 105}" y="8" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{24 + at * 105}" y="17" fill="#212529">{service}</text>')
    for number, (depth, span) in enumerate(lines):
        y = (number + 2) * _LINE
        service = span.service.removeprefix("ingestor-")
        name = span.name.rpartition("/")[2] or span.name
        batch = span.attributes.get("ingestor.batch")
        label = f"{name} {batch}" if batch and span.kind in ("CONSUMER", "INTERNAL") else name
        x = _LEFT + (span.start - first) / whole * _WIDE
        wide = max(1.0, (span.end - span.start) / whole * _WIDE)
        milliseconds = f"{(span.end - span.start) * 1000:.0f} ms"
        told = f"{service}: {span.name}, {milliseconds}"
        parts += [
            f'<text x="{10 + depth * 14}" y="{y + 11}" fill="#212529">{escape(label)}</text>',
            f'<rect x="{x:.1f}" y="{y + 2}" width="{wide:.1f}" height="{_LINE - 5}" rx="2" '
            f'fill="{_COLOURS[service]}"><title>{escape(told)}</title></rect>',
            f'<text x="{x + wide + 4:.1f}" y="{y + 11}" fill="#868e96" font-size="9">{milliseconds}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        Path(sys.argv[1]).write_text(_draw(_record(Path(made))), "utf-8")
