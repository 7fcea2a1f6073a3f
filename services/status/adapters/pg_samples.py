"""What the status service measures in its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.access.scope import MOST_TENANT_LABELS, OTHER_TENANTS
from ingestor.runtime.observability.samples import GaugeOf, Sample, Values, largest
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.processes import ProcessState

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

# A paused process keeps batches without an outcome, so those do not wait for anything.
_BACKLOG = """
SELECT b.tenant, count(*)::float8 AS batches,
       extract(epoch FROM clock_timestamp() - min(b.dispatched_at))::float8 AS age
FROM batches b JOIN processes p USING (process_id)
WHERE b.processed_at IS NULL AND p.ended_at IS NULL AND NOT p.paused GROUP BY b.tenant
"""

_RUNNING = "SELECT state, count(*)::float8 AS processes FROM processes WHERE ended_at IS NULL GROUP BY state"

_MOST_EVENTS = 10_000

_OUTBOX = """
SELECT count(*) AS events, coalesce(extract(epoch FROM clock_timestamp() - min(time)), 0)::float8 AS age
FROM (SELECT time FROM events WHERE published_at IS NULL ORDER BY position LIMIT $1) waiting
"""

_BATCHES = GaugeOf(
    "ingestor_batches_waiting", "Batches without an outcome, of processes that are not paused."
)
_AGE = GaugeOf(
    "ingestor_oldest_batch_age_seconds",
    "How long ago the oldest batch without an outcome was sent first; 0 without one.",
)
_OF_TENANT = GaugeOf(
    "ingestor_tenant_batches_waiting",
    "Batches without an outcome, of the tenants that have most.",
    ("tenant",),
)
_PROCESSES = GaugeOf("ingestor_processes_running", "Processes that have not ended.", ("state",))
_EVENTS = GaugeOf(
    "ingestor_outbox_waiting_events",
    f"Events that are not published yet; {_MOST_EVENTS} stands for more, too.",
)
_EVENT_AGE = GaugeOf(
    "ingestor_oldest_event_age_seconds",
    "How long the oldest event has waited to be published; 0 without one.",
)
_STATES = tuple(state for state in ProcessState if state <= ProcessState.PAUSED)


class BacklogSample(Sample):
    """What runs, and what waits."""

    name = "backlog"
    gauges: Sequence[GaugeOf] = (_BATCHES, _AGE, _OF_TENANT, _PROCESSES)
    every = 1

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def __call__(self) -> Values:
        """Raises TransientError."""
        async with transient_errors("ledger"):
            rows = await self._pool.fetch(_BACKLOG)
            running = {row["state"]: row["processes"] for row in await self._pool.fetch(_RUNNING)}
        waiting = {row["tenant"]: row["batches"] for row in rows}
        shown = largest(waiting, MOST_TENANT_LABELS, OTHER_TENANTS)
        return {
            _BATCHES: {(): sum(waiting.values())},
            _AGE: {(): max((row["age"] for row in rows), default=0.0)},
            _OF_TENANT: {(tenant,): count for tenant, count in shown.items()},
            _PROCESSES: {(state.name,): running.get(state, 0.0) for state in _STATES},
        }


class OutboxSample(Sample):
    """What is not published."""

    name = "outbox"
    gauges: Sequence[GaugeOf] = (_EVENTS, _EVENT_AGE)
    every = 1

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def __call__(self) -> Values:
        """Raises TransientError."""
        async with transient_errors("outbox"):
            row = await self._pool.fetchrow(_OUTBOX, _MOST_EVENTS)
        assert row is not None, "an aggregate has one row"
        return {_EVENTS: {(): row["events"]}, _EVENT_AGE: {(): row["age"]}}
