"""Runs the command line many times without starting an interpreter each time.

A process imports it once and forks for each command, which is then still a process of its own, with its own
environment, output and exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Commands:
    """Runs `ingestor` in forks of a process that listens at a socket."""

    address: Path

    def run(
        self, *arguments: str, env: Mapping[str, str], timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run `ingestor ARGUMENTS` in this environment, without a terminal. Raises subprocess.TimeoutExpired
        after so many seconds; the status of a command that was killed is -9."""
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            connection.connect(str(self.address))
            request = {"arguments": arguments, "env": dict(env), "folder": str(Path.cwd())}
            # With one byte, so that what follows is the request alone.
            socket.send_fds(connection, [b"\n"], [output.fileno(), errors.fileno()])
            connection.sendall(json.dumps(request).encode() + b"\n")
            connection.settimeout(timeout)
            with connection.makefile("r") as answers:
                pid = int(answers.readline())
                try:
                    answer = answers.readline()
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(arguments, timeout) from None
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read().decode("utf-8"))
        return subprocess.CompletedProcess(arguments, int(answer or -9), *texts)


@contextmanager
def command_server(folder: Path) -> Iterator[Commands]:
    """The process that forks, for as long as the context lasts; `folder` gets its socket."""
    address = folder / "commands"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.commands", str(address)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield Commands(address)
        server.stdin.close()


def _serve(address: str) -> None:
    """Fork for each connection until stdin ends."""
    import ingestor.cli
    from ingestor.cli.main import main

    # Commands import what they need when they run: here it is done for all of them.
    for module in pkgutil.walk_packages(ingestor.cli.__path__, "ingestor.cli."):
        importlib.import_module(module.name)
    importlib.import_module("ingestor.pipelines.inspection")  # slow to import, as what reads files is
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if listener not in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _run(main, connection)


def _run(main: Callable[..., object], connection: socket.socket) -> None:
    """Be one command: its output goes where the request says, its status is the answer."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, (output, errors), _, _ = socket.recv_fds(connection, 1, 2)
    connection.sendall(f"{os.getpid()}\n".encode())
    with connection.makefile("r") as lines:
        request = json.loads(lines.readline())
    with Path(os.devnull).open("rb") as nothing:
        for source, target in ((nothing.fileno(), 0), (output, 1), (errors, 2)):
            os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    status: object = 0
    try:
        main(request["arguments"], prog_name="ingestor")
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(f"{status or 0}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
