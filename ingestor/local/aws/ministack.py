"""Runs MiniStack, an SQS and S3 server from a wheel, with its state in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ingestor.local.aws.guard import KEY
from ingestor.local.children import answers, spawn, stop, wait_ready
from ingestor.local.ports import LOOPBACK, OwnPort
from ingestor.local.tls.ca import Leaf


class MiniStack:
    """Starts and stops one server. Queues and messages survive a stop; when a kill loses messages, the
    orchestrator's reconciler sends them again."""

    def __init__(
        self, state_dir: Path, port: int | None = None, tls: Leaf | None = None, access_key: str = ""
    ) -> None:
        """Without a `port`, `start` picks a free one; with `tls` it speaks HTTPS; with an `access_key` it
        answers nobody else, and no web page."""
        self._access_key = access_key
        self._state = state_dir.absolute()
        self._port = OwnPort(port)
        self._tls = tls
        self.instance = "ministack"
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.log = self._state.parent / f"{self._state.name}.log"

    @property
    def port(self) -> int:
        """The port that it listens on; raises RuntimeError before `start`."""
        return self._port.number

    @property
    def endpoint(self) -> str:
        """URL of the API."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the server, without waiting until it answers; started again it has the same port."""
        self._state.mkdir(parents=True, exist_ok=True)
        self._state.chmod(0o700)
        port = self._port.pick()
        environment = {
            **os.environ,
            "GATEWAY_PORT": str(port),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "SERVICES": "sqs,s3",
            # Other servers, on fixed ports of all interfaces.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._state / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._state / "s3"),
            "TMPDIR": str(self._state),
            "LOG_LEVEL": "WARNING",
            KEY: self._access_key,
        }
        if self._tls:
            environment |= {
                "USE_SSL": "1",
                "MINISTACK_SSL_CERT": str(self._tls.certificate),
                "MINISTACK_SSL_KEY": str(self._tls.key),
            }
        self.process = spawn(
            [sys.executable, "-m", "ingestor.local.aws.guard"], log=self.log, env=environment
        )

    def wait(self) -> None:
        """Wait until it answers. Raises SuiteError when it does not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what="MiniStack", log=self.log)

    def is_ready(self) -> bool:
        """Whether it answers."""
        return answers(f"{self.endpoint}/_ministack/health", tls=self._tls)

    def stop(self) -> None:
        """Stop the server, which saves its state."""
        if self.process:
            stop(self.process, signal.SIGTERM, 30)
            self.process = None
