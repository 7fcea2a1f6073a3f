"""Bounds the memory of a process, and says how it is reused."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

_LESS_URGENT = 10
_REUSED_BYTES = 32 * 1024 * 1024  # the most that glibc takes as a threshold
_ARENAS = 2
# Of mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX.
_ALLOCATION = ((-1, _REUSED_BYTES), (-3, _REUSED_BYTES), (-8, _ARENAS))


def bound_memory(most: int, *, for_ever: bool = False) -> None:
    """Let this process have so many bytes of its own: what it may write to and does not share, with stacks
    and what libraries reserve. What is beyond raises MemoryError, or ends the process. `for_ever`: it cannot
    take more again, nor can its children.

    Only on Linux, where RLIMIT_DATA counts mappings (getrlimit(2), since 4.7)."""
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most if for_ever else hard))


def memory_of(what: Literal["VmData", "VmHWM"]) -> int | None:
    """Bytes of this process that `bound_memory` counts (VmData), or the most that have been resident (VmHWM),
    see proc_pid_status(5); None where the system does not tell. (getrusage would count what its parent had
    before it started this process.)"""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return None
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def reuse_memory() -> None:
    """Have glibc keep some MiB of freed memory. Pieces of files come and go by the megabyte, and what goes
    back to the kernel is cleared and mapped anew for the next piece: a tenth of the time of a service.
    Threads share a few arenas, each of which keeps so much.

    Only with glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _ALLOCATION:
            mallopt(parameter, value)


def give_way() -> None:
    """Make this process less urgent than services: it gets less of the processors, and where memory is short
    it is ended before them."""
    os.nice(_LESS_URGENT)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", "utf-8")
