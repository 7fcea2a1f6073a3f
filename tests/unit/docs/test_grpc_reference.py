"""The reference of the gRPC API is complete and says what the protos say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs._ext.grpc_reference import errors_of, pages, read_api

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(read_api(ROOT / "protos", "ingestor.v1"), "127.0.0.1:8080")


def _declared(kind: str) -> set[str]:
    protos = (path.read_text("utf-8") for path in (ROOT / "protos" / "ingestor" / "v1").glob("*.proto"))
    return {name for text in protos for name in re.findall(rf"^ *{kind} (\w+)", text, re.MULTILINE)}


def test_each_service_has_a_page_with_an_example(made: dict[str, str]) -> None:
    services = _declared("service")
    others = {"messages", "roles"}
    assert {text.partition("\n")[0] for name, text in made.items() if name not in others} == {
        f"# {service}" for service in services
    }
    for name, text in made.items():
        assert name in others or ("grpcurl " in text and "buf curl " in text), name


def test_roles_are_shown_by_method(made: dict[str, str]) -> None:
    assert re.search(r"^\| \[DeleteProcess\]\(#[\w-]+\) ✎ \|  \|  \|  \| yes \| yes \|$", made["roles"], re.M)
    assert "For the role operator or admin." in made["status-service"]
    assert _declared("rpc") == set(re.findall(r"^\| \[(\w+)\]", made["roles"], re.MULTILINE))


def test_each_method_has_its_section(made: dict[str, str]) -> None:
    sections = {found for text in made.values() for found in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    assert _declared("rpc") <= sections


def test_each_type_that_a_method_uses_has_one_section(made: dict[str, str]) -> None:
    anchors = [
        found for text in made.values() for found in re.findall(r"^\((grpc-\w+)\)=$", text, re.MULTILINE)
    ]
    assert len(anchors) == len(set(anchors))
    links = {found for text in made.values() for found in re.findall(r"\]\(#(grpc-\w+)\)", text)}
    assert links <= set(anchors)
    assert len(anchors) > 50


def test_comments_are_shown(made: dict[str, str]) -> None:
    assert "committed size" in made["upload-service"]
    assert not re.search(r"\|\s*\|$", "\n".join(made.values()), re.MULTILINE), "a field without a comment"


def test_errors_are_read_from_a_comment() -> None:
    comment = """Stops it.
    NOT_FOUND (A_B); FAILED_PRECONDITION (C_D; REPAIR: of E. Not this.). DATA_LOSS."""
    assert errors_of(comment) == [
        ("NOT_FOUND", ["A_B"]),
        ("FAILED_PRECONDITION", ["C_D", "REPAIR"]),
        ("DATA_LOSS", []),
    ]
