"""The READMEs name every setting and no other, links lead somewhere, and one thing has one name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from ingestor.gateway.settings import GatewaySettings
from ingestor.services.upload.converter.settings import ConverterSettings
from ingestor.web.settings import WebSettings

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(page for page in ROOT.glob("docs/**/*.md") if "grpc" not in page.parts),
    *ROOT.glob("services/**/README.md"),
    *ROOT.glob("examples/*/README.md"),
    ROOT / "gateway" / "README.md",
    ROOT / "frontend" / "README.md",
    ROOT / "ingestor" / "web" / "README.md",
]


def test_pages_that_the_source_names_exist() -> None:
    kinds = (
        "ingestor/**/*.py",
        "services/**/*.py",
        "protos/**/*.proto",
        "frontend/src/**/*.ts*",
        "tests/**/*.py",
    )
    named = 0
    for path in (
        path
        for kind in kinds
        for path in ROOT.glob(kind)
        if "/v1/" not in str(path) or path.suffix == ".proto"
    ):
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text("utf-8")):
            named += 1
            assert (ROOT / page).exists(), f"{path.relative_to(ROOT)}: {page}"
    assert named > 10


@pytest.mark.parametrize("service", ["upload", "orchestrator", "processor", "status"])
def test_a_service_readme_names_every_setting(service: str) -> None:
    module = importlib.import_module(f"ingestor.services.{service}.settings")
    settings = getattr(module, f"{service.capitalize()}Settings")
    wanted = {f"INGESTOR_{field.upper()}" for field in settings.model_fields}
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def test_the_converters_readme_names_every_setting() -> None:
    wanted = {f"INGESTOR_{field.upper()}" for field in ConverterSettings.model_fields}
    text = (ROOT / "services" / "upload" / "converter" / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def test_the_page_servers_readme_names_every_setting() -> None:
    wanted = {f"INGESTOR_{field.upper()}" for field in WebSettings.model_fields}
    text = (ROOT / "ingestor" / "web" / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def test_the_gateways_readme_names_every_setting() -> None:
    wanted = {f"INGESTOR_{field.upper()}" for field in GatewaySettings.model_fields}
    text = (ROOT / "gateway" / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(INGESTOR_[A-Z0-9_]+)`", text, re.MULTILINE)) == wanted


def _anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub and MyST make them, and those that are set."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return made | set(re.findall(r"\{#([a-z0-9-]+)\}", text))


def test_links_of_the_documents_lead_somewhere() -> None:
    assert len(DOCUMENTS) > 30
    for document in DOCUMENTS:
        for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", document.read_text("utf-8")):
            path = document.parent / target
            assert path.exists(), f"{document.relative_to(ROOT)}: {target}"
            if anchor and path.suffix == ".md":
                assert anchor in _anchors(path), f"{document.relative_to(ROOT)}: {target}#{anchor}"


def test_paths_in_code_exist() -> None:
    made = {"frontend/dist", "docs/reference/grpc"}
    for document in DOCUMENTS:
        if document.name == "CHANGELOG.md":
            continue
        for path in re.findall(
            r"`((?:docs|examples|tests|protos|services|gateway|ingestor|frontend)/[\w./-]+)`",
            document.read_text(),
        ):
            assert path in made or (ROOT / path).exists(), f"{document.relative_to(ROOT)}: {path}"


def test_the_glossary_has_each_term_once_and_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    entries = text[text.index(":::{glossary}") :].splitlines()[1:]
    terms = [line for line in entries if line and not line.startswith((" ", ":"))]
    assert len(terms) >= 45
    assert terms == sorted(set(terms))
