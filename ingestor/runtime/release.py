"""Which release this is. The package's version is the only place that says it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version


@dataclass(frozen=True)
class Release:
    """A release: its version, and the commit that it was built from, "" where nobody has said it."""

    version: str
    commit: str


@cache
def this_release() -> Release:
    """The release that runs; images say their commit by INGESTOR_COMMIT."""
    return Release(version("data-ingestor"), os.environ.get("INGESTOR_COMMIT", ""))
