"""Processes of a suite whose supervisor was killed: they end by themselves, or are ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

# In the environment of every process of a suite: its data folder.
FOLDER_VARIABLE = "INGESTOR_SUITE_FOLDER"
_SERVICE_SECONDS = 1.0  # a service that drains waits for what is gone
_PATIENCE_SECONDS = 8.0  # for the queue to save what it has, and for PostgreSQL to close its files


def mark_processes(folder: Path) -> None:
    """Processes that this one starts from now on are known as the suite's."""
    os.environ[FOLDER_VARIABLE] = str(folder)


def end_leftovers(folder: Path, say: Callable[[str], None]) -> None:
    """Wait for what an earlier suite of this folder has left, which ends when its supervisor does; end what
    takes too long."""
    left = [*processes_of(folder), *processes_in(folder / "postgres")]
    if not left:
        return
    say(f"waiting for {len(left)} processes of a suite that was killed")
    late = psutil.wait_procs(left, _SERVICE_SECONDS)[1]
    end_processes([process for process in late if _is_service(process)])
    end_processes(psutil.wait_procs(late, _PATIENCE_SECONDS)[1])


def _is_service(process: psutil.Process) -> bool:
    try:
        return any(word.startswith("ingestor.services.") for word in process.cmdline())
    except psutil.Error:  # it has ended
        return False


def processes_of(folder: Path) -> Sequence[psutil.Process]:
    """Processes that were started for the suite of this folder, but for this one. PostgreSQL's hide it."""
    return _such(lambda process: process.environ().get(FOLDER_VARIABLE) == str(folder.resolve()))


def processes_in(folder: Path) -> Sequence[psutil.Process]:
    """Processes that work in this folder, as PostgreSQL's do in that of their data."""
    return _such(lambda process: process.cwd() == str(folder.resolve()))


def _such(holds: Callable[[psutil.Process], bool]) -> Sequence[psutil.Process]:
    found = []
    own = psutil.Process()
    spared = {own.pid, *(parent.pid for parent in own.parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and holds(process):
                found.append(process)
        except psutil.Error:  # it has ended, or is somebody else's
            continue
    return found


def end_processes(processes: Sequence[psutil.Process], patience: float = 2.0) -> None:
    """End processes: at once, as PostgreSQL's own quit at SIGQUIT, else by force."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        processes = psutil.wait_procs(processes, patience)[1]
