"""A process that runs functions for a service: python -m ingestor.runtime.processes.child MODULE MEMORY.

It reads requests from stdin and writes answers to stdout, each a pickle behind its length. Only its parent
talks to it. It imports MODULE first, and may have MEMORY bytes of its own.
"""

from __future__ import annotations

import importlib
import math
import os
import pickle
import resource
import struct
import sys
import traceback
from typing import BinaryIO

from ingestor.runtime.memory import bound_memory, give_way

LENGTH = struct.Struct("<Q")


def read_frame(source: BinaryIO) -> bytes | None:
    """The next frame; None at the end, also in the middle of one."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    data = source.read(size)
    return data if len(data) == size else None


def write_frame(target: BinaryIO, data: bytes) -> None:
    """Raises BrokenPipeError when the other side is gone."""
    target.write(LENGTH.pack(len(data)))
    target.write(data)
    target.flush()


def _limit_time(seconds: float) -> None:
    """End with SIGXCPU after so much processor time, at most a second more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _answer(request: bytes) -> bytes:
    name, arguments, seconds = pickle.loads(request)  # noqa: S301 - of the parent
    _limit_time(seconds)
    module, _, function = name.partition(":")
    try:
        return pickle.dumps((True, getattr(importlib.import_module(module), function)(*arguments)), 5)
    except MemoryError:
        os._exit(1)
    except Exception as error:
        traceback.print_exc()
        return pickle.dumps((False, type(error).__name__), 5)


def main() -> None:
    """Answer requests until stdin ends."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    give_way()
    bound_memory(int(sys.argv[2]), for_ever=True)
    importlib.import_module(sys.argv[1])
    write_frame(target, b"")
    while (request := read_frame(source)) is not None:
        write_frame(target, _answer(request))


if __name__ == "__main__":
    main()
