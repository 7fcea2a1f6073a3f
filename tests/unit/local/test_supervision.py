"""Processes that end are started again, and what a killed suite has left is ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ingestor.local.children import spawn, wait_ready
from ingestor.local.errors import SuiteError
from ingestor.local.supervision import leftovers
from ingestor.local.supervision.leftovers import FOLDER_VARIABLE, end_leftovers, end_processes
from ingestor.local.supervision.supervisor import Supervisor

WAITS = "import signal; signal.pause()"
IGNORES = "import signal; signal.signal(signal.SIGQUIT, signal.SIG_IGN); signal.pause()"


class Child:
    """A process that serves when told so."""

    def __init__(self, folder: Path) -> None:
        self.instance = "child"
        self.log = folder / "child.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.serves = True
        self.refuses = False

    def start(self) -> None:
        if self.refuses:
            raise SuiteError("no port is free")
        self.process = spawn([sys.executable, "-c", WAITS], log=self.log)

    def is_ready(self) -> bool:
        return self.serves

    def kill(self) -> None:
        """Have it ended."""
        assert self.process
        self.process.kill()
        self.process.wait()


class Supervised:
    """A child and its supervisor, at a time of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.child = Child(folder)
        self.child.start()
        self.said: list[str] = []
        self.saved = 0
        self.now = 1000.0
        self.restored = 0
        self.supervisor = Supervisor(
            [self.child], self.said.append, self.save, {"child": self.restore}, lambda: self.now
        )

    def save(self) -> None:
        self.saved += 1

    def restore(self) -> None:
        self.restored += 1
        if self.restored == 1:
            raise SuiteError("its queues cannot be made")

    def look(self, seconds: float = 0.0) -> None:
        """Look after so many seconds."""
        self.now += seconds
        self.supervisor.look()


@pytest.fixture
def supervised(tmp_path: Path) -> Supervised:
    return Supervised(tmp_path)


def test_a_child_that_ends_is_started_again_and_gets_back_what_it_had(supervised: Supervised) -> None:
    child = supervised.child
    supervised.look()
    assert supervised.said == []
    first = child.process
    child.kill()
    child.serves = False
    supervised.look()
    supervised.look(0.1)
    assert child.process is first
    supervised.look(0.2)
    assert child.process is not first
    assert (child.restarts, supervised.saved, supervised.restored) == (1, 1, 0)
    child.serves = True
    supervised.look(1)
    supervised.look(0.1)
    supervised.look(0.1)
    assert supervised.restored == 2
    assert supervised.said == [
        "child ended with status -9, restarting: it wrote no log",
        "child is not as it was yet: its queues cannot be made",
        "child serves again after 1.4 s",
    ]
    child.kill()


def test_a_child_that_cannot_be_started_is_tried_again(supervised: Supervised) -> None:
    child = supervised.child
    child.kill()
    child.refuses = True
    supervised.look()
    supervised.look(0.3)
    assert supervised.said[-1] == "child cannot be restarted yet: no port is free"
    child.refuses = False
    supervised.look(0.1)
    assert child.restarts == 0
    supervised.look(0.4)
    assert child.restarts == 1
    child.kill()


def started(program: str, log: Path, **env: str) -> subprocess.Popen[bytes]:
    return spawn([sys.executable, "-c", program], log=log, env={**os.environ, **env})


@pytest.mark.parametrize("program", [WAITS, IGNORES])
def test_what_a_killed_suite_has_left_is_ended(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_SERVICE_SECONDS", 0.1)
    monkeypatch.setattr(leftovers, "_PATIENCE_SECONDS", 0.1)
    folder = tmp_path / "data"
    folder.mkdir()
    left = started(program, tmp_path / "left.log", **{FOLDER_VARIABLE: str(folder)})
    other = started(WAITS, tmp_path / "other.log", **{FOLDER_VARIABLE: str(tmp_path / "other")})
    said: list[str] = []
    try:
        environment = psutil.Process(left.pid).environ
        wait_ready(left, lambda: FOLDER_VARIABLE in environment(), what="it", log=tmp_path / "left.log")
        end_leftovers(folder, said.append)
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
        assert said == ["waiting for 1 processes of a suite that was killed"]
        end_leftovers(folder, said.append)
        assert len(said) == 1
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_what_works_in_the_folder_of_a_database_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "postgres").mkdir()
    program = f"import os; os.chdir({str(tmp_path / 'postgres')!r}); print('in', flush=True); {WAITS}"
    orphan = started(program, log)
    try:
        wait_ready(orphan, lambda: "in" in log.read_text(), what="it", log=log)
        end_processes(leftovers.processes_in(tmp_path / "postgres"))
        assert not psutil.pid_exists(orphan.pid)
    finally:
        orphan.kill()
