"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from ingestor.local.errors import SuiteError
from ingestor.local.tls.ca import Leaf

_PR_SET_PDEATHSIG = 1
LOG_BYTES = 10 * 2**20  # of a log, and as much of its end before


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process that appends its output to `log` and gets `death_signal` when the calling thread dies,
    even by SIGKILL (on Linux). It runs in a new session, so Ctrl-C at the terminal reaches only the parent.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def die_with_parent() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:  # the parent died before prctl
                os._exit(1)

    with open_log(log) as output:
        return subprocess.Popen(
            [str(word) for word in command],
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            preexec_fn=die_with_parent,
        )


def rotate(log: Path) -> None:
    """Move the end of a log that is too long to LOG.1, while its process goes on to append to it."""
    try:
        if log.stat().st_size <= LOG_BYTES:
            return
        old = log.with_suffix(log.suffix + ".1")
        with log.open("rb") as file, _private(old) as kept:
            file.seek(-LOG_BYTES, os.SEEK_END)
            kept.write(file.read(LOG_BYTES))
        os.truncate(log, 0)
    except FileNotFoundError:
        return


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def open_log(log: Path) -> BinaryIO:
    """A log to append to, which only its owner can read."""
    opened = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    os.fchmod(opened.fileno(), 0o600)
    return opened


def wait_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], *, what: str, log: Path, seconds: float = 60
) -> None:
    """Poll until `ready()`. Raises SuiteError when the process ends or `seconds` pass."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise SuiteError(f"{what} ended with status {process.returncode}: {last_line(log)} (see {log})")
        if time.monotonic() > deadline:
            raise SuiteError(f"{what} was not ready within {seconds:.0f} s (see {log})")
        time.sleep(0.05)


def answers(url: str, timeout: float = 2, tls: Leaf | None = None) -> bool:
    """Whether a GET of a local URL is answered with 200. With `tls` its CA must vouch for the server, and the
    server is shown its certificate."""
    context = None
    if tls:
        context = ssl.create_default_context(cafile=tls.ca)
        context.load_cert_chain(tls.certificate, tls.key)
    try:
        with urllib.request.urlopen(url, timeout=timeout, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, cut to 500 characters."""
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return next((line.strip()[:500] for line in reversed(lines) if line.strip()), "it wrote no log")


def stop(
    process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM, seconds: float = 30
) -> None:
    """Terminate a process and wait for it; kill it after the timeout."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
