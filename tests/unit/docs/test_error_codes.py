"""docs/reference/error-codes.md lists every error code of a row and every reason that the source has, and no
other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "error-codes.md").read_text("utf-8")

# Where rows and calls are refused; the rest of the package only passes on what it hears.
FOLDERS = (
    "services",
    "ingestor/access",
    "ingestor/checking",
    "ingestor/columns",
    "ingestor/pipelines",
    "ingestor/tabular",
    "ingestor/types",
)
MODULES = ("ingestor/*.py", "ingestor/runtime/grpc/*.py")

# Strings that look like a code and are something else.
NO_CODES = {
    "as-is",
    "unix-ms",
    "x-candidates",
    "json-rows",
    "plug-in",
    "mac-roman",
    "own-table",
    "ingestor-mark-bad",
    "grpc-status-details-bin",
    "ingestor-call",
    "ingestor-services",
    "ingestor-status-changes",
    "ingestor-tenant",
    "x-forwarded-for",
}
NO_REASONS = {"UPPER_SNAKE", "INGESTOR_TEST_CODE_TENANT"}


def _modules() -> list[Path]:
    found = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    found |= {path for pattern in MODULES for path in ROOT.glob(pattern)}
    # The functions of SQL expressions are written like reasons.
    return sorted(found - {ROOT / "ingestor" / "pipelines" / "expressions.py"})


def _strings(tree: ast.AST) -> Iterator[str]:
    """The string constants that are no docstrings and no parts of f-strings."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | alone:
            yield node.value


def _raised(tree: ast.AST) -> Iterator[str]:
    """What is passed first to an error, also when it is a single word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0]
            if name.endswith(("Error", "Failure")) and isinstance(first, ast.Constant):
                yield str(first.value)


def _named_codes(tree: ast.AST) -> Iterator[str]:
    """Values of a constant CODE, also when they are a single word."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and any(isinstance(target, ast.Name) and target.id.endswith("CODE") for target in node.targets)
        ):
            yield str(node.value.value)


@pytest.fixture(scope="module")
def source() -> tuple[set[str], set[str]]:
    """Error codes of rows and reasons of the source."""
    codes, reasons = set[str](), set[str]()
    for path in _modules():
        tree = ast.parse(path.read_text("utf-8"))
        texts = set(_strings(tree))
        codes |= {text for text in texts if re.fullmatch(r"[a-z]+(-[a-z]+)+", text)}
        codes |= {text for text in _named_codes(tree) if re.fullmatch(r"[a-z-]+", text)}
        reasons |= {text for text in texts if re.fullmatch(r"[A-Z]+(_[A-Z0-9]+)+", text)}
        reasons |= {text for text in _raised(tree) if re.fullmatch(r"[A-Z]+(_[A-Z0-9]+)*", text)}
    return codes, reasons


def _documented(prefix: str) -> list[str]:
    """The entries of the page; the anchor of each is made of its name."""
    entries = re.findall(rf"^\| \[`([^`]+)`\]\{{#{prefix}-([a-z0-9-]+)\}} \|", PAGE, re.MULTILINE)
    for name, anchor in entries:
        assert anchor == name.lower().replace("_", "-")
    return [name for name, _ in entries]


def test_every_error_code_of_a_row_is_explained_once(source: tuple[set[str], set[str]]) -> None:
    assert sorted(_documented("code")) == sorted(source[0] - NO_CODES)


def test_every_reason_is_explained_once(source: tuple[set[str], set[str]]) -> None:
    assert sorted(_documented("reason")) == sorted(source[1] - NO_REASONS)


def test_every_entry_has_cause_and_remedy() -> None:
    for line in PAGE.splitlines():
        if line.startswith("| [`"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) in (3, 4)
            assert all(cells)
            assert cells[-1].endswith("."), line
