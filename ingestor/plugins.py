"""The interfaces that outside packages implement, and how they are found (Python entry points).

examples/plugin_parser, examples/plugin_transform and examples/plugin_sink are whole packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast, runtime_checkable

if TYPE_CHECKING:  # not every service has pyarrow
    import pyarrow as pa

    from ingestor.tabular.files.formats import Guess
    from ingestor.tabular.limits import Limits
    from ingestor.tabular.options import ReadOptions
    from ingestor.tabular.text_table import TextTable

PARSERS = "ingestor.parsers"
TRANSFORMS = "ingestor.transforms"
SINKS = "ingestor.sinks"


class PlugInError(Exception):
    """A plug-in is not installed, is installed twice, cannot be imported or breaks its contract."""


def find_plug_in(group: str, kind: str, name: str) -> Callable[..., Any]:
    """Load the entry point of this name in a group; `kind` is what messages call it. Raises PlugInError."""
    found = entry_points(group=group, name=name)
    if not found:
        raise PlugInError(f"no {kind} is named {name}, neither built in nor installed")
    if len({point.value for point in found}) > 1:
        raise PlugInError(f"several installed packages have a {kind} {name}")
    try:
        loaded = next(iter(found)).load()
    except Exception as error:
        raise PlugInError(f"the {kind} {name} cannot be loaded") from error
    if not callable(loaded):
        raise PlugInError(f"the {kind} {name} is not callable")
    made: Callable[..., Any] = loaded
    return made


class ParsedTable(Protocol):
    """An open table."""

    @property
    def columns(self) -> Sequence[str]:
        """The labels of its columns as they stand in the file; may be blank or repeated."""
        ...

    def blocks(self) -> Iterator[TextTable]:
        """Its records in order, some thousand at a time.

        Each block counts its own records, in `row_index` from 0 and in `rejected[].row_number` from 1. Lines
        (or whatever a person finds a record by) are those of the file, in `line_index` from 0 and in
        `rejected[].line_number` from 1. A cell is text, null where the
        format knows a null. Values are written as the Table Schema's default formats have them:
        numbers exactly, `true`/`false`, ISO 8601 dates and times, nested values as JSON.

        Raises UnreadableFileError when the rest cannot be read.
        """
        ...


@runtime_checkable
class TellsGuesses(Protocol):
    """What a ParsedTable also has if it found out how the file is to be read."""

    @property
    def guesses(self) -> Sequence[Guess]:
        """The options that were detected, where the dialect declares none."""
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


@cache
def has_outside_parsers() -> bool:
    """Whether any outside parser was installed when this was first asked; loads none."""
    return len(entry_points(group=PARSERS)) > 0


def outside_parsers() -> list[TableParser]:
    """Parsers of installed packages, by name."""
    found = sorted(entry_points(group=PARSERS), key=lambda point: point.name)
    return [cast(TableParser, point.load()()) for point in found]


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a transform or a sink refuses a row: its 0-based position in the batch, the column at fault (or
    ""), the value at fault (or ""), and one sentence for a person."""

    position: int
    column: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Transformed:
    """The result of a transform: by label, arrays of text of the batch's length (null: a missing value), and
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
    """What a Transform also has if it can check its options."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Called when a pipeline is applied. Raises ValueError with one sentence."""
        ...


class TransientSinkError(Exception):
    """The sink cannot take the batch now: `write` is called again, after growing waits, until it can."""


class RefusedBatchError(Exception):
    """The sink will never take any row of the batch: all of them fail, with this sentence for a person. From
    `undo`: the undo is impossible."""


class WrongOptionError(ValueError):
    """An option is wrong: `path` leads to it below "options"; the message is a sentence without its
    subject."""

    def __init__(self, path: Sequence[str | int], message: str) -> None:
        super().__init__(message)
        self.path = tuple(path)


@dataclass(frozen=True, slots=True)
class SinkBatch:
    """n good rows of one file.

    `rows` has a column per field of the pipeline, under its name and in its order; null is a missing
    value. By the field's type: integer and year int64, boolean bool, date date32, datetime
    timestamp[us, UTC], every other one text: a number as it stands in the file, exactly (`Decimal` reads
    it), array and object as JSON. `row_numbers` (int64[n], ascending) are the rows' numbers in the file.
    `key` are the fields of the primary key; whether a key is taken is the sink's business. Of two rows
    with the same key in different processes the one of the greater `process_id` is the later.
    For failed rows of another process that are loaded again, `repairs` is that process, and the row numbers
    are those of its file.
    """

    tenant: str
    process_id: str
    number: int
    pipeline: str
    key: tuple[str, ...]
    rows: pa.Table
    row_numbers: pa.Int64Array
    repairs: str = ""


class RowSink(Protocol):
    """An open sink; made once for each pipeline's options in each processor."""

    def write(self, batch: SinkBatch) -> Sequence[RowFault]:
        """Store the rows durably and return those that are refused.

        Must be idempotent by (process_id, number): the sink cannot take part in the transaction that marks
        the batch as applied, so after a crash in between the same batch comes again with the same rows (a
        repair's perhaps without some that another repair has loaded since). As long as the connections to the
        database last, one processor at a time writes a batch; different batches are written at the same time,
        from several threads.

        Raises TransientSinkError, RefusedBatchError. After any other exception the batch is tried again, up
        to five times in all; then its rows are FAILED, even if the sink has stored some of them.
        """
        ...


@dataclass(frozen=True, slots=True)
class SinkUndo:
    """A request to take out what a process has loaded. `batches_of` are the process and its repairs: the
    `process_id` of every batch that loaded rows of it."""

    tenant: str
    process_id: str
    batches_of: tuple[str, ...]
    pipeline: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """Numbers of rows of the sink: taken out, set back to what they were before, and kept because a later
    process has changed them."""

    removed: int
    restored: int = 0
    kept: int = 0


@runtime_checkable
class UndoesProcesses(Protocol):
    """What a RowSink also has if it can undo."""

    def undo(self, undo: SinkUndo, *, dry_run: bool) -> Undone:
        """Take out what the process has loaded; with `dry_run` change nothing and only count. No batch of the
        process is written meanwhile or afterwards. Must be idempotent: after a crash the same undo comes
        again and counts only what it still finds. Raises TransientSinkError, and RefusedBatchError if it
        cannot undo, with nothing changed."""
        ...


class SinkMaker(Protocol):
    """What the entry point names: a class, or a function."""

    def __call__(self, options: Mapping[str, Any]) -> RowSink:
        """Make a sink with the document's options (fractions as Decimal). It is also called to check
        options when a pipeline is applied, so it connects to nothing. Raises WrongOptionError, or
        ValueError with a sentence."""
        ...
