"""The whole suite behind pgbouncer in transaction mode, with few connections to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Suite, running
from tests.e2e.tables import write_pipeline, write_readings
from tests.pgbouncer import PgBouncer, pgbouncer
from tests.postgres_server import FAST, postgres_server

SIZE = 4
DRY_RUNS = 4  # the processor's default; each has a session of its own


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    with (
        postgres_server(tmp_path_factory.mktemp("behind"), FAST) as dsn,
        pgbouncer(dsn, size=SIZE) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def pooled(behind: PgBouncer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    env = {
        "INGESTOR_DATABASE_URL": behind.dsn,
        "INGESTOR_DATABASE_DIRECT_URL": behind.direct_dsn,
        "INGESTOR_DATABASE_POOLER": "transaction",
    }
    with running(tmp_path_factory.mktemp("pooled"), "--processors", "2", **env) as suite:
        yield suite


async def test_files_are_ingested(pooled: Suite, behind: PgBouncer, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "pooled_readings")
    source = write_readings(tmp_path / "r.csv", 20_000, bad_every=1_000)
    found = pooled.ingest(source, "--pipeline", str(pipeline), status=3)
    assert (found["counts"]["succeeded"], found["counts"]["failed"]) == (19_980, 20)
    rows = await pooled.fetch("SELECT count(*), count(DISTINCT _row_number) FROM pooled_readings")
    assert rows == [(19_980, 19_980)]
    process = found["process_id"]
    assert pooled.json("row", process, "1000")["state"] == "FAILED"
    assert pooled.json("watch", process, status=3)["state"] == "COMPLETED_WITH_ERRORS"

    pools = await behind.pools()
    assert {"ingestor_upload", "ingestor_orchestrator", "ingestor_status"} <= pools.keys()
    assert pools["ingestor_processor_service"] >= 1
    assert max(pools.values()) <= SIZE
    # Around it go only sessions: one listens, one holds the file that is read, dry runs.
    around = await pooled.fetch(
        "SELECT usename, count(*) FROM pg_stat_activity WHERE usename LIKE 'ingestor%' GROUP BY 1"
    )
    for role, count in around:
        more = {"ingestor_status": 1, "ingestor_orchestrator": 1, "ingestor_processor_service": DRY_RUNS}
        assert count <= pools.get(role, 0) + more.get(role, 0), role


async def test_repair_undo_and_upsert(pooled: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "pooled_upserts", mode="upsert")
    source = write_readings(tmp_path / "r.csv", 1_000, bad_every=100)
    first = pooled.ingest(source, "--pipeline", str(pipeline), status=3)["process_id"]
    report = tmp_path / "report.csv"
    pooled.run("report", first, "-o", str(report))
    report.write_text(report.read_text("utf-8").replace("n/a", "1.5"), "utf-8")
    pooled.ingest(report, "--repair", first)
    assert await pooled.fetch("SELECT count(*) FROM pooled_upserts") == [(1_000,)]
    pooled.run("undo", first, "--yes")
    assert await pooled.fetch("SELECT count(*) FROM pooled_upserts") == [(0,)]


async def test_a_dry_run_has_a_session(pooled: Suite, tmp_path: Path) -> None:
    pipeline = write_pipeline(tmp_path, "pooled_dry")
    source = write_readings(tmp_path / "r.csv", 500, bad_every=100)
    found: Any = pooled.json("ingest", str(source), "--pipeline", str(pipeline), "--dry-run", status=None)
    assert [int(row["row_number"]) for row in found["rows"] if row["state"] == "FAILED"] == [
        100,
        200,
        300,
        400,
        500,
    ]
    assert await pooled.fetch("SELECT to_regclass('pooled_dry') IS NULL") == [(True,)]
