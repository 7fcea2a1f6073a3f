"""A real pgbouncer in transaction mode in front of a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest

from ingestor.local.children import spawn, stop, wait_ready
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.postgres import _system_user, binaries

_CONFIG = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
auth_type = scram-sha-256
auth_file = {folder}/users
auth_user = {user}
admin_users = {user}
"""


@dataclass(frozen=True)
class PgBouncer:
    """One that runs; DSNs are the administrator's."""

    dsn: str
    direct_dsn: str

    async def pools(self) -> dict[str, int]:
        """Connections to PostgreSQL by role, as pgbouncer has them now."""
        console = urlunsplit(urlsplit(self.dsn)._replace(path="/pgbouncer"))
        reader = await asyncio.create_subprocess_exec(
            binaries() / "psql", console, "-At", "-c", "SHOW SERVERS", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await reader.communicate()
        found: dict[str, int] = {}
        for line in output.decode().splitlines():
            role = line.split("|")[1]
            found[role] = found.get(role, 0) + 1
        return found


@contextmanager
def pgbouncer(dsn: str, *, size: int) -> Iterator[PgBouncer]:
    """In front of the server of a superuser's DSN, with `size` connections per role. Skips the test when
    pgbouncer is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    parts = urlsplit(dsn)
    user, password = parts.username or "", unquote(parts.password or "")
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # it refuses to be root, so it may be somebody else
        port = free_port()
        (folder / "users").write_text(f'"{user}" "{password}"\n')
        (folder / "config").write_text(
            _CONFIG.format(
                host=parts.hostname, port=parts.port, listen=port, size=size, folder=folder, user=user
            )
        )
        process = spawn(
            [program, folder / "config"],
            log=folder / "log",
            user=_system_user(),
            death_signal=signal.SIGINT,
        )
        at = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{LOOPBACK}:{port}"))
        try:
            wait_ready(process, lambda: _answers(at), what="pgbouncer", log=folder / "log")
            yield PgBouncer(at, dsn)
        finally:
            stop(process, seconds=5)


def _answers(dsn: str) -> bool:
    asked = subprocess.run([binaries() / "psql", dsn, "-c", "SELECT 1"], capture_output=True, check=False)
    return asked.returncode == 0
