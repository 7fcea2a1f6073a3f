"""Whether a file has changed: for files that are replaced while the program runs."""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, int, int]


def stamp_of(found: os.stat_result) -> Stamp:
    """What differs when a file was written again, or replaced."""
    return found.st_mtime_ns, found.st_ino, found.st_size


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file now; None when it cannot be looked at."""
    try:
        return stamp_of(path.stat())
    except OSError:
        return None
