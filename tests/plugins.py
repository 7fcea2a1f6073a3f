"""Installs the examples of plug-ins, as their users do, for as long as a context lasts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestor.plugins import has_outside_parsers

EXAMPLES = Path(__file__).parents[1] / "examples"


def install(example: str, target: Path) -> None:
    """Install examples/<example> into a folder."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--no-index", "--target", str(target), str(EXAMPLES / example),
        ],
        check=True,
    )  # fmt: skip


@contextmanager
def installed(example: str, target: Path, module: str) -> Iterator[None]:
    """The example's `module`, importable and found by its entry point."""
    install(example, target)
    sys.path.insert(0, str(target))
    has_outside_parsers.cache_clear()  # a service looks once
    try:
        yield
    finally:
        sys.path.remove(str(target))
        sys.modules.pop(module, None)
        has_outside_parsers.cache_clear()
