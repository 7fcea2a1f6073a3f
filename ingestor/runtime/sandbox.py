"""Confines a process that reads what a stranger has sent, so that whoever takes it over has little of it: no
secrets, no network, no other programs, and bounded memory, time and disk space."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ingestor.runtime.memory import bound_memory

USER = 64_999
"""User and group of confined processes where root starts them. It owns nothing."""
_THREADS = 64  # of all processes of that user
_FILES = 64  # open at a time
_GRACE = 2  # seconds of processor time after SIGXCPU until SIGKILL

_NO_NEW_PRIVILEGES, _PARENT_DEATH, _NOT_DUMPABLE = 38, 1, 4  # prctl
_SET_FILTER, _ALL_THREADS = 1, 1  # seccomp
_THREAD = 0x10000  # flag of clone: a thread, no process
_ALLOW, _DENY, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # _DENY: EPERM
_NO_SUCH_CALL = 0x00050026  # ENOSYS: the library then uses clone, whose flags a filter can see
_X32 = 0x40000000  # calls of another interface of x86-64 have this bit

# By machine: its number for seccomp, that of the call seccomp, of clone and clone3, and of the calls that are
# denied: sockets, other programs and processes, io_uring (which would go around the filter), and what only
# root may do.
_MACHINES: Mapping[str, tuple[int, int, int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E, 317, 56, 435,
        (41, 42, 43, 49, 50, 53, 57, 58, 59, 62, 101, 129, 155, 161, 165, 166, 175, 200, 234, 246, 248, 249,
         250, 272, 288, 297, 298, 304, 308, 310, 311, 313, 321, 322, 323, 424, 425, 434, 438),
    ),
    "aarch64": (
        0xC00000B7, 277, 220, 435,
        (39, 40, 41, 51, 97, 104, 105, 117, 129, 130, 131, 138, 198, 199, 200, 201, 202, 203, 217, 218, 219,
         221, 240, 241, 242, 265, 268, 270, 271, 273, 280, 281, 282, 424, 425, 434, 438),
    ),
}  # fmt: skip


def bare_environment(folder: Path) -> dict[str, str]:
    """The environment of a confined process: where Python finds packages, and a folder of its own. What
    libraries reserve without need is switched off, since it counts as memory."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "PYTHONHOME") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def confine(
    *, memory_bytes: int, cpu_seconds: int, file_bytes: int, load: Callable[[], object] = lambda: None
) -> None:
    """Confine this process for ever: memory of its own, processor time (SIGXCPU ends it), size of files that
    it writes; where Linux is, also no sockets, no other programs or processes, and an end with its parent;
    where it is root's, another user, who gets the working directory. Says on stderr what is impossible here.

    Where the other user cannot read Python's packages, nothing can be imported afterwards: `load` then
    imports all."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + _GRACE))
    if os.geteuid() == 0:
        _leave_root(load)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        for option, value in (
            (_PARENT_DEATH, int(signal.SIGKILL)),
            (_NOT_DUMPABLE, 0),
            (_NO_NEW_PRIVILEGES, 1),
        ):
            libc.prctl(option, value, 0, 0, 0)
        _forbid_calls(libc)
    bound_memory(memory_bytes, for_ever=True)


def _leave_root(load: Callable[[], object]) -> None:
    try:
        os.chown(".", USER, USER)
        os.setgroups(())
        os.setresgid(USER, 0, 0)
        os.setresuid(USER, 0, 0)  # whom os.access is about
        if not all(os.access(folder, os.R_OK | os.X_OK) for folder in sys.path if Path(folder).is_dir()):
            load()
        resource.setrlimit(resource.RLIMIT_NPROC, (_THREADS, _THREADS))
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    except OSError as error:
        _say(f"cannot become another user: {error}")


def _say(what: str) -> None:
    """Tell the operator what is impossible here."""
    sys.stderr.write(f"{what}\n")


def _forbid_calls(libc: ctypes.CDLL) -> None:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        _say(f"system calls cannot be filtered on {platform.machine()}")
        return
    _, seccomp, *_ = machine
    program = _filter(platform.machine())
    buffer = ctypes.create_string_buffer(program, len(program))
    wanted = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    if libc.syscall(seccomp, _SET_FILTER, _ALL_THREADS, wanted) != 0:
        _say(f"system calls cannot be filtered: {os.strerror(ctypes.get_errno())}")


def _filter(machine: str) -> bytes:
    """A program of classic BPF (see seccomp(2)): each instruction is code, jump if true, jump if false,
    value."""
    architecture, _, clone, clone3, denied = _MACHINES[machine]
    load, equal, at_least, has_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    steps: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, _KILL),
        (load, 0, 0, 0), (at_least, 0, 1, _X32), (answer, 0, 0, _DENY),
        (equal, 0, 1, clone3), (answer, 0, 0, _NO_SUCH_CALL),
    ]  # fmt: skip
    for number in denied:
        steps += [(equal, 0, 1, number), (answer, 0, 0, _DENY)]
    steps += [
        (equal, 0, 3, clone), (load, 0, 0, 16), (has_bit, 1, 0, _THREAD), (answer, 0, 0, _DENY),
        (answer, 0, 0, _ALLOW),
    ]  # fmt: skip
    return b"".join(struct.pack("HBBI", *step) for step in steps)
