"""Which release runs: the package's version, the log, the metric."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from ingestor.runtime.observability.metrics import new_registry
from ingestor.runtime.release import this_release

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    this_release.cache_clear()


def test_the_release_is_that_of_the_package() -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert this_release().version == written, "`pip install --editable .` again"


def test_the_changelog_has_the_release() -> None:
    assert f"\n## [{this_release().version}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTOR_COMMIT", "abc123")
    text = generate_latest(new_registry()).decode()
    assert f'ingestor_build_info{{commit="abc123",version="{this_release().version}"}} 1.0' in text
