"""Starts processes again that have ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ingestor.local.children import last_line
from ingestor.local.errors import SuiteError

Say = Callable[[str], None]


class Child(Protocol):
    """A process of the suite, and its replacements."""

    instance: str
    process: subprocess.Popen[bytes] | None
    restarts: int

    @property
    def log(self) -> Path:
        """Where it writes."""
        ...

    def start(self) -> None:
        """Start it, without waiting until it serves. Raises SuiteError when it cannot be started."""
        ...

    def is_ready(self) -> bool:
        """Whether it serves."""
        ...


@dataclass
class Backoff:
    """The wait before a process that has ended is restarted: 0.2 s, doubled up to 10 s, and 0.2 s again after
    the process has run for a minute."""

    seconds: float = 0.2
    started: float = 0.0

    def next(self, now: float) -> float:
        """Seconds to wait after the process has ended at `now`."""
        if now - self.started > 60:
            self.seconds = 0.2
        wait, self.seconds = self.seconds, min(self.seconds * 2, 10.0)
        self.started = now + wait
        return wait


@dataclass
class _Watch:
    child: Child
    backoff: Backoff = field(default_factory=Backoff)
    ended: float = 0.0  # when it did
    due: float | None = None  # when it is to be started again
    is_coming: bool = False  # it was, and does not serve yet


class Supervisor:
    """Starts each child again that has ended, and says when it ended and when it serves again."""

    def __init__(
        self,
        children: Sequence[Child],
        say: Say,
        save: Callable[[], None],
        restore: Mapping[str, Callable[[], None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`save` is called after each start. `restore` brings back what an instance forgets when it is
        killed, when it answers again; it is repeated while it raises SuiteError."""
        self._watches = [_Watch(child) for child in children]
        self._say = say
        self._save = save
        self._restore = restore
        self._clock = clock

    def look(self) -> None:
        """Do what is due now."""
        for watch in self._watches:
            process = watch.child.process
            if process is None:
                continue
            if process.poll() is not None:
                self._ended(watch, process.returncode)
            elif watch.is_coming:
                self._coming(watch)

    def _ended(self, watch: _Watch, status: int) -> None:
        child, now = watch.child, self._clock()
        if watch.due is None:
            if not watch.is_coming:
                watch.ended = now
            watch.due = now + watch.backoff.next(now)
            self._say(f"{child.instance} ended with status {status}, restarting: {last_line(child.log)}")
        elif now >= watch.due:
            try:
                child.start()
            except SuiteError as error:
                watch.due = now + watch.backoff.next(now)
                self._say(f"{child.instance} cannot be restarted yet: {error}")
                return
            watch.due, watch.is_coming = None, True
            child.restarts += 1
            self._save()

    def _coming(self, watch: _Watch) -> None:
        name = watch.child.instance
        if not watch.child.is_ready():
            return
        try:
            self._restore.get(name, lambda: None)()
        except SuiteError as error:
            self._say(f"{name} is not as it was yet: {error}")
            return
        watch.is_coming = False
        self._say(f"{name} serves again after {self._clock() - watch.ended:.1f} s")
