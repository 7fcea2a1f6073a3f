"""Bounds the memory of a process."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_LESS_URGENT = 10


def bound_memory(most: int, *, for_ever: bool = False) -> None:
    """Let this process have so many bytes of its own: what it may write to and does not share, with stacks
    and what libraries reserve. What is beyond raises MemoryError, or ends the process. `for_ever`: it cannot
    take more again, nor can its children.

    Only on Linux, where RLIMIT_DATA counts mappings (getrlimit(2), since 4.7)."""
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most if for_ever else hard))


def give_way() -> None:
    """Make this process less urgent than services: it gets less of the processors, and where memory is short
    it is ended before them."""
    os.nice(_LESS_URGENT)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", "utf-8")
