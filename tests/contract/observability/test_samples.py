"""What services measure in their tables: a real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from ingestor.access.scope import everything
from ingestor.runtime.observability.samples import Sample
from ingestor.runtime.postgres.clock import open_clock
from ingestor.runtime.postgres.pool_metrics import ClockSkew, observe_pools
from ingestor.services.status.adapters.pg_samples import BacklogSample, OutboxSample
from ingestor.services.upload.adapters.pg_samples import DeliveriesSample, StoredSample

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

_UPLOAD = """
INSERT INTO upload.uploads (upload_id, tenant, file_name, declared_size, file_key, state, committed_size,
                            process_id, created_at, touched_at)
VALUES ($1, $2, 'f', 0, 'k', 'completed', $3, $1, now(), now() - $4 * interval '1 second')
"""
_DELIVERY = """
INSERT INTO upload.deliveries (process_id, upload_id, tenant, pipeline, pipeline_version, due_at, lease_until)
VALUES ($1, $1, $2, '', 0, now(), now() + $3 * interval '1 second')
"""
_PROCESS = "INSERT INTO status.processes (process_id, tenant, state, paused) VALUES ($1, $2, 2, $3)"
_BATCH = """
INSERT INTO status.batches (process_id, batch_number, tenant, first_row, row_count, first_line, byte_start,
                            byte_end, dispatched_at, processed_at)
VALUES ($1, $2, $3, $2, 1, 1, 0, 1, now() - $4 * interval '1 second', CASE WHEN $5 THEN now() END)
"""
_EVENT = """
INSERT INTO status.events (tenant, process_id, type, time, data, traceparent, position)
VALUES ('default', gen_random_uuid(), 't', now() - $1 * interval '1 second', '{}', '', 1)
"""


async def measured(sample: Sample) -> dict[str, dict[tuple[str, ...], float]]:
    """The values by the names of gauges."""
    with everything():
        return {gauge.name: dict(values) for gauge, values in (await sample()).items()}


async def test_deliveries_and_stored_bytes(pool_of: OpenPool) -> None:
    pool = await pool_of("upload")
    assert (await measured(DeliveriesSample(pool)))["ingestor_oldest_delivery_age_seconds"] == {(): 0}
    # In work for long; waiting; its lease has ended.
    given = (("default", 5, 900, 60), ("acme", 7, 100, None), ("acme", 1, 500, -1))
    with everything():
        for tenant, size, age, lease in given:
            id_ = uuid.uuid4()
            await pool.execute(_UPLOAD, id_, tenant, size, age)
            await pool.execute(_DELIVERY, id_, tenant, lease)
    found = await measured(DeliveriesSample(pool))
    assert found["ingestor_deliveries_open"] == {("sending",): 1, ("waiting",): 2}
    assert 499 < found["ingestor_oldest_delivery_age_seconds"][()] < 560
    stored = await measured(StoredSample(pool))
    assert stored["ingestor_tenant_stored_bytes"] == {("default",): 5, ("acme",): 8}


async def test_backlog(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    with everything():
        running, paused = uuid.uuid4(), uuid.uuid4()
        await pool.execute(_PROCESS, running, "acme", False)
        await pool.execute(_PROCESS, paused, "default", True)
        await pool.execute(_BATCH, running, 1, "acme", 700, True)
        await pool.execute(_BATCH, running, 2, "acme", 300, False)
        await pool.execute(_BATCH, running, 3, "acme", 10, False)
        await pool.execute(_BATCH, paused, 1, "default", 800, False)
    found = await measured(BacklogSample(pool))
    assert found["ingestor_batches_waiting"] == {(): 2}
    assert found["ingestor_tenant_batches_waiting"] == {("acme",): 2}
    assert 299 < found["ingestor_oldest_batch_age_seconds"][()] < 360
    assert found["ingestor_processes_running"][("DISPATCHING",)] == 2


async def test_outbox(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    assert await measured(OutboxSample(pool)) == {
        "ingestor_outbox_waiting_events": {(): 0}, "ingestor_oldest_event_age_seconds": {(): 0}
    }  # fmt: skip
    with everything():
        await pool.execute(_EVENT, 120)
    found = await measured(OutboxSample(pool))
    assert found["ingestor_outbox_waiting_events"] == {(): 1}
    assert 119 < found["ingestor_oldest_event_age_seconds"][()] < 180


async def test_clocks_of_one_machine_agree(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    found = await measured(ClockSkew(pool, await open_clock(pool)))
    assert abs(found["ingestor_clock_skew_seconds"][()]) < 1


async def test_who_waits_for_a_connection(pool_of: OpenPool) -> None:
    pool, registry = await pool_of("status"), CollectorRegistry()
    observe_pools(registry, pool)

    def shown(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"ingestor_database_pool_{name}", labels)

    release = asyncio.Event()

    async def hold() -> None:
        async with pool.acquire():
            await release.wait()

    size = pool.connections.pool.get_max_size()
    holding = [asyncio.create_task(hold()) for _ in range(size + 3)]
    async with asyncio.timeout(60):
        while shown("connections", state="in_use") != size or shown("waiting_calls") != 3:
            await asyncio.sleep(0.01)  # between two looks
    assert shown("max_connections") == size
    release.set()
    await asyncio.gather(*holding)
    assert (shown("connections", state="in_use"), shown("waiting_calls")) == (0, 0)
    assert shown("wait_seconds_count") == size + 3
