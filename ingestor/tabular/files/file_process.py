"""What the processes that read one file have in common: what they are asked, how they are confined, what they
answer.

    MODULE REQUEST RESULT < FILE > CONTENT (started by stand_by)

REQUEST and RESULT are numbers of open files. REQUEST holds a Request as JSON. RESULT becomes a JSON object:
the module's answer, or {"reason", "message"} with exit status 3; either with `peak_memory_bytes`.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from ingestor.reports import OriginalTable
from ingestor.runtime.memory import memory_of
from ingestor.runtime.sandbox import confine
from ingestor.tabular.errors import TOO_MUCH_MEMORY, UNREADABLE, UnreadableFileError
from ingestor.tabular.files.containers import ExpansionLimits
from ingestor.tabular.options import ENCODINGS, ReadOptions, parse_options

early_bytes = 0
"""Of memory, that this process has loaded for other files than its own: the bound does not count them."""
_RESULT_BYTES = 64 * 2**20  # of a file that the process writes


@dataclass(frozen=True, slots=True)
class Request:
    """What to do with a file. Not by arguments: a name may look like an option, and a dialect may be larger
    than the system takes."""

    memory_bytes: int
    """Address space."""
    cpu_seconds: int
    name: str = ""
    dialect: str = "{}"
    labels: tuple[str, ...] = ()
    """Those that the pipeline reads."""
    key: tuple[str, ...] = ()
    """Columns that may be a key, for an inspection."""
    rows: int = 0
    """At most so many, for a look at the beginning."""
    whole: bool = True
    """False: more of the file may follow."""
    max_bytes: int = ExpansionLimits().max_bytes
    max_ratio: int = ExpansionLimits().max_ratio
    repaired: str = ""
    """The OriginalTable as JSON, for a repair file."""

    @property
    def options(self) -> ReadOptions:
        """The declared options."""
        return parse_options(self.dialect)

    @property
    def expansion(self) -> ExpansionLimits:
        """What the file may become."""
        return ExpansionLimits(max_bytes=self.max_bytes, max_ratio=self.max_ratio)

    @property
    def table(self) -> OriginalTable:
        """What a repair file repairs."""
        return OriginalTable.from_json(self.repaired)

    def to_json(self) -> str:
        """The request as text."""
        return json.dumps(asdict(self))


def answer_request(
    read: Callable[[Request, BinaryIO, BinaryIO], dict[str, Any]], load: Callable[[], object] = lambda: None
) -> int:
    """Do what a process is asked: `read` gets the request, the file and where its CONTENT goes, and returns
    the RESULT. Confines the process before; `load` loads what `read` may load late. Returns the exit status:
    0 or UNREADABLE."""
    with os.fdopen(int(sys.argv[1]), "rb") as asked:
        found = json.load(asked)

    def load_all() -> None:
        load_late()
        load()

    request = Request(**{**found, "labels": tuple(found["labels"]), "key": tuple(found["key"])})
    confine(
        memory_bytes=request.memory_bytes + early_bytes, cpu_seconds=request.cpu_seconds,
        file_bytes=_RESULT_BYTES, load=load_all,
    )  # fmt: skip
    status = 0
    try:
        with open(0, "rb", closefd=False) as file:
            answer = read(request, file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except UnreadableFileError as error:
        if error.reason == "FILE_UNREADABLE":
            traceback.print_exception(error)  # for the log of the service that runs this process
        # A message may quote what no text can hold.
        message = error.message.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
        answer, status = {"reason": error.reason, "message": message}, UNREADABLE
    except MemoryError:
        answer, status = {"reason": "FILE_TOO_COMPLEX", "message": TOO_MUCH_MEMORY}, UNREADABLE
    answer["peak_memory_bytes"] = memory_of("VmHWM")
    with os.fdopen(int(sys.argv[2]), "w", encoding="utf-8") as result:
        json.dump(answer, result, ensure_ascii=False)
    return status


def load_late() -> None:
    """Import what reading a file may import late."""

    from ingestor.tabular.files.encoding_guess import guess_encoding
    from ingestor.tabular.files.formats import parsers

    parsers()
    guess_encoding("имя,улица\nГруша,Большая\n".encode("cp1251"))  # imports more while it works
    for name in ENCODINGS:
        codecs.lookup(name)
