"""The built page: where it is, and a copy of it with every file compressed.

    python -m ingestor.web.page FOLDER

compresses the files of a page that was just built, so that its server starts quicker.
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
    """The folder of the built page: the configured one, else that of a checkout, else the one that an
    installed package carries; None when it was never built."""
    if configured:
        places = [Path(configured)]
    else:
        places = [Path(__file__).parents[2] / "frontend" / "dist", Path(__file__).parent / "built"]
    return next((place.absolute() for place in places if (place / INDEX).is_file()), None)


@contextmanager
def prepared(page: Path) -> Iterator[Path]:
    """A copy of the page for as long as the context lasts, so that what is served fits together even when
    it is built anew meanwhile. Hidden files are left out."""
    with tempfile.TemporaryDirectory(prefix="ingestor-page-") as folder:
        copy = Path(folder) / "page"
        shutil.copytree(page, copy, ignore=shutil.ignore_patterns(".*"))
        compress(copy)
        yield copy


def compress(page: Path) -> None:
    """Write each file's Brotli and gzip beside it, where that is worth it and not done yet."""
    compressor = Compressor(quiet=True)
    wanted = []
    for file in sorted(path for path in page.rglob("*") if path.is_file()):
        if file.suffix in _VARIANTS and file.with_suffix("").is_file():
            continue
        variants = [file.with_name(file.name + suffix) for suffix in _VARIANTS]
        # The compressor gives what it writes the time of its source.
        fresh = [path for path in variants if path.is_file() and path.stat().st_mtime == file.stat().st_mtime]
        if not fresh and compressor.should_compress(file.name):
            wanted.append(file)
    with ThreadPoolExecutor() as pool:
        list(pool.map(compressor.compress, wanted))


if __name__ == "__main__":
    compress(Path(sys.argv[1]))
