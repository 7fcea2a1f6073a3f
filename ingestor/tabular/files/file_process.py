"""What the processes that read one file have in common: arguments, memory limit and result."""

from __future__ import annotations

import argparse
import json
import re
import resource
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestor.tabular.errors import UNREADABLE, UnreadableFileError


def file_arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser for SOURCE, RESULT and the common options."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("result", type=Path)
    arguments.add_argument("--options", default="{}")
    arguments.add_argument("--name", default="")
    arguments.add_argument("--labels", type=json.loads, default=[], help="that the pipeline reads, as JSON")
    arguments.add_argument("--memory-bytes", type=int, default=0)
    return arguments


def write_result(given: argparse.Namespace, read: Callable[[], dict[str, Any]]) -> int:
    """Write to RESULT, as JSON, what `read` returns, or {"reason", "message"} when the file cannot be read;
    either with `peak_memory_bytes`. Returns the exit status: 0 or UNREADABLE."""
    if given.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (given.memory_bytes, given.memory_bytes))
    status = 0
    try:
        answer = read()
    except UnreadableFileError as error:
        if error.reason == "FILE_UNREADABLE":
            traceback.print_exception(error)  # for the log of the service that runs this process
        # A message may quote what no text can hold.
        message = error.message.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
        answer, status = {"reason": error.reason, "message": message}, UNREADABLE
    except MemoryError:
        message = "Reading the file takes too much memory."
        answer, status = {"reason": "FILE_TOO_COMPLEX", "message": message}, UNREADABLE
    answer["peak_memory_bytes"] = _peak_memory()
    given.result.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    return status


def _peak_memory() -> int | None:
    """The most memory that this process has used, in bytes; None where the system does not tell. (getrusage
    would count what its parent had before it started this program.)"""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
