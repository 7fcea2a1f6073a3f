"""The page in a wheel."""

from __future__ import annotations

from pathlib import Path

from hatch_build import page_files


def test_a_built_page_goes_into_the_wheel(tmp_path: Path) -> None:
    page = tmp_path / "frontend" / "dist"
    assert page_files(tmp_path) == {}
    (page / "assets").mkdir(parents=True)
    (page / ".vite").mkdir()
    for name in ("index.html", "assets/index-x.js", "assets/index-x.js.br", ".vite/manifest.json"):
        (page / name).write_text("x")
    assert page_files(tmp_path) == {
        str(page / name): f"ingestor/web/built/{name}"
        for name in ("index.html", "assets/index-x.js", "assets/index-x.js.br")
    }
