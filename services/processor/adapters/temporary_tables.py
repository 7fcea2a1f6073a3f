"""Sessions of PostgreSQL with temporary tables, which other users of the session must not find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

# A statement may run on after its connection was cut, with the temporary tables; so it ends soon (from
# PostgreSQL 14 on). The pool resets it.
_END_WITH_CONNECTION = """
SELECT set_config(name, '2s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'
"""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def session_of_its_own(pool: PgPool, what: str, seconds: float) -> AsyncIterator[PgConnection]:
    """A session for `what` ("a dry run"), whose temporary tables are dropped at the end within so many
    seconds. Statements end soon after the connection was cut. Raises TransientError when there is none."""
    async with AsyncExitStack() as stack:
        async with transient_errors("sink"):
            connection = await stack.enter_async_context(pool.session())
        stack.push_async_callback(_leave, connection, what, seconds)
        async with transient_errors("sink"):
            await connection.execute(_END_WITH_CONNECTION)
        yield connection


async def _leave(connection: PgConnection, what: str, seconds: float) -> None:
    """Drop the temporary tables; if that fails, end the session, which drops them too."""
    try:
        async with asyncio.timeout(seconds):
            await connection.execute("DISCARD TEMP")
    except BaseException as error:
        with suppress(asyncpg.InterfaceError):  # the connection is closed already
            connection.terminate()
        if not isinstance(error, Exception):
            raise
        log.warning(f"{what}'s session was ended", error=type(error).__name__)
