"""The alert rules of the component observability are those of deploy/observability."""

from __future__ import annotations

import runpy

from tests.deployment_files.k8s.builds import K8S


def test_rules_are_up_to_date() -> None:
    script = K8S / "components" / "observability" / "rules.py"
    made = runpy.run_path(str(script))
    assert len(made["rule"]()["spec"]["groups"]) > 2
    assert made["TARGET"].read_text() == made["text"](), f"run python {script}"
