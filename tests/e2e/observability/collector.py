"""A collector of traces: an OTLP server that keeps the spans it is sent.

python collector.py PORT: one that prints each span as a line of JSON, until it is terminated.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from ingestor.local.ports import LOOPBACK


@dataclass(frozen=True)
class Received:
    """A span. Times are in seconds."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    kind: str  # SERVER, CLIENT, ...
    start: float
    end: float
    failed: bool
    links: tuple[tuple[str, str], ...]  # (trace, span)
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """What arrived."""

    spans: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{LOOPBACK}:{self.port}"

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Keep the spans."""
        for group in request.resource_spans:
            resource = _values(group.resource.attributes)
            for scope in group.scope_spans:
                self.keep([_received(span, resource) for span in scope.spans])
        return trace_service_pb2.ExportTraceServiceResponse()

    def keep(self, spans: list[Received]) -> None:
        """What to do with spans that have arrived."""
        self.spans += spans

    def wait(self, found: Callable[[list[Received]], bool], what: str, seconds: float = 30) -> list[Received]:
        """The spans, when they are as wanted; fails naming what never came."""
        deadline = time.monotonic() + seconds
        while not found(spans := list(self.spans)):
            names = sorted({f"{span.service}: {span.name}" for span in spans})
            assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s: {names}"
            time.sleep(0.05)  # between two looks, not instead of one
        return spans


class Printer(Collector):
    """Prints the spans."""

    def keep(self, spans: list[Received]) -> None:
        """A line of JSON each."""
        for span in spans:
            sys.stdout.write(json.dumps(asdict(span), default=str) + "\n")
        sys.stdout.flush()


@contextmanager
def collector(port: int = 0, host: str = LOOPBACK, made: Collector | None = None) -> Iterator[Collector]:
    """A collector that listens while the context lasts."""
    made = made or Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(made, server)  # type: ignore[no-untyped-call]
    made.port = server.add_insecure_port(f"{host}:{port}")
    server.start()
    try:
        yield made
    finally:
        server.stop(0).wait()


def _received(span: trace_pb2.Span, resource: Mapping[str, Any]) -> Received:
    return Received(
        str(resource["service.name"]),
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.start_time_unix_nano / 1e9,
        span.end_time_unix_nano / 1e9,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        _values(span.attributes),
        resource,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def main() -> None:
    """Listen to everybody at the port that the first argument says."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before there are threads
    with collector(int(sys.argv[1]), "0.0.0.0", Printer()):
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
