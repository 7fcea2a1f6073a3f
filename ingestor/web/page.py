"""Finds the built page, and makes a copy of it with every file compressed.

    python -m ingestor.web.page FOLDER

compresses the files of a built page, so that its server starts faster.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from servestatic.compress import Compressor

INDEX = "index.html"
_VARIANTS = (".br", ".gz")


def find_page(configured: str = "") -> Path | None:
    """The folder of the built page: `configured` if not empty, else a checkout's or the installed package's.
    None when it is not built."""
    if configured:
        folders = [Path(configured)]
    else:
        folders = [Path(__file__).parents[2] / "frontend" / "dist", Path(__file__).parent / "built"]
    return next((folder.absolute() for folder in folders if (folder / INDEX).is_file()), None)


@contextmanager
def prepared(page: Path) -> Iterator[Path]:
    """A compressed copy of the page while the context lasts, so that its files fit together even if the page
    is rebuilt meanwhile. Leaves out hidden files."""
    with tempfile.TemporaryDirectory(prefix="ingestor-page-") as folder:
        copy = Path(folder) / "page"
        shutil.copytree(page, copy, ignore=shutil.ignore_patterns(".*"))
        compress(copy)
        yield copy


def compress(page: Path) -> None:
    """Write Brotli and gzip versions next to each file, unless they exist or are not smaller."""
    compressor = Compressor(quiet=True)
    wanted = []
    for file in sorted(path for path in page.rglob("*") if path.is_file()):
        if file.suffix in _VARIANTS and file.with_suffix("").is_file():
            continue
        variants = [file.with_name(file.name + suffix) for suffix in _VARIANTS]
        # The compressor gives its output the time of the source.
        fresh = [path for path in variants if path.is_file() and path.stat().st_mtime == file.stat().st_mtime]
        if not fresh and compressor.should_compress(file.name):
            wanted.append(file)
    with ThreadPoolExecutor() as pool:
        list(pool.map(compressor.compress, wanted))


if __name__ == "__main__":
    compress(Path(sys.argv[1]))
