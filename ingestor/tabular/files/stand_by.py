"""A process that reads one file, started before the file is there: to import what reading takes is half a
second.

    python -m ingestor.tabular.files.stand_by LINE [MODULE ...]

LINE is the number of an open socket. Imports the modules and what they import late, and waits for one task on
the socket: {"module", "folder"} as JSON, with the open files FILE, CONTENT and the module's own. Then it is
that module's process (see file_process), in that folder. Ends when the socket is closed before.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence

from ingestor.runtime.memory import give_way, memory_of
from ingestor.tabular.files import file_process

_TASK_BYTES = 16_384  # the most that a task takes
_FILES = 8  # the most that come with a task


def main(line: int, modules: Sequence[str]) -> int:
    """The exit status of the module that the task names; 0 without a task."""
    give_way()
    for name in modules:
        importlib.import_module(name)
    if modules:
        own = memory_of("VmData") or 0
        file_process.load_late()
        file_process.early_bytes = (memory_of("VmData") or 0) - own
    with socket.socket(fileno=line) as waiting:
        text, files, _, _ = socket.recv_fds(waiting, _TASK_BYTES, _FILES)
    if not text:
        return 0
    task = json.loads(text)
    for standard, number in enumerate(files[:2]):
        os.dup2(number, standard)
        os.close(number)
    os.chdir(task["folder"])
    os.environ |= {"HOME": task["folder"], "TMPDIR": task["folder"]}
    tempfile.tempdir = None  # what an import has asked for may have been another
    sys.argv[1:] = map(str, files[2:])
    status: int = importlib.import_module(task["module"]).main()
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
