"""Common parts of the processes that examine one file: arguments, memory limit and result.

RESULT becomes a JSON object: what was found, or {"reason", "message"} with exit status UNREADABLE.
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestor.tabular.errors import UNREADABLE, UnreadableFileError


def file_arguments(description: str | None) -> argparse.ArgumentParser:
    """SOURCE, RESULT and the common options."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("result", type=Path)
    arguments.add_argument("--options", default="{}")
    arguments.add_argument("--name", default="")
    arguments.add_argument("--memory-bytes", type=int, default=0)
    return arguments


def write_result(given: argparse.Namespace, look: Callable[[], dict[str, Any]]) -> int:
    """Write what `look` returns, or why the file cannot be read. Returns the exit status."""
    if given.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (given.memory_bytes, given.memory_bytes))
    status = 0
    try:
        answer = look()
    except UnreadableFileError as error:
        answer, status = {"reason": error.reason, "message": error.message}, UNREADABLE
    except MemoryError:
        message = "Reading the file takes too much memory."
        answer, status = {"reason": "FILE_TOO_COMPLEX", "message": message}, UNREADABLE
    given.result.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    return status
