"""The built page: its folder, and a copy of it with every file compressed.

    python -m ingestor.web.page FOLDER

compresses the files of a page after its build, so that its server starts faster.
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
    """The folder of the built page: the configured one, else that of a checkout, else that of the installed
    package; None when it was never built."""
    if configured:
        places = [Path(configured)]
    else:
        places = [Path(__file__).parents[2] / "frontend" / "dist", Path(__file__).parent / "built"]
    return next((place.absolute() for place in places if (place / INDEX).is_file()), None)


@contextmanager
def prepared(page: Path) -> Iterator[Path]:
    """A copy of the page while the context lasts, so that its files fit together even when the page is
    rebuilt meanwhile. Hidden files are left out."""
    with tempfile.TemporaryDirectory(prefix="ingestor-page-") as folder:
        copy = Path(folder) / "page"
        shutil.copytree(page, copy, ignore=shutil.ignore_patterns(".*"))
        compress(copy)
        yield copy


def compress(page: Path) -> None:
    """Write Brotli and gzip versions beside each file, where they are smaller and missing."""
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
