"""The alert rules: their syntax, their unit tests, and a runbook for each."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "deploy" / "observability" / "alerts").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "operations" / "runbooks"
TESTS = Path(__file__).with_name("rules.yaml")
SECTIONS = ["## What it means", "## What people see", "## Look", "## Do"]


def tool(name: str) -> str:
    """Where a program is; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    return found


def check(*command: str | Path) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> Iterator[dict[str, Any]]:
    """Every rule, recording rules too."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for rule in rules() if "alert" in rule]


def test_the_rules_are_valid() -> None:
    check(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *RULES)


def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    files = []
    for path in RULES:
        content = yaml.safe_load(path.read_text("utf-8"))
        for group in content["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)  # promtool would compare every word of them
        (tmp_path / path.name).write_text(yaml.safe_dump(content))
        files.append(path.name)
    cases = {"rule_files": files, **yaml.safe_load(TESTS.read_text("utf-8"))}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(cases))
    check(tool("promtool"), "test", "rules", tmp_path / "tests.yaml")


def test_each_alert_has_a_test() -> None:
    fired = {
        case["alertname"]
        for group in yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
        for case in group.get("alert_rule_test", ())
        if case["exp_alerts"]
    }
    assert fired == {alert["alert"] for alert in alerts()}


def test_each_alert_has_a_runbook() -> None:
    assert {alert["alert"] for alert in alerts()} == {
        path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "index"
    }
    for alert in alerts():
        assert alert["annotations"]["runbook_url"] == f"docs/operations/runbooks/{alert['alert']}.md"
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert alert["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("Ingestor*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_to_do(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS
    assert all(part.strip() for part in re.split(r"^#+ .*$", text, flags=re.MULTILINE)[2:])


def test_the_configurations_are_valid() -> None:
    folder = ROOT / "deploy" / "observability"
    check(tool("promtool"), "check", "config", "--syntax-only", folder / "prometheus" / "prometheus.yaml")
    check(tool("amtool"), "check-config", folder / "alertmanager" / "alertmanager.yaml")
