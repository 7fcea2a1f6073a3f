"""What contract tests share: pools with a service's role and schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from ingestor.access import scope
from ingestor.access.scope import DEFAULT_TENANT, row_security
from ingestor.runtime.postgres.pool import open_pool
from tests.conftest import OpenDatabase, service_dsn

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

    OpenPool = Callable[[str], Awaitable[PgPool]]
    Stranger = Callable[[], AbstractContextManager[None]]


@pytest.fixture
async def pool_of(open_database: OpenDatabase) -> AsyncIterator[OpenPool]:
    """Opens a pool of a service in a database of the test's own, which is made for the first of them: a test
    of a fake needs none."""
    async with AsyncExitStack() as stack:

        async def open_(service: str) -> PgPool:
            dsn = service_dsn(await open_database(), service)
            usual_path = service == "processor"
            return await stack.enter_async_context(
                open_pool(
                    dsn, service=service, schema=service, size=8, usual_path=usual_path, prepare=row_security
                )
            )

        yield open_


@pytest.fixture(params=["both walls", "row-level security alone"])
def stranger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    """Makes what runs within it run for another tenant than the test. The second time the code takes that
    tenant for the test's, so that only the database keeps them apart."""
    if request.param != "both walls" and "memory" in request.node.callspec.params.values():
        pytest.skip("a fake has one wall")

    @contextmanager
    def within() -> Iterator[None]:
        with scope.within("globex"), monkeypatch.context() as patching:
            if request.param != "both walls":
                patching.setattr(scope, "_BELIEVED", DEFAULT_TENANT)
            yield

    return within
