"""Where tests interfere: places between two durable steps at which they end this process, as a crash would,
and its clock, which they step."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# A folder of tests, in which a file with the name of a place asks for it. Never set elsewhere.
_FOLDER = os.environ.get("INGESTOR_FAIL_POINTS", "")


def fail_point(name: str) -> None:
    """End this process at once if that is asked for here. The first process to come by does so; it takes the
    request away."""
    if not _FOLDER:
        return
    try:
        (Path(_FOLDER) / name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def clock_step() -> float:
    """Seconds by which tests have stepped the clock of this process: the file `clock.PID` says so. The
    monotonic clock is not stepped."""
    if not _FOLDER:
        return 0.0
    try:
        return float((Path(_FOLDER) / f"clock.{os.getpid()}").read_text("ascii") or 0)
    except FileNotFoundError:
        return 0.0
