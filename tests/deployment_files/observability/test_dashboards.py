"""The dashboards: what is committed is what the source makes, panels are explained, queries are PromQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.dashboards.__main__ import rendered
from tests.deployment_files.observability.metrics import queries
from tests.deployment_files.observability.test_alerts import check, tool

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "deploy" / "observability" / "grafana"
BOARDS = {path.name: path.read_text("utf-8") for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


def test_what_is_committed_is_what_the_source_makes() -> None:
    assert rendered() == BOARDS, "make dashboards"


def _panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in BOARDS.items():
        for panel in yaml.safe_load(text)["panels"]:
            yield name, panel


def test_each_panel_is_explained_and_has_a_unit() -> None:
    for name, panel in _panels():
        where = f"{name}: {panel['title']}"
        if panel["type"] == "text":
            assert panel["options"]["content"].endswith("."), where
            continue
        assert panel["description"].endswith("."), where
        assert panel["fieldConfig"]["defaults"]["unit"], where
        assert panel["targets"], where


def test_panels_do_not_overlap() -> None:
    for name, panels in itertools.groupby(_panels(), lambda item: item[0]):
        taken = set[tuple[int, int]]()
        for _, panel in panels:
            place = panel["gridPos"]
            cells = set(
                itertools.product(
                    range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
                )
            )
            assert not taken & cells, f"{name}: {panel['title']}"
            assert place["x"] + place["w"] <= 24, f"{name}: {panel['title']}"
            taken |= cells


def test_each_query_is_promql(tmp_path: Path) -> None:
    found = [query for text in BOARDS.values() for query in queries(text)]
    assert len(found) > 60
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    check(tool("promtool"), "check", "rules", "--lint=none", path)


def test_a_query_that_is_no_promql_is_found(tmp_path: Path) -> None:
    path = tmp_path / "queries.yaml"
    rule = {"record": "query:0", "expr": "sum by (a (b)"}
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": [rule]}]}))
    with pytest.raises(AssertionError, match="parse error"):
        check(tool("promtool"), "check", "rules", "--lint=none", path)
