"""A small built page, so that tests that serve it need no Node.js."""

from __future__ import annotations

from pathlib import Path

INDEX = b'<!doctype html><script type="module" src="/assets/index-BmtY6uG8.js"></script>\n'
SCRIPT = "/assets/index-BmtY6uG8.js"
CODE = b"console.log('the page');\n" * 1000


def write_page(folder: Path) -> Path:
    """Write the page into an empty folder and return the folder."""
    (folder / "assets").mkdir()
    (folder / "index.html").write_bytes(INDEX)
    (folder / SCRIPT.lstrip("/")).write_bytes(CODE)
    return folder
