"""Puts the alert rules of deploy/observability/alerts into prometheus-rule.yaml, for the Prometheus operator.

python deploy/k8s/components/observability/rules.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ALERTS = HERE.parents[2] / "observability" / "alerts"
TARGET = HERE / "prometheus-rule.yaml"


def rule() -> dict[str, Any]:
    """The resource."""
    groups = [
        group
        for path in sorted(ALERTS.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "ingestor"},
        "spec": {"groups": groups},
    }


def text() -> str:
    """The file."""
    return "# Made by rules.py of deploy/observability/alerts; change those.\n" + yaml.safe_dump(
        rule(), sort_keys=False, width=120
    )


if __name__ == "__main__":
    TARGET.write_text(text())
