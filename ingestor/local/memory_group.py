"""Bounds the memory of several processes together, by a control group of Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NAME = "ingestor-"


class MemoryGroup:
    """Processes, with theirs, that may have so much memory together. At the bound the kernel ends one of
    them: first one that reads files or checks documents (`give_way`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, pid: int) -> None:
        """Take a process that has just started; those that it starts later belong to the group too."""
        with suppress(ProcessLookupError):  # it has ended
            (self.folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def memory_group(most: int) -> Iterator[MemoryGroup | None]:
    """A group for `most` bytes while the context lasts; None where this process may not make one."""
    made = _make(most)
    try:
        yield made
    finally:
        if made:
            with suppress(OSError):  # what is left ends with its parent
                made.folder.rmdir()


def _make(most: int) -> MemoryGroup | None:
    for parent, limit in _parents():
        folder = parent / f"{_NAME}{os.getpid()}"
        try:
            for left in parent.glob(f"{_NAME}*"):  # of suites that were killed, not of one that starts
                if not Path("/proc", left.name.removeprefix(_NAME)).exists():
                    with suppress(OSError):  # it is in use
                        left.rmdir()
            folder.mkdir(exist_ok=True)
            (folder / limit).write_text(str(most))
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            continue
        return MemoryGroup(folder)
    return None


def _parents() -> Iterator[tuple[Path, str]]:
    """Groups that may have groups, the nearest first, and the file that bounds the memory of one."""
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines() if _ROOT.is_dir() else ():
        _, controllers, path = line.split(":", 2)
        if controllers == "" and (_ROOT / "cgroup.controllers").exists():  # version 2
            root, limit = _ROOT, "memory.max"
        elif "memory" in controllers.split(","):
            root, limit = _ROOT / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = root / path.lstrip("/")
        for parent in (own, *own.parents):
            if parent.is_relative_to(root) and (limit == "memory.limit_in_bytes" or _passes_on(parent)):
                yield parent, limit


def _passes_on(group: Path) -> bool:
    """Whether a group of version 2 has its groups bounded."""
    try:
        return "memory" in (group / "cgroup.subtree_control").read_text("utf-8").split()
    except OSError:
        return False
