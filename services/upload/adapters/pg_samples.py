"""What the upload service measures in its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.access.scope import MOST_TENANT_LABELS, OTHER_TENANTS
from ingestor.runtime.observability.samples import GaugeOf, Sample, Values, largest
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

# A file on its way to the orchestrator has a lease; its upload was touched last when it was complete.
_DELIVERIES = """
SELECT count(*) FILTER (WHERE sending) AS sending, count(*) FILTER (WHERE NOT sending) AS waiting,
       coalesce(max(age) FILTER (WHERE NOT sending), 0)::float8 AS age
FROM (SELECT extract(epoch FROM clock_timestamp() - touched_at) AS age,
             coalesce(lease_until >= clock_timestamp(), false) AS sending
      FROM deliveries JOIN uploads USING (upload_id) WHERE done_at IS NULL) open
"""

_STORED = """
SELECT tenant, sum(committed_size)::float8 AS bytes FROM uploads WHERE state <> 'aborted' GROUP BY tenant
UNION ALL
SELECT tenant, sum(content_bytes)::float8 FROM deliveries WHERE content_key LIKE '%-text' GROUP BY tenant
"""

_OPEN = GaugeOf("ingestor_deliveries_open", "Complete files that the orchestrator has not read.", ("state",))
_AGE = GaugeOf(
    "ingestor_oldest_delivery_age_seconds",
    "How long the oldest complete file has waited that nobody is delivering; 0 without one.",
)
_BYTES = GaugeOf(
    "ingestor_tenant_stored_bytes",
    "Bytes of files and their conversions in the file store, of the tenants that have most.",
    ("tenant",),
)


class DeliveriesSample(Sample):
    """How many deliveries there are, and how old the oldest is."""

    name = "deliveries"
    gauges: Sequence[GaugeOf] = (_OPEN, _AGE)
    every = 1

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def __call__(self) -> Values:
        """Raises TransientError."""
        async with transient_errors("deliveries"):
            row = await self._pool.fetchrow(_DELIVERIES)
        assert row is not None, "an aggregate has one row"
        states: dict[tuple[str, ...], float] = {("sending",): row["sending"], ("waiting",): row["waiting"]}
        return {_OPEN: states, _AGE: {(): row["age"]}}


class StoredSample(Sample):
    """How much each tenant stores. It reads an index of all uploads, so it is taken seldom."""

    name = "stored bytes"
    gauges: Sequence[GaugeOf] = (_BYTES,)
    every = 20

    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def __call__(self) -> Values:
        """Raises TransientError."""
        stored = Counter[str]()
        async with transient_errors("uploads"):
            for row in await self._pool.fetch(_STORED):
                stored[row["tenant"]] += row["bytes"]
        shown = largest(stored, MOST_TENANT_LABELS, OTHER_TENANTS)
        return {_BYTES: {(tenant,): size for tenant, size in shown.items()}}
