"""What a running suite holds: memory, descriptors, tasks, connections."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import psutil
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Footprint:
    """Of an instance of a service. `connections` are those to PostgreSQL; `descriptors` without them."""

    pid: int
    rss: int  # bytes
    descriptors: int
    tasks: int
    connections: int
    most_connections: int


def footprint(pid: int, metrics: str) -> Footprint:
    """That of a process which shows its metrics at this URL. Raises OSError, or psutil.Error when it has
    ended."""
    with urllib.request.urlopen(metrics, timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found: defaultdict[str, float] = defaultdict(float)
    for family in families:
        for sample in family.samples:
            found[sample.name] += sample.value
    process = psutil.Process(pid)
    with process.oneshot():
        connections = int(found["ingestor_database_pool_connections"])
        return Footprint(
            pid,
            process.memory_info().rss,
            process.num_fds() - connections,
            int(found["ingestor_event_loop_tasks"]),
            connections,
            int(found["ingestor_database_pool_max_connections"]),
        )


def footprints(facts: Mapping[str, Any]) -> dict[str, Footprint]:
    """Those of every instance of a suite (`ingestor env --json`)."""
    return {name: footprint(one["pid"], one["metrics"]) for name, one in facts["services"].items()}


async def sessions(dsn: str) -> dict[str, int]:
    """Sessions of the services at PostgreSQL, by service."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        rows = await connection.fetch(
            "SELECT substr(application_name, 10), count(*) FROM pg_stat_activity "
            "WHERE application_name ^@ 'ingestor-' GROUP BY 1"
        )
    finally:
        await connection.close(timeout=5)
    return {row[0]: row[1] for row in rows}


def proportional_bytes(pid: int) -> int:
    """Memory of a process and all that it has started; what processes share is counted once."""
    root = psutil.Process(pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return total
