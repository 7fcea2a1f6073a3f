"""Schemas that a pipeline names, through the gateway: of its tenant, and listed ones; it makes none."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ingestor import Client, Process
from tests.e2e.conftest import Suite, running, wait_until

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname IN ('postgres', 'shop', 'mine') ORDER BY 1"


def document(name: str, table: str, *, refers_to: str = "") -> dict[str, Any]:
    """A pipeline of one column."""
    schema: dict[str, Any] = {"fields": [{"name": "id", "type": "integer"}], "primaryKey": "id"}
    if refers_to:
        schema["foreignKeys"] = [{"fields": "id", "reference": {"resource": refers_to, "fields": "id"}}]
    return {"name": name, "schema": schema, "sink": {"table": table}}


def is_paused(process: Process) -> bool:
    """Whether a process waits."""
    return process.refresh().state == "PAUSED"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "people.csv"
    path.write_text("id\n1\n2\n", "utf-8")
    return path


async def test_a_schema_that_others_would_see_first_is_not_made(suite: Suite, people: Path) -> None:
    await suite.fetch("CREATE SCHEMA mine")
    await suite.fetch("CREATE TABLE mine.known (id bigint PRIMARY KEY)")
    await suite.fetch("GRANT USAGE ON SCHEMA mine TO PUBLIC")
    await suite.fetch("GRANT ALL ON mine.known TO PUBLIC")
    with Client(suite.gateway) as client:
        for name, table, refers_to, schema in (
            ("shadow", "postgres.people", "", "postgres"),
            ("prober", "probing", "mine.known", "mine"),
        ):
            reference = client.pipelines.apply(document(name, table, refers_to=refers_to)).reference
            said = f"may not use the schema {schema}: use public, or add default:{schema} to INGESTOR_TABLE"
            tried = suite.run("ingest", str(people), "--pipeline", reference, "--dry-run", status=None)
            assert said in tried.stdout + tried.stderr
            process = client.ingest(people, reference)
            wait_until(partial(is_paused, process), "the pause")
            assert said in process.pause_reason
            process.cancel()
    assert await suite.fetch(SCHEMAS) == [("mine",)]
    assert await suite.fetch("SELECT to_regclass('public.probing') IS NULL") == [(True,)]
    await suite.fetch("DROP SCHEMA mine CASCADE")


async def test_a_listed_schema_is_made_for_the_tenant(tmp_path: Path, people: Path) -> None:
    listed = {"INGESTOR_TABLE_SCHEMAS": "default:shop", "INGESTOR_PAGE_DIR": str(tmp_path)}
    with running(tmp_path / "data", **listed) as suite, Client(suite.gateway) as client:
        for name, table, refers_to in (("a", "shop.goods", ""), ("b", "sold", "shop.goods")):
            reference = client.pipelines.apply(document(name, table, refers_to=refers_to)).reference
            done = client.ingest(people, reference).wait()
            assert (done.state, done.counts.succeeded) == ("COMPLETED", 2)
        assert await suite.fetch("SELECT id FROM shop.goods ORDER BY 1") == [(1,), (2,)]
        assert await suite.fetch(SCHEMAS) == [("shop",)]
