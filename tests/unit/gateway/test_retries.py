"""Which calls are repeated: by the gateway, and by clients that follow the documented policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingestor.access.roles import INTERNAL_FILES
from ingestor.gateway.render import load
from ingestor.gateway.retries import is_idempotent, public_methods, repeat_calls, service_config

ROOT = Path(__file__).parents[3]
NOT_IDEMPOTENT = {
    "ingestor.v1.AccessService.CreateKey": "another key, whose secret somebody must know",
    "ingestor.v1.OrchestratorService.RetryRows": "when the retry has ended, another one",
    "ingestor.v1.UploadService.WriteChunk": "the committed size says where to go on",
    "ingestor.v1.UploadService.WriteUpload": "the committed size says where to go on",
    "ingestor.internal.v1.IngestionService.IngestFile": "BeginIngestion says where to go on",
}


def test_each_method_says_whether_it_may_be_repeated() -> None:
    internal = [
        method
        for file in INTERNAL_FILES
        for service in file.services_by_name.values()
        for method in service.methods
    ]
    unmarked = {method.full_name for method in (*public_methods(), *internal) if not is_idempotent(method)}
    assert unmarked == set(NOT_IDEMPOTENT)


def test_the_documented_policy_is_that_of_the_contract() -> None:
    documented = json.loads((ROOT / "docs/operations/service-config.json").read_text("utf-8"))
    assert documented == service_config()


def routes() -> list[dict[str, Any]]:
    """The routes of the gateway."""
    config = load()
    repeat_calls(config)
    (listener,) = config["static_resources"]["listeners"]
    (manager,) = listener["filter_chains"][0]["filters"]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    found: list[dict[str, Any]] = host["routes"]
    return found


def test_idempotent_calls_are_repeated_without_a_result_others_only_when_they_were_not_sent() -> None:
    by_path = {route["match"]["path"]: route["route"] for route in routes() if "path" in route["match"]}
    for method in public_methods():
        route = by_path[f"/{method.containing_service.full_name}/{method.name}"]
        conditions = set(route["retry_policy"]["retry_on"].split(","))
        assert {"connect-failure", "refused-stream", "reset-before-request"} <= conditions
        assert ({"reset", "unavailable", "cancelled"} <= conditions) == is_idempotent(method)


def test_a_method_keeps_its_cluster_and_its_time_limit() -> None:
    first = {}
    for route in reversed(routes()):
        first[route["match"].get("path", "")] = route.get("route", {})
    found = {
        path.rpartition("/")[2]: (first[path]["cluster"], first[path]["timeout"])
        for path in first
        if path.endswith(("WatchProcess", "GetProcess", "ApplyPipeline", "UndoProcess", "DryRunUpload"))
    }
    assert found == {
        "WatchProcess": ("status", "0s"),
        "GetProcess": ("status", "60s"),
        "ApplyPipeline": ("orchestrator", "60s"),
        "UndoProcess": ("processor", "900s"),
        "DryRunUpload": ("upload", "180s"),
    }
