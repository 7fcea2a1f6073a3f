"""The catalogue as the processor asks it, and pipelines that an earlier version kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import grpc
import pytest
from prometheus_client import CollectorRegistry

from ingestor.provisioning.database import provision
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.errors import NotFoundError, TransientError
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.interceptors import ServerInterceptor
from ingestor.runtime.observability.metrics import RpcMetrics
from ingestor.services.orchestrator.adapters.pg_pipelines import PgPipelines
from ingestor.services.orchestrator.api import PipelineApi
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.processor.adapters import grpc_pipelines
from ingestor.services.processor.adapters.grpc_pipelines import GrpcPipelines
from ingestor.v1 import pipelines_pb2_grpc
from tests.conftest import PASSWORD
from tests.fakes.limits.quotas import MemoryQuotas
from tests.fakes.pipelines import MemoryPipelines
from tests.fakes.work import DOCUMENTS

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool


def document(name: str, title: str = "") -> str:
    """A pipeline of one column."""
    schema = {"fields": [{"name": "a", "type": "string"}]}
    return json.dumps({"name": name, "title": title, "schema": schema, "sink": {"table": "t"}})


class Store(MemoryPipelines):
    """Counts what it is asked for; away when told so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = False

    async def get(self, name: str, version: int | None) -> object:  # type: ignore[override]
        self.asked += 1
        if self.away:
            raise TransientError("the database is away")
        return await super().get(name, version)


@pytest.fixture
def store() -> Store:
    """The catalogue's store."""
    return Store()


@pytest.fixture
async def pipelines(store: Store) -> AsyncIterator[GrpcPipelines]:
    """The processor's adapter, at a catalogue with that store."""
    server = grpc.aio.server(interceptors=[ServerInterceptor(RpcMetrics(CollectorRegistry()))])
    api = PipelineApi(PipelineService(store, SystemClock(), MemoryQuotas(), DOCUMENTS))
    pipelines_pb2_grpc.add_PipelineServiceServicer_to_server(api, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            yield GrpcPipelines(channel)
    finally:
        await server.stop(None)


async def test_a_version_is_asked_for_once_and_the_latest_each_time(
    pipelines: GrpcPipelines, store: Store
) -> None:
    await store.add("p", document("p", "one"), "1")
    first = await pipelines.get("p", 1)
    assert await pipelines.get("p", 1) is first
    assert store.asked == 1
    assert (await pipelines.get("p", 0)) is first
    await store.add("p", document("p", "two"), "2")
    assert (await pipelines.get("p", 0)).title == "two"
    with pytest.raises(NotFoundError) as caught:
        await pipelines.get("p", 3)
    assert caught.value.reason == "PIPELINE_NOT_FOUND"


async def test_a_catalogue_that_is_away_may_be_asked_again(pipelines: GrpcPipelines, store: Store) -> None:
    await store.add("p", document("p"), "1")
    store.away = True
    with pytest.raises(TransientError):
        await pipelines.get("p", 1)
    store.away = False
    assert (await pipelines.get("p", 1)).name == "p"
    store.away = True
    assert (await pipelines.get("p", 1)).name == "p"


async def test_the_versions_used_last_are_remembered(
    pipelines: GrpcPipelines, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_pipelines, "_MOST_KNOWN", 2)
    for name in ("a", "b", "c"):
        await store.add(name, document(name), "1")
    for name in ("a", "b", "a", "c"):
        await pipelines.get(name, 1)
    store.asked = 0
    await pipelines.get("a", 1)
    await pipelines.get("c", 1)
    assert store.asked == 0
    await pipelines.get("b", 1)
    assert store.asked == 1


async def test_pipelines_of_an_earlier_version_move(database_url: str, pool_of: OpenPool) -> None:
    """The processor kept them before; its tables were made by its first migrations."""
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(
            "DROP TABLE orchestrator.pipelines, orchestrator.deleted_pipelines;"
            "DELETE FROM orchestrator.schema_migrations WHERE name ~ 'pipelines';"
            "CREATE TABLE processor.pipelines (tenant text NOT NULL, name text NOT NULL, version integer "
            "NOT NULL, document text NOT NULL, canonical text NOT NULL, created_at timestamptz NOT NULL "
            "DEFAULT now(), PRIMARY KEY (tenant, name, version));"
            "CREATE TABLE processor.deleted_pipelines (tenant text NOT NULL, name text NOT NULL, deleted_at "
            "timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant, name));"
            "INSERT INTO processor.pipelines VALUES ('default', 'p', 1, 'x', 'x'),"
            "('default', 'q', 1, 'y', 'y');"
            "INSERT INTO processor.deleted_pipelines VALUES ('default', 'q')"
        )
        await provision(database_url, {"processor": PASSWORD, "orchestrator": PASSWORD})
        pool = await pool_of("orchestrator")
        store = PgPipelines(pool)
        assert [stored.name for stored in await store.list("", 10)] == ["p"]
        assert (await store.add("q", "z", "z"))[0].version == 2
        assert await admin.fetchval("SELECT to_regclass('processor.pipelines')") is None
        # Provisioning again, with tables of the processor's once more, leaves what the orchestrator has.
        await admin.execute("CREATE TABLE processor.pipelines (name text)")
        await provision(database_url, {"orchestrator": PASSWORD})
        assert [stored.name for stored in await store.list("", 10)] == ["p", "q"]
    finally:
        await admin.close()


async def test_the_processor_keeps_no_pipelines(pool_of: OpenPool) -> None:
    pool = await pool_of("processor")
    assert await pool.fetchval("SELECT to_regclass('processor.pipelines')") is None
    assert await pool.fetchval("SELECT to_regclass('processor.deleted_pipelines')") is None
