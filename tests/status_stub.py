"""The status service as its tests call it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import grpc

from ingestor.internal.v1 import ledger_pb2_grpc
from ingestor.v1 import status_pb2_grpc


def status_stub(channel: grpc.aio.Channel) -> Any:
    """Every call of status, public and internal, on one object."""
    ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
    return SimpleNamespace(**vars(status_pb2_grpc.StatusServiceStub(channel)), **vars(ledger))
