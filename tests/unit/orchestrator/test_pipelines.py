"""Pipelines over the contract: versions, pages, deletion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestor.runtime.clock import SystemClock
from ingestor.runtime.errors import InvalidArgumentError, NotFoundError, to_rpc_status
from ingestor.services.orchestrator.api import PipelineApi
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.v1 import pipelines_pb2
from tests.fakes.limits.quotas import MemoryQuotas
from tests.fakes.pipelines import MemoryPipelines
from tests.fakes.work import DOCUMENTS


def _document(name: str, title: str = "") -> str:
    schema = {"fields": [{"name": "a", "type": "string"}]}
    return json.dumps({"name": name, "title": title, "schema": schema, "sink": {"table": "t"}})


@pytest.fixture
def service() -> PipelineService:
    """Pipelines in memory."""
    return PipelineService(MemoryPipelines(), SystemClock(), MemoryQuotas(), DOCUMENTS)


@pytest.fixture
def api(service: PipelineService) -> PipelineApi:
    """The contract's side of them."""
    return PipelineApi(service)


async def _apply(api: PipelineApi, document: str, **keys: Any) -> pipelines_pb2.ApplyPipelineResponse:
    return await api.ApplyPipeline(pipelines_pb2.ApplyPipelineRequest(document_json=document, **keys), None)


async def _delete(api: PipelineApi, name: str) -> None:
    await api.DeletePipeline(pipelines_pb2.DeletePipelineRequest(name=name), None)


async def _versions(api: PipelineApi, name: str, **keys: Any) -> tuple[list[int], str]:
    request = pipelines_pb2.ListPipelineVersionsRequest(name=name, **keys)
    answer = await api.ListPipelineVersions(request, None)
    return [pipeline.version for pipeline in answer.pipelines], answer.next_page_token


async def test_versions_come_in_pages(api: PipelineApi) -> None:
    for number in range(1, 6):
        await _apply(api, _document("p", str(number)))
    first, token = await _versions(api, "p", page_size=2)
    second, token = await _versions(api, "p", page_size=2, page_token=token)
    third, token = await _versions(api, "p", page_size=2, page_token=token)
    assert (first, second, third, token) == ([5, 4], [3, 2], [1], "")


@pytest.mark.parametrize("token", ["x", "!!!!", "eHl6", "AA==", "é"])
async def test_a_page_token_of_ones_own(api: PipelineApi, token: str) -> None:
    await _apply(api, _document("p"))
    with pytest.raises(InvalidArgumentError) as caught:
        await _versions(api, "p", page_token=token)
    assert caught.value.reason == "INVALID_PAGE_TOKEN"
    with pytest.raises(InvalidArgumentError):
        await _versions(api, "p", page_size=-1)


async def test_a_deleted_pipeline(api: PipelineApi, service: PipelineService) -> None:
    await _apply(api, _document("p", "1"))
    await _apply(api, _document("p", "2"))
    await _delete(api, "p")
    await _delete(api, "p")
    with pytest.raises(NotFoundError) as caught:
        await service.get("p", 0)
    assert caught.value.reason == "PIPELINE_NOT_FOUND"
    # By number it is there, for the processes that ran with it.
    assert [(await service.get("p", number)).document for number in (1, 2)] == [
        _document("p", "1"), _document("p", "2"),
    ]  # fmt: skip
    assert await _versions(api, "p") == ([2, 1], "")
    listed = await api.ListPipelines(pipelines_pb2.ListPipelinesRequest(), None)
    assert not listed.pipelines
    # A dry run of applying says what applying then does.
    would = await _apply(api, _document("p", "2"), dry_run=True)
    done = await _apply(api, _document("p", "2"))
    assert (would.pipeline.version, would.created) == (done.pipeline.version, done.created) == (3, True)
    assert (await service.get("p", 0)).version == 3


async def test_a_dry_run_after_a_version_of_a_newer_release() -> None:
    store = MemoryPipelines()
    api = PipelineApi(PipelineService(store, SystemClock(), MemoryQuotas(), DOCUMENTS))
    await store.add("p", json.dumps({**json.loads(_document("p")), "tomorrow": 1}), "")
    would = await _apply(api, _document("p"), dry_run=True)
    assert (would.pipeline.version, would.created) == (2, True)


async def test_a_pipeline_that_never_was(api: PipelineApi) -> None:
    for call in (_versions(api, "p"), _delete(api, "p")):
        with pytest.raises(NotFoundError):
            await call


async def test_violations_point_into_the_depth(api: PipelineApi) -> None:
    """What the document's shape does not show is found as well, and all of it at once."""
    fields: list[dict[str, Any]] = [{"name": f"f{number}", "type": "string"} for number in range(5)]
    fields[3]["constraints"] = {"pattern": "(["}
    fields[4]["constraints"] = {"pattern": "a)(b"}
    document = {
        "name": "p",
        "schema": {"fields": fields},
        "transforms": [
            {"op": "trim", "column": "f0"},
            {"op": "replace", "column": "f0", "pattern": "(", "with": "", "regex": True},
            {"op": "replace", "column": "f0", "pattern": "a", "with": "\\2", "regex": True},
            {"op": "expression", "into": "f1", "sql": "LENGTH(f0) + DATE '2024-01-01'"},
            {"op": "nowhere", "column": "f0"},
        ],
        "filters": [
            {"column": "f0", "op": "empty", "reason": "r"},
            {"column": "f0", "op": "matches", "pattern": "[", "reason": "r"},
            {"expression": "LENGTH(f0)", "reason": "r"},
        ],
        "rules": [{"name": "r", "expression": "f0 || 'x'"}],
        "sink": {"type": "nowhere"},
    }
    with pytest.raises(InvalidArgumentError) as caught:
        await _apply(api, json.dumps(document))
    assert caught.value.reason == "INVALID_PIPELINE"
    found = {violation.field: violation.description for violation in caught.value.violations}
    assert list(found) == [
        "/schema/fields/3/constraints/pattern",
        "/schema/fields/4/constraints/pattern",
        "/transforms/1/pattern",
        "/transforms/2/with",
        "/transforms/3/sql",
        "/transforms/4/op",
        "/filters/1/pattern",
        "/filters/2/expression",
        "/rules/0/expression",
        "/sink/type",
    ]
    assert found["/sink/type"] == "no sink is named nowhere, neither built in nor installed"
    assert found["/schema/fields/3/constraints/pattern"].startswith("is not a regular expression of RE2")
    assert not (await api.ListPipelines(pipelines_pb2.ListPipelinesRequest(), None)).pipelines


async def test_many_problems_fit_into_the_metadata_of_an_error() -> None:
    fields = [{"name": f"f{number}", "type": "string", "unknown" * 20: 1} for number in range(200)]
    text = json.dumps({"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}})
    with pytest.raises(InvalidArgumentError, match="at least 100 problem") as caught:
        await DOCUMENTS.read(text)
    assert 10 < len(caught.value.violations) < 100
    assert to_rpc_status(caught.value).ByteSize() * 4 / 3 < 8000
