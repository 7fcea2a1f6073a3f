"""Metrics have no label for tenants, whose number has no bound: but one that names the first of them only."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info"}
BOUNDED = {"ingestor_tenant_rows_total"}  # tests/unit/status holds its bound


def test_no_metric_has_a_label_for_tenants() -> None:
    seen = 0
    for path in [*(ROOT / "services").rglob("*.py"), *(ROOT / "ingestor").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                lists = [argument for argument in node.args if isinstance(argument, ast.List | ast.Tuple)]
                name = node.args[0] if node.args else None
                if isinstance(name, ast.Constant) and name.value in BOUNDED:
                    continue
                labels = {part.value for one in lists for part in one.elts if isinstance(part, ast.Constant)}
                seen += bool(labels)
                assert labels.isdisjoint({"tenant", "subject", "principal", "key"}), f"{path}:{node.lineno}"
    assert seen > 5
