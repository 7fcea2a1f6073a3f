"""The data folder of a suite: its layout, its secrets, and what runs in it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ingestor.local.errors import SuiteError
from ingestor.receipts.keys import ReceiptKey


class Folder:
    """A data folder. Only the owner can read secrets, logs and files of tenants."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.files = self.path / "files"
        self._state = self.path / "suite.json"
        self._ports = self.path / "ports.json"

    def prepare(self, least_free_bytes: int) -> None:
        """Make the folder. Raises SuiteError when it cannot be used or its disk is nearly full."""
        try:
            if not self.path.exists() or (self.path / "lock").exists():  # not one of the user's own
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                _close(self.path)
            for folder in (self.logs, self.files):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            for log in self.all_logs():  # of an earlier version
                log.chmod(0o600)
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise SuiteError(f"the data folder {self.path} cannot be used: {error.strerror}") from error
        if free < least_free_bytes:
            raise SuiteError(
                f"the data folder {self.path} has only {free / 2**30:.1f} GiB free and needs "
                f"{least_free_bytes / 2**30:.1f} GiB; choose another with --data"
            )

    def all_logs(self) -> list[Path]:
        """Every file that is a log."""
        return [*self.path.glob("*.log"), *self.logs.glob("*.log")]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder. Raises SuiteError when a suite already runs in it."""
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SuiteError(
                    f"a suite is already running in {self.path}; `ingestor down` stops it"
                ) from None
            yield

    def password(self, name: str) -> str:
        """The password of this name, made on first use."""
        file = self.path / "secrets.json"
        known: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            _write_private(file, known)
        return known[name]

    def receipt_key(self) -> Path:
        """The file of the key that signs receipts, made on first use."""
        file = self.path / "receipt.pem"
        if not file.exists():
            _write_text(file, ReceiptKey.new().to_pem())
        return file

    def ports(self) -> dict[str, int]:
        """The ports of the last run, which this one prefers."""
        try:
            found: dict[str, int] = json.loads(self._ports.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def save_ports(self, ports: dict[str, int]) -> None:
        """Save the ports for the next run."""
        _write_private(self._ports, ports)

    def save_state(self, state: dict[str, Any]) -> None:
        """Save what runs; only the owner can read it, because it holds a DSN."""
        _write_private(self._state, state)

    def forget_state(self) -> None:
        """Delete the saved state when nothing runs any more."""
        self._state.unlink(missing_ok=True)

    def state(self) -> dict[str, Any] | None:
        """What runs in the folder; None for nothing."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text("utf-8"))
            process = psutil.Process(found["pid"])
            alive = process.is_running() and process.create_time() == found["pid_started"]
        except (OSError, ValueError, KeyError, psutil.Error):
            return None
        return found if alive and process.status() != psutil.STATUS_ZOMBIE else None


def _close(folder: Path) -> None:
    """Take everybody's rights away but the owner's, and that of PostgreSQL to pass through, which is another
    user's when root runs the suite."""
    status = folder.stat()
    if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
        folder.chmod(0o700 | (status.st_mode & stat.S_IXGRP if os.geteuid() == 0 else 0))


def _write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace a file atomically, readable by its owner only."""
    _write_text(path, json.dumps(content, indent=2))


def _write_text(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
