"""The clock of a PostgreSQL server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection


async def clock_skew(connection: PgConnection) -> float:
    """How many seconds this machine's clock is ahead of the server's."""
    before = time.time()
    there: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    # The answer was given at some moment in between.
    return (before + after) / 2 - there
