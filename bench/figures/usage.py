"""What processes of a running suite use: CPU seconds and memory, by what each one is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

SERVICES = ("upload", "orchestrator", "processor", "status")
# Of PostgreSQL: the backends of each service, and all that the server does beside.
_BACKENDS = tuple(f"postgres: {service}" for service in SERVICES)
_SERVER = "postgres: server"
# The program that measures runs the client too.
_CLIENT = "client"


@dataclass
class Usage:
    """Peak resident bytes of the processes of one kind together, apart from PostgreSQL's, and CPU seconds."""

    peak_rss: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    peak_services: int = 0
    peak_services_pss: int = 0
    """Of all services together, looked at each second: memory that they share is counted once."""


def kind_of(process: psutil.Process) -> str:
    """What a process of a suite is."""
    line = " ".join(process.cmdline())
    for service in SERVICES:
        if f"ingestor.services.{service}" in line:
            return service
    if line.startswith("postgres: "):  # its title: what it is, or role and database
        role = line.removeprefix("postgres: ingestor_").split(" ", 1)[0].split("_", 1)[0]
        return f"postgres: {role}" if f"postgres: {role}" in _BACKENDS else _SERVER
    if "postgres" in line:
        return _SERVER
    if "ingestor.local.aws" in line:
        return "SQS emulator"
    return "envoy" if "envoy" in line else "other"


class Sampler:
    """Watches memory and CPU of a suite's processes, and of this one, in a thread while a context lasts."""

    def __init__(self, pid: int, interval: float = 0.1) -> None:
        self._root = psutil.Process(pid)
        self._interval = interval
        self._stop = threading.Event()
        self._own = 0.0  # seconds that watching has taken
        self.usage = Usage()
        self._found: dict[int, tuple[str, psutil.Process]] = {}
        self._cpu: dict[int, tuple[str, float, float]] = {}  # pid -> kind, first, last

    def _refresh(self) -> None:
        """Find the processes; rarely, because that costs more than what is measured."""
        for process in self._root.children(recursive=True):
            try:
                if process.pid not in self._found or self._found[process.pid][0] == _SERVER:
                    self._found[process.pid] = kind_of(process), process
            except psutil.Error:
                continue
        self.usage.peak_services_pss = max(self.usage.peak_services_pss, self._pss())

    def _pss(self) -> int:
        total = 0
        for kind, process in self._found.values():
            if kind in SERVICES:
                with suppress(psutil.Error):
                    total += process.memory_full_info().pss
        return total

    def _sample(self) -> None:
        resident: dict[str, int] = {}
        for pid, (kind, process) in list(self._found.items()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    if not kind.startswith("postgres"):  # whose processes share most of their memory
                        resident[kind] = resident.get(kind, 0) + process.memory_info().rss
            except psutil.Error:
                del self._found[pid]
                continue
            now = times.user + times.system
            self._cpu[pid] = (kind, self._cpu.get(pid, (kind, now, now))[1], now)
        for kind, rss in resident.items():
            self.usage.peak_rss[kind] = max(self.usage.peak_rss.get(kind, 0), rss)
        services = sum(resident.get(service, 0) for service in SERVICES)
        self.usage.peak_services = max(self.usage.peak_services, services)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample until the context ends."""

        def loop() -> None:
            looks = 0
            while not self._stop.wait(self._interval):
                looks += 1
                if looks % 10 == 0:
                    self._refresh()
                self._sample()
            self._own = time.thread_time()

        self._refresh()
        self._sample()
        thread = threading.Thread(target=loop, daemon=True)
        before = time.process_time()
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.usage.cpu[_CLIENT] = time.process_time() - before - self._own
            self._refresh()
            self._sample()
            for kind, first, last in self._cpu.values():
                self.usage.cpu[kind] = self.usage.cpu.get(kind, 0.0) + last - first
