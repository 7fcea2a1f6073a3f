"""The status service as its tests call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc

from ingestor.access.calls import CALL, CallSigner
from ingestor.access.keyring import KeyRing
from ingestor.internal.v1 import ledger_pb2_grpc
from ingestor.runtime.grpc.channel import open_channel
from ingestor.v1 import status_pb2_grpc

KEYS = KeyRing.parse("local:local")  # of services in local mode


def status_stub(channel: grpc.aio.Channel) -> Any:
    """Every call of status on one object: the public ones as whoever the channel says, the internal ones as
    the processor, for the tenant in scope."""
    ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
    signer = CallSigner(KEYS, "processor")

    def signed(call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda request: call(request, metadata=((CALL, signer.token()),))

    internal = {name: signed(call) for name, call in vars(ledger).items()}
    return SimpleNamespace(**vars(status_pb2_grpc.StatusServiceStub(channel)), **internal)


@asynccontextmanager
async def channel_of(service: str, address: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel on which a service calls."""
    async with open_channel(address, CallSigner(KEYS, service).interceptors()) as channel:
        yield channel
