"""What contract tests share: pools with a service's role and schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from ingestor.runtime.postgres import migrate, open_pool
from ingestor.runtime.provision import provision

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool

    OpenPool = Callable[[str], Awaitable[PgPool]]


@pytest.fixture
async def pool_of(database_url: str) -> AsyncIterator[OpenPool]:
    """Opens a pool of a service, its schema migrated, in a database of the test's own."""
    async with AsyncExitStack() as stack:

        async def open_(service: str) -> PgPool:
            dsns = await provision(database_url, {service: "secret"})
            pool = await stack.enter_async_context(
                open_pool(dsns[service], service=service, schema=service, size=8)
            )
            await migrate(pool, schema=service, package=f"ingestor.services.{service}.migrations")
            return pool

        yield open_
