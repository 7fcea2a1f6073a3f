"""The interfaces that outside packages implement, and how they are found (Python entry points).

examples/plugin_parser and examples/plugin_transform are whole packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast, runtime_checkable

if TYPE_CHECKING:  # not every service has pyarrow
    import pyarrow as pa

    from ingestor.tabular.limits import Limits
    from ingestor.tabular.options import ReadOptions
    from ingestor.tabular.text_table import TextTable

PARSERS = "ingestor.parsers"
TRANSFORMS = "ingestor.transforms"


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


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a transform refuses a row: its 0-based position in the batch, the column at fault (or ""),
    the value at fault (or ""), and one sentence for a person."""

    position: int
    column: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Transformed:
    """A transform's answer: arrays of text of the batch's length by label (null: a missing value), and
    the rows that it refuses. Columns that it does not return stay as they are."""

    columns: Mapping[str, pa.Array[Any] | pa.ChunkedArray[Any]]
    faults: Sequence[RowFault] = ()


class Transform(Protocol):
    """A function, or an object that can be called, which an entry point names. It must be pure: a batch
    may be transformed more than once, in pieces, and in several threads."""

    def __call__(self, table: pa.Table, options: Mapping[str, Any]) -> Transformed:
        """Transform a batch: columns of text by label, n rows; null is a value that an earlier step made
        missing. `options` are the document's, fractions as Decimal. What it raises fails the rows that
        make it raise."""
        ...


@runtime_checkable
class ChecksOptions(Protocol):
    """What a Transform also has when it can tell wrong options from right ones."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Called when a pipeline is applied. Raises ValueError with one sentence."""
        ...
