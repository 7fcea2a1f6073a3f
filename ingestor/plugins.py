"""The interfaces that outside packages implement, and how they are found (Python entry points)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    from ingestor.tabular.limits import Limits
    from ingestor.tabular.options import ReadOptions
    from ingestor.tabular.text_table import TextTable

PARSERS = "ingestor.parsers"


class ParsedTable(Protocol):
    """An open table."""

    @property
    def columns(self) -> Sequence[str]:
        """The labels of its columns as they stand in the file; may be blank or repeated."""
        ...

    def blocks(self) -> Iterator[TextTable]:
        """Its records in order, some thousand at a time.

        `row_index` and `rejected[].index` number a block's records from 0, `line_index` numbers the
        file's lines (or whatever a person finds a record by) from 0. A cell is text, null where the
        format knows a null. Values are written as the Table Schema's default formats have them:
        numbers exactly, `true`/`false`, ISO 8601 dates and times, nested values as JSON.

        Raises UnreadableFileError when the rest cannot be read.
        """
        ...


class TableParser(Protocol):
    """Reads one format. Made by calling the entry point's object without arguments."""

    name: str
    """What `format` in a dialect calls it."""

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether a file that begins so (after decompression; up to 64 KiB) is of this format. Goes by
        content; the name may only decide what content cannot."""
        ...

    def open(
        self, file: BinaryIO, options: ReadOptions, limits: Limits
    ) -> AbstractContextManager[ParsedTable]:
        """Open a table; `file` is seekable and at its start. Memory must not grow with the file.

        Raises UnreadableFileError.
        """
        ...


def has_outside_parsers() -> bool:
    """Whether there are any; loads none."""
    return len(entry_points(group=PARSERS)) > 0


def outside_parsers() -> list[TableParser]:
    """Parsers of installed packages, by name."""
    found = sorted(entry_points(group=PARSERS), key=lambda point: point.name)
    return [cast(TableParser, point.load()()) for point in found]
