"""Channels to other services."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

from ingestor.runtime.grpc.trace_calls import client_interceptors

# A message carries at most a 4 MiB piece of a file and its envelope.
MAX_MESSAGE_BYTES = 5 * 1024 * 1024

MESSAGE_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]

_SERVICE_CONFIG = json.dumps(
    {
        # Spreads calls over all addresses that DNS returns (Kubernetes headless services).
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)


@asynccontextmanager
async def open_channel(
    address: str, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to host:port, closed at the end of the context; calls carry the current trace, and what the
    interceptors add."""
    options: list[tuple[str, int | str]] = [
        *MESSAGE_OPTIONS,
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
    ]
    channel = grpc.aio.insecure_channel(
        address, options=options, interceptors=[*client_interceptors(), *interceptors]
    )
    try:
        yield channel
    finally:
        await channel.close()
