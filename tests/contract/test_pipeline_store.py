"""What keeps pipelines does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ingestor.access.scope import within
from ingestor.services.orchestrator.adapters.pg_pipelines import PgPipelines
from tests.fakes.pipelines import MemoryPipelines

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool, Stranger

    AnyStore = PgPipelines | MemoryPipelines


@pytest.fixture(params=["postgres", "memory"])
async def store(request: pytest.FixtureRequest, pool_of: OpenPool) -> AnyStore:
    """A store."""
    return PgPipelines(await pool_of("orchestrator")) if request.param == "postgres" else MemoryPipelines()


async def test_versions_count_up_and_stay(store: AnyStore) -> None:
    first, new = await store.add("a", "text 1", "1")
    assert (first.name, first.version, first.document, new) == ("a", 1, "text 1", True)
    same, new = await store.add("a", "text 1, spaced otherwise", "1")
    assert (same, new) == (first, False)
    second, new = await store.add("a", "text 2", "2")
    assert (second.version, new) == (2, True)
    third, new = await store.add("a", "text 1", "1")  # back to the first is a new version
    assert (third.version, new) == (3, True)
    assert await store.get("a", 1) == first
    assert await store.get("a", 2) == second
    assert await store.get("a", None) == third
    assert await store.get("a", 4) is None
    assert await store.get("b", None) is None


async def test_lists_the_latest_by_name(store: AnyStore) -> None:
    for name in ("b", "a", "c"):
        await store.add(name, "x", "x")
    await store.add("a", "y", "y")
    found = await store.list("", 10)
    assert [(pipeline.name, pipeline.version) for pipeline in found] == [("a", 2), ("b", 1), ("c", 1)]
    assert [pipeline.name for pipeline in await store.list("a", 1)] == ["b"]
    assert await store.list("c", 10) == []


async def test_the_same_document_at_the_same_time_is_one_version(store: AnyStore) -> None:
    found = await asyncio.gather(*(store.add("a", "x", "x") for _ in range(6)))
    assert {pipeline.version for pipeline, _ in found} == {1}
    assert sum(new for _, new in found) == 1
    others = await asyncio.gather(*(store.add("a", str(n), str(n)) for n in range(6)))
    assert {pipeline.version for pipeline, _ in others} == {2, 3, 4, 5, 6, 7}


async def test_a_deleted_pipeline_keeps_its_versions(store: AnyStore) -> None:
    for name in ("a", "b"):
        await store.add(name, "x", "x")
    second, _ = await store.add("a", "y", "y")
    await store.delete("a")
    await store.delete("a")
    await store.delete("never")
    assert await store.get("a", None) is None
    assert await store.get("a", 2) == second
    assert [pipeline.name for pipeline in await store.list("", 10)] == ["b"]
    assert [pipeline.version for pipeline in await store.versions("a", None, 10)] == [2, 1]
    # The same document again is in use again, and a new version.
    third, new = await store.add("a", "y", "y")
    assert (third.version, new) == (3, True)
    assert await store.get("a", None) == third
    assert [pipeline.name for pipeline in await store.list("", 10)] == ["a", "b"]
    assert await store.get("never", None) is None


async def test_lists_versions(store: AnyStore) -> None:
    for number in range(1, 6):
        await store.add("a", str(number), str(number))
    await store.add("b", "x", "x")
    assert [pipeline.document for pipeline in await store.versions("a", None, 2)] == ["5", "4"]
    assert [pipeline.document for pipeline in await store.versions("a", 4, 10)] == ["3", "2", "1"]
    assert await store.versions("a", 1, 10) == []
    assert await store.versions("c", None, 10) == []


async def test_pipelines_of_another_tenant_do_not_exist(store: AnyStore, stranger: Stranger) -> None:
    await store.add("a", "text", "1")
    with stranger():
        assert await store.get("a", None) is None
        assert await store.get("a", 1) is None
        assert await store.list("", 10) == []
        assert await store.versions("a", None, 10) == []
        await store.delete("a")
    found = await store.get("a", None)
    assert found is not None and found.version == 1


async def test_each_tenant_has_its_own_versions(store: AnyStore) -> None:
    await store.add("a", "ours", "1")
    with within("globex"):
        made, new = await store.add("a", "theirs", "2")
        assert (made.version, new) == (1, True)
        await store.delete("a")
    found = await store.get("a", None)
    assert found is not None and found.document == "ours"


async def test_which_pipelines_have_loaded_such_columns(store: AnyStore) -> None:
    for name in ("a", "b", "c", "gone"):
        await store.add(name, "x", "x")
        await store.loaded(name, ["id", "name"] if name != "c" else ["id"])
    await store.delete("gone")
    await store.loaded("b", ["name", "", "id"])
    await store.loaded("b", ["id", "name", "city"])

    async def known(*columns: str) -> list[str]:
        return [pipeline.name for pipeline in await store.list("", 10, columns)]

    assert await known("id", "name") == await known("name", "id") == ["a", "b"]
    assert await known("id") == ["c"]
    assert await known("city", "name", "id") == ["b"]
    assert await known("ID", "name") == await known("id,name") == []
    assert [pipeline.name for pipeline in await store.list("a", 1, ["id", "name"])] == ["b"]
    assert len(await store.list("", 10)) == 3


async def test_a_tenant_knows_its_own_columns_only(store: AnyStore) -> None:
    for tenant in ("default", "other"):
        with within(tenant):
            await store.add("a", "x", "x")
    await store.loaded("a", ["id"])
    with within("other"):
        assert await store.list("", 10, ["id"]) == []


async def test_the_latest_columns_are_remembered(store: AnyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(store, MemoryPipelines):
        pytest.skip("it remembers all")
    monkeypatch.setattr("ingestor.services.orchestrator.adapters.pg_pipelines._MOST_REMEMBERED", 2)
    await store.add("a", "x", "x")
    for columns in (["1"], ["2"], ["3"], ["2"], ["4"]):
        await store.loaded("a", columns)
    found = [bool(await store.list("", 10, [label])) for label in "1234"]
    assert found == [False, True, False, True]
