"""A small suite on a real gRPC server, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ingestor import AsyncClient
from tests.fakes.gateway import Suite


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    made = Suite()
    server = await made.start()
    yield made
    await server.stop(None)


@pytest.fixture
async def client(suite: Suite) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(suite.address, timeout=20) as made:
        yield made
