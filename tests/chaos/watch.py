"""What a client sees: one small call after another, each tried once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import grpc

from ingestor.v1 import status_pb2, status_pb2_grpc

_EVERY_SECONDS = 0.1
_DEADLINE = 20.0


@dataclass(frozen=True)
class Seen:
    """Calls in a time: how many, those that failed by their codes, and the slowest of all in seconds."""

    calls: int
    failed: Counter[str]
    slowest: float

    def __str__(self) -> str:
        failed = ", ".join(f"{count} {code}" for code, count in self.failed.items()) or "none failed"
        return f"{self.calls} calls, {failed}, slowest {self.slowest:.1f} s"


class Watch:
    """Calls again and again."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._calls: list[tuple[float, float, str]] = []  # end, seconds, code

    async def run(self) -> None:
        """Until cancelled."""
        async with grpc.aio.insecure_channel(self._gateway) as channel:
            stub: Any = status_pb2_grpc.StatusServiceStub(channel)
            while True:
                began = time.monotonic()
                code = ""
                try:
                    await stub.ListProcesses(status_pb2.ListProcessesRequest(page_size=1), timeout=_DEADLINE)
                except grpc.aio.AioRpcError as error:
                    code = error.code().name
                now = time.monotonic()
                self._calls.append((now, now - began, code))
                await asyncio.sleep(_EVERY_SECONDS)

    def since(self, began: float) -> Seen:
        """Calls that have ended since then (time.monotonic)."""
        found = [call for call in self._calls if call[0] >= began]
        failed = Counter(code for _, _, code in found if code)
        return Seen(len(found), failed, max((seconds for _, seconds, _ in found), default=0.0))
