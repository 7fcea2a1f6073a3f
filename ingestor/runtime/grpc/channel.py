"""Channels to other services."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

from ingestor.runtime.grpc.call_metadata import client_interceptors
from ingestor.runtime.grpc.credentials import TlsFiles, channel_credentials, server_name
from ingestor.runtime.grpc.renewing_channel import RenewingChannel

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
        # When far more calls fail than succeed, none is repeated: a service in trouble gets no more of them.
        "retryThrottling": {"maxTokens": 200, "tokenRatio": 1},
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
    address: str,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    *,
    service: str = "",
    tls: TlsFiles | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to host:port, closed at the end of the context; calls carry the current trace, and what the
    interceptors add. With `tls` the server must have a certificate that names `service`."""
    options: list[tuple[str, int | str]] = [
        *MESSAGE_OPTIONS,
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
    ]
    channel: grpc.aio.Channel
    all_ = [*client_interceptors(), *interceptors]
    if tls is None:
        channel = grpc.aio.insecure_channel(address, options=options, interceptors=all_)
    else:
        options.append(server_name(service))
        channel = RenewingChannel(
            tls,
            lambda identity: grpc.aio.secure_channel(
                address, channel_credentials(identity), options=options, interceptors=all_
            ),
        )
    try:
        yield channel
    finally:
        await channel.close()
