"""Metrics of a pool of connections, and of the clock of its server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Histogram

from ingestor.runtime.observability.samples import GaugeOf, Sample, Values
from ingestor.runtime.postgres.clock import PgClock
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


def observe_pools(registry: CollectorRegistry, *observed: PgPool) -> None:
    """Count the connections of these pools together, and those who wait for one."""
    connections = Gauge(
        "ingestor_database_pool_connections", "Open connections to PostgreSQL.", ["state"], registry=registry
    )
    # Mostly one for each.
    pools = {one for pool in observed for one in (pool.connections.pool, pool.connections.sessions)}
    connections.labels("idle").set_function(lambda: sum(one.get_idle_size() for one in pools))
    connections.labels("in_use").set_function(
        lambda: sum(one.get_size() - one.get_idle_size() for one in pools)
    )
    Gauge(
        "ingestor_database_pool_max_connections", "Most connections to PostgreSQL.", registry=registry
    ).set_function(lambda: sum(one.get_max_size() for one in pools))
    Gauge(
        "ingestor_database_pool_waiting_calls", "Calls that wait for a connection now.", registry=registry
    ).set_function(lambda: sum(pool.connections.waits.waiting for pool in observed))
    waits = Histogram(
        "ingestor_database_pool_wait_seconds",
        "How long calls have waited for a connection.",
        buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120),
        registry=registry,
    )
    for pool in observed:
        pool.connections.waits.ended = waits.observe


_SKEW = GaugeOf("ingestor_clock_skew_seconds", "How far this clock is ahead of PostgreSQL's.")


class ClockSkew(Sample):
    """Looks at the clock of the database server, and compares that of this machine with it."""

    name = "clock skew"
    gauges: Sequence[GaugeOf] = (_SKEW,)
    every = 4

    def __init__(self, pool: PgPool, clock: PgClock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(self) -> Values:
        """Raises TransientError."""
        async with transient_errors("database"), self._pool.acquire() as connection:
            await self._clock.look(connection)
        return {_SKEW: {(): self._clock.behind_seconds}}
