"""What a program that reads a stranger's file can do, and cannot, whoever takes it over."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ingestor.runtime import sandbox
from ingestor.services.upload.adapters.programs import StandBy, running
from tests.waiting import until

SECRETS = ("INGESTOR_INTERNAL_KEYS", "INGESTOR_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")

# Tries everything, and writes what came of it.
PROBE = """
import ctypes, json, os, socket, subprocess, sys, threading
from pathlib import Path
from ingestor.runtime.sandbox import confine

def tried(what):
    try:
        return repr(what())
    except OSError as error:
        return error.errno
    except BaseException as error:
        return type(error).__name__

def thread():
    found = []
    worker = threading.Thread(target=lambda: found.append("ran"))
    worker.start(); worker.join()
    return found

def confined():
    confine(memory_bytes=419430400, cpu_seconds=1, file_bytes=4096)
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    return {
        "environment": dict(os.environ), "arguments": sys.argv[1:], "user": os.geteuid(),
        "folder": os.getcwd(),
        "tcp": tried(lambda: socket.socket(socket.AF_INET)),
        "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
        "pair": tried(socket.socketpair),
        "fork": tried(os.fork),
        "exec": tried(lambda: os.execv("/bin/true", ["true"])),
        "program": tried(lambda: subprocess.run(["/bin/true"])),
        "kill": tried(lambda: os.kill(parent, 0)),
        "trace": libc.ptrace(16, parent, 0, 0),
        "secrets": tried(lambda: Path(f"/proc/{parent}/environ").read_bytes()),
        "memory": tried(lambda: bytearray(419430400)),
        "thread": tried(thread),
        "own": tried(lambda: Path("own.txt").write_text("here")),
        "large": tried(lambda: Path("large").write_bytes(bytes(8192))),
    }

def main():
    print(json.dumps(confined()), flush=True)
    if Path("own.txt").exists() and os.fstat(0).st_size == 5:
        while True:
            pass
    return 0
"""


async def run_probe(
    folder: Path, monkeypatch: pytest.MonkeyPatch, said: bytes = b""
) -> tuple[dict[str, Any], int]:
    """What the probe found, and how it ended."""
    modules, own = folder / "modules", folder / "own"
    modules.mkdir()
    own.mkdir()
    (modules / "probe.py").write_text(PROBE)
    for path in (folder, *folder.parents[:3]):  # the other user passes through
        mode = path.stat().st_mode
        if not mode & 0o001:  # a folder of the system's, such as /tmp, stays as it is
            path.chmod(mode | 0o011)
    monkeypatch.setenv("PYTHONPATH", f"{modules}:{Path(sandbox.__file__).parents[2]}")
    with tempfile.TemporaryFile() as source:
        source.write(said)
        source.seek(0)
        async with running("probe", own, source) as program:
            found = json.loads(await program.output.read())
            return found, await program.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other means")
async def test_a_program_can_read_its_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "a-secret")
    found, status = await run_probe(tmp_path, monkeypatch)
    assert status == 0
    environment = found.pop("environment")
    assert "a-secret" not in environment.values()
    assert {name for name in environment if name.startswith(("INGESTOR_", "AWS_", "PG"))} == set()
    assert environment["TMPDIR"] == found["folder"] == str(tmp_path / "own")
    assert found["arguments"] == []
    for call in ("tcp", "unix", "pair", "fork", "exec", "program", "kill"):
        assert found[call] == errno.EPERM, call
    assert found["trace"] == -1
    assert found["memory"] == "MemoryError"
    assert found["thread"] == "['ran']"
    assert found["own"] == "4"
    assert found["large"] == errno.EFBIG
    if os.geteuid() == 0:
        assert found["user"] == sandbox.USER
        assert found["secrets"] == errno.EACCES


async def test_a_program_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, status = await run_probe(tmp_path, monkeypatch, b"never")
    assert -status in (signal.SIGXCPU, signal.SIGKILL)


# Says which process it is, and what it has imported before it had its task.
NAMES = """
import os, sys

def main():
    print(os.getpid(), "ingestor.tabular.files.convert" in sys.modules, os.getcwd(), flush=True)
    return int(sys.stdin.buffer.raw.read() or 0)
"""


class Names:
    """Runs that program."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "names.py").write_text(NAMES)
        monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(sandbox.__file__).parents[2]}")
        self._folder = folder

    async def run(self, programs: StandBy, status: bytes = b"0") -> tuple[int, bool, str]:
        """Its number, whether it had stood by, and its folder."""
        own = self._folder / f"own-{status.decode()}"
        own.mkdir(exist_ok=True)
        with tempfile.TemporaryFile() as source:
            source.write(status)
            source.seek(0)
            async with programs.running("names", own, source) as program:
                number, early, where = (await program.output.read()).decode().split()
                assert await program.wait() == int(status)
        return int(number), early == "True", where


async def test_the_next_file_finds_a_program_that_stands_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(tmp_path, monkeypatch)
    async with StandBy() as programs:
        first, early, _ = await names.run(programs)
        assert not early
        (waiting,) = standing_by()
        second, early, where = await names.run(programs, b"3")
        assert early and second == waiting.pid != first
        assert where == str(tmp_path / "own-3")  # each has a folder of its own
        (waiting,) = standing_by()
        waiting.kill()  # by a system that is short of memory, for example
        waiting.wait()
        third, early, _ = await names.run(programs)
        assert not early and third != waiting.pid
        assert len(standing_by()) == 1
    assert standing_by() == []


async def test_a_program_does_not_stand_by_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(tmp_path, monkeypatch)
    async with StandBy(seconds=0.1) as programs:
        await names.run(programs)
        await until(lambda: standing_by() == [], "the end of the program that stood by")
        _, early, _ = await names.run(programs)
        assert not early


async def test_none_stands_by_after_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What killed it may be about to kill more."""
    names = Names(tmp_path, monkeypatch)
    (tmp_path / "own").mkdir()
    async with StandBy() as programs:
        await names.run(programs)
        with tempfile.TemporaryFile() as source:
            async with programs.running("names", tmp_path / "own", source) as program:
                program.process.kill()
                await program.wait()
        assert standing_by() == []


# Runs a program, says which one stands by then, and is killed.
SERVICE = """
import asyncio, os, signal, sys
from pathlib import Path
import psutil
from ingestor.services.upload.adapters.programs import StandBy

async def main():
    async with StandBy() as programs:
        with open(os.devnull, "rb") as source:
            async with programs.running("names", Path(sys.argv[1]), source) as program:
                await program.output.read()
                await program.wait()
        (waiting,) = psutil.Process().children()
        print(waiting.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_none_stands_by_for_a_service_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(tmp_path, monkeypatch)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", SERVICE, str(tmp_path)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    number = int(killed.stdout)

    def ended() -> bool:
        try:
            return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await until(ended, "the end of the program that stood by")


def standing_by() -> list[psutil.Process]:
    """The programs that this process has started, and that still run."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it ends meanwhile
            if child.status() != psutil.STATUS_ZOMBIE:
                arguments = child.cmdline()
                # For a moment after its start the system shows none.
                if not arguments or "ingestor.tabular.files.stand_by" in arguments:
                    found.append(child)
    return found
