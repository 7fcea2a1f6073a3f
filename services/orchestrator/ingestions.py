"""Ingestions and their batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingestor.outcomes import Notice


class IngestionState(StrEnum):
    """The state of an ingestion; the comments say what it waits for."""

    ANNOUNCED = "announced"  # the content
    OPEN = "open"  # the bytes of the content
    DISPATCHED = "dispatched"  # nothing: every batch is in the queue
    STOPPED = "stopped"  # nothing: the file is unusable, or the process was cancelled


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file to be ingested."""

    process_id: str
    tenant: str
    upload_id: str
    file_name: str
    size_bytes: int
    pipeline: str
    pipeline_version: int
    repairs: str = ""  # the repaired process
    retry: bool = False  # the rows are read from that process's file, not from a repair file


@dataclass(frozen=True, slots=True)
class Content:
    """What is read: the file itself, or its conversion."""

    file_key: str
    size_bytes: int
    normal_form: bool
    dialect: str  # JSON: declared and detected
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header tells: the names of the columns (distinct; "" for one that is not read), the delimiter
    and the quote, and where the data begin (offset in bytes, physical line)."""

    columns: tuple[str, ...]
    delimiter: str
    data_start: int
    data_line: int
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class RetriedRows:
    """The rows of a retry's batch, by their numbers in the repaired process, ascending. `first_row` is the
    number there of the first record in the batch's bytes."""

    rows: tuple[int, ...]
    first_row: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Boundaries of a batch; rows, lines and batches count from 1, offsets are in bytes."""

    number: int
    first_row: int
    row_count: int
    first_line: int
    next_line: int  # where the first record after the batch begins
    byte_start: int
    byte_end: int
    retried: RetriedRows | None = None  # of a retry: only these records are run


@dataclass(frozen=True, slots=True)
class Ingestion:
    """An ingestion as stored."""

    file: FileInfo
    content: Content | None  # None while ANNOUNCED
    state: IngestionState
    paused: bool
    layout: Layout | None
    paused_until: datetime | None = None  # when a pause by a quota ends; None: when a person says so


@dataclass(frozen=True, slots=True)
class Position:
    """Where to resume: number, first row, first line and first byte of the next batch."""

    number: int
    row: int
    line: int
    offset: int


def position_after(layout: Layout | None, last: Batch | None) -> Position:
    """Where to resume: after the last recorded batch, else after the header, else at the start."""
    if last is not None:
        return Position(last.number + 1, last.first_row + last.row_count, last.next_line, last.byte_end)
    if layout is not None:
        return Position(1, 1, layout.data_line, layout.data_start)
    return Position(1, 1, 1, 0)
