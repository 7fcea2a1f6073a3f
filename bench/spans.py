"""What traces cost: `python -m bench.spans` prints microseconds per RPC and per part of a batch."""

from __future__ import annotations

import sys
import time
from typing import Any

import grpc
import uvloop
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.interceptors import ServerInterceptor
from ingestor.runtime.observability import spans
from ingestor.runtime.observability.metrics import RpcMetrics

_CALLS = 3_000
_PARTS = 50_000


async def _answer(request: bytes, context: Any) -> bytes:
    return request


async def _microseconds_of_calls() -> float:
    """Of one unary call, client and server in this process."""
    server = grpc.aio.server(interceptors=[ServerInterceptor(RpcMetrics(CollectorRegistry()))])
    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(_answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Words", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        echo: Any = channel.unary_unary("/bench.Words/Echo")
        for _ in range(300):
            await echo(b"a")
        began = time.perf_counter()
        for _ in range(_CALLS):
            await echo(b"a")
        taken = time.perf_counter() - began
    await server.stop(None)
    return taken / _CALLS * 1e6


def _microseconds_of_parts() -> float:
    began = time.perf_counter()
    for _ in range(_PARTS):
        with spans.span("part"):
            pass
    return (time.perf_counter() - began) / _PARTS * 1e6


async def _print(what: str) -> None:
    calls = min([await _microseconds_of_calls() for _ in range(3)])
    sys.stdout.write(f"{what:<32} {calls:6.0f} us per call {_microseconds_of_parts():6.2f} us per part\n")


async def _main() -> None:
    await _print("no endpoint")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    spans.use(provider)
    await _print("endpoint, trace not recorded")
    spans.begin("work", SpanKind.INTERNAL, None)
    await _print("endpoint, trace recorded")


if __name__ == "__main__":
    uvloop.run(_main())
