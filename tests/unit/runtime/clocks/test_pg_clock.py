"""The clock of the database, by which leases are: that of the machine does not matter."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestor.runtime import fail_points
from ingestor.runtime.postgres.clock import PgClock

THERE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
SHORT = timedelta(seconds=5)


class Server:
    """A connection to a server that says what time it is, after some seconds of a monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: float = 0.0) -> None:
        self.time = THERE
        self.takes = takes
        self.passed = 0.0
        real = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + self.passed)

    async def fetchval(self, *_: Any) -> float:
        """The server's time."""
        self.passed += self.takes
        return self.time.timestamp()


async def looked(clock: PgClock, server: Any) -> None:
    await clock.look(server)


async def test_it_goes_on_whatever_is_done_to_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, clock = Server(monkeypatch), PgClock()
    monkeypatch.setattr(fail_points, "_FOLDER", str(tmp_path))
    assert abs(clock.now() - datetime.now(UTC)) < SHORT  # it has not looked yet
    await looked(clock, server)
    assert timedelta() <= clock.now() - THERE < SHORT
    before = clock.behind_seconds
    (tmp_path / f"clock.{os.getpid()}").write_text("-600")
    assert timedelta() <= clock.now() - THERE < SHORT
    assert abs(before - 600 - clock.behind_seconds) < 5
    server.passed += 60
    assert timedelta(seconds=60) <= clock.now() - THERE < timedelta(seconds=60) + SHORT


async def test_a_late_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, clock = Server(monkeypatch), PgClock()
    await looked(clock, server)
    server.time, server.takes = THERE + timedelta(hours=1), 8.0
    await looked(clock, server)
    assert clock.now() - THERE < timedelta(seconds=8) + SHORT
    server.takes = 0.1
    await looked(clock, server)
    assert timedelta(hours=1) <= clock.now() - THERE < timedelta(hours=1) + SHORT
