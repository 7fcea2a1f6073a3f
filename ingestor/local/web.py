"""Runs the page server as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingestor.local.children import answers, spawn, stop, wait_ready
from ingestor.local.tls.ca import Leaf, tls_settings


@dataclass
class WebProcess:
    """The process that serves the built page, and its replacements."""

    page: Path
    address: str  # host:port
    log: Path
    access: Mapping[str, str]  # settings that say how people sign in
    tls: Leaf | None = None
    operator: Leaf | None = None  # for looking at it, with TLS
    process: subprocess.Popen[bytes] | None = None
    restarts: int = field(default=0)
    instance: str = "web"

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        settings = {
            "INGESTOR_LISTEN": self.address,
            "INGESTOR_PAGE_DIR": str(self.page),
            "INGESTOR_LOG_FORMAT": "json",
            **self.access,
            **tls_settings(self.tls),
        }
        self.process = spawn(
            [sys.executable, "-m", "ingestor.web"], log=self.log, env={**os.environ, **settings}
        )

    def wait(self) -> None:
        """Wait until it serves. Raises SuiteError when it does not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what="the page server", log=self.log)

    def is_ready(self) -> bool:
        """Whether it serves."""
        url = f"{'https' if self.tls else 'http'}://{self.address}/healthz"
        return answers(url, timeout=1, tls=self.operator)

    def stop(self) -> None:
        """Let it finish its responses, then kill it."""
        if self.process:
            stop(self.process, signal.SIGINT, seconds=10)
