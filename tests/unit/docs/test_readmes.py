"""The READMEs name every setting, and only settings that there are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from ingestor.web.settings import WebSettings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("service", ["upload", "orchestrator", "processor", "status"])
def test_a_service_readme_names_every_setting(service: str) -> None:
    module = importlib.import_module(f"ingestor.services.{service}.settings")
    settings = getattr(module, f"{service.capitalize()}Settings")
    wanted = {f"INGESTOR_{field.upper()}" for field in settings.model_fields}
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def test_the_page_servers_readme_names_every_setting() -> None:
    wanted = {f"INGESTOR_{field.upper()}" for field in WebSettings.model_fields}
    text = (ROOT / "ingestor" / "web" / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("services/*/README.md")]
    assert len(documents) > 6
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
