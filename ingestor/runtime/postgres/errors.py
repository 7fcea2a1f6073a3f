"""Which errors of PostgreSQL are transient."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from ingestor.runtime.errors import TransientError

# After these the same statement may succeed: lost connections, a server that stops or starts, deadlocks, too
# many connections, a full disk, a server that takes no writes for now, a password that is being changed.
TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,  # the connection was lost at a bad moment
)


@asynccontextmanager
async def transient_errors(
    what: str, others: Callable[[asyncpg.PostgresError], Exception] | None = None
) -> AsyncIterator[None]:
    """Turn transient errors into TransientError naming `what`. `others` maps PostgreSQL's other errors, and
    may return them unchanged; without it they pass through."""
    try:
        yield
    except TRANSIENT_ERRORS as error:
        raise TransientError(f"{what}: {type(error).__name__}: {error}") from error
    except asyncpg.PostgresError as error:
        mapped = others(error) if others else error
        if mapped is error:
            raise
        raise mapped from error
