"""Ingestions and their batches: the domain's words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IngestionState(StrEnum):
    """What is wanted next."""

    ANNOUNCED = "announced"  # nothing yet: what is to be read is not known
    OPEN = "open"  # bytes
    DISPATCHED = "dispatched"  # nothing, every batch is in the queue
    STOPPED = "stopped"  # nothing, the file is unusable or the process was cancelled


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is to be ingested."""

    process_id: str
    tenant: str
    upload_id: str
    file_name: str
    size_bytes: int
    pipeline: str
    pipeline_version: int
    repairs: str = ""  # the process whose failed rows it brings again
    retry: bool = False  # they are read from that process's own file, not from a corrected report


@dataclass(frozen=True, slots=True)
class Content:
    """What is read: the file itself, or what it was converted to."""

    file_key: str
    size_bytes: int
    normal_form: bool
    dialect: str  # JSON: declared and detected


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header told: the columns' names (all different, but for those left out, which are ""),
    the delimiter and the quote, and where the data begin (offset in bytes, physical line)."""

    columns: tuple[str, ...]
    delimiter: str
    data_start: int
    data_line: int
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class RetriedRows:
    """The rows of a retry's batch, by their numbers in the process that is repaired, ascending;
    `first_row` is the number there of the first record of the batch's bytes."""

    rows: tuple[int, ...]
    first_row: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Boundaries of a batch; rows, lines and batches are numbered from 1, offsets are bytes."""

    number: int
    first_row: int
    row_count: int
    first_line: int
    next_line: int  # on which the record behind the batch starts
    byte_start: int
    byte_end: int
    retried: RetriedRows | None = None  # of its records only these are meant


@dataclass(frozen=True, slots=True)
class Ingestion:
    """An ingestion as it is stored."""

    file: FileInfo
    content: Content | None  # None while ANNOUNCED
    state: IngestionState
    paused: bool
    layout: Layout | None


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on: the next batch's number and first row, line and byte."""

    number: int
    row: int
    line: int
    offset: int


def position_after(layout: Layout | None, last: Batch | None) -> Position:
    """Where to go on after the last recorded batch: behind it, else behind the header, else at the
    file's beginning."""
    if last is not None:
        return Position(last.number + 1, last.first_row + last.row_count, last.next_line, last.byte_end)
    if layout is not None:
        return Position(1, 1, layout.data_line, layout.data_start)
    return Position(1, 1, 1, 0)
