"""A gateway that is taken out of service: a real Envoy, with calls under way and clients that stay."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ingestor.client.channel import Endpoint
from ingestor.gateway.draining import drain
from ingestor.gateway.settings import GatewaySettings
from tests.gateway import METHOD, gateway


def ready(metrics: str) -> bool:
    """Whether the gateway says so."""
    try:
        with urllib.request.urlopen(f"{metrics.removesuffix('/metrics')}/readyz", timeout=10):
            return True
    except urllib.error.HTTPError:
        return False


async def test_its_clients_leave_and_it_waits_for_calls_under_way(tmp_path: Path) -> None:
    with gateway(tmp_path / "data", GatewaySettings(auth="local")) as running:
        async with Endpoint.of(f"127.0.0.1:{running.port}").open_channel() as channel:
            call: Any = channel.unary_unary(METHOD)
            await call(b"", timeout=20)
            draining = asyncio.create_task(asyncio.to_thread(drain, running.admin, 1.0, 20.0))
            async with asyncio.timeout(20):
                while await asyncio.to_thread(ready, running.metrics):
                    await asyncio.sleep(0.01)
            before = running.stat("downstream_cx_drain_close")
            await call(b"", timeout=20)  # still answered, and then the client is told to connect elsewhere
            assert await draining == 0
            assert running.stat("downstream_cx_drain_close") > before


async def test_calls_that_do_not_end_are_counted(tmp_path: Path) -> None:
    with gateway(tmp_path / "data", GatewaySettings(auth="local")) as running:
        async with Endpoint.of(f"127.0.0.1:{running.port}").open_channel() as channel:
            never: Any = channel.stream_unary(METHOD)()  # its only request does not come
            async with asyncio.timeout(20):
                while not running.stat("http.gateway.downstream_rq_active"):
                    await asyncio.sleep(0.01)
            assert await asyncio.to_thread(drain, running.admin, 0.0, 0.5) == 1
            never.cancel()
