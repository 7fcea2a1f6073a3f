"""Ports of a verification: what other services say of a process, and the rows in its table."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestor.columns.arrow import Int64s
from ingestor.services.processor.batches import BatchRange, RowBatch
from ingestor.services.processor.ports import GoodRows, Loaded


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of rows."""

    read: int
    succeeded: int
    failed: int
    skipped: int
    unprocessed: int


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process as the ledger has it; `state` such as "COMPLETED", `repairs` the process that it repairs."""

    process_id: str
    tenant: str
    file_name: str
    size_bytes: int
    pipeline: str  # empty: JSON rows
    pipeline_version: int
    state: str
    ended: bool
    expired: bool
    repairs: str
    columns: tuple[str, ...]
    counts: Counts
    created: datetime
    updated: datetime
    end_time: datetime | None

    @property
    def undone(self) -> bool:
        """Whether its rows were taken out of the table again."""
        return self.state == "UNDONE"


@dataclass(frozen=True, slots=True)
class RowSpan:
    """Neighbouring rows in one state ("succeeded", ...), with code and phase of their first error.
    `repaired`: a repair has set it, and their values are not those of the file."""

    first_row: int
    row_count: int
    state: str
    code: str
    phase: str
    repaired: bool


@dataclass(frozen=True, slots=True)
class LedgerBatch:
    """A batch as the ledger has it. Without `spans` nothing is known of its single rows."""

    bounds: BatchRange
    counts: Counts
    spans: tuple[RowSpan, ...]


@dataclass(frozen=True, slots=True)
class StoredContent:
    """What the batches of a process are cut from: the key in the file store, and whether that is the file as
    it was sent."""

    file_key: str
    as_sent: bool


class Statements(Protocol):
    """What status and orchestrator say of a process. Raises TransientError, NotFoundError."""

    async def process(self, process_id: str) -> ProcessRecord:
        """The process."""
        ...

    def ledger(self, process_id: str) -> AsyncGenerator[LedgerBatch, None]:
        """Its batches as the ledger has them, by number."""
        ...

    def stored(self, process_id: str) -> AsyncGenerator[StoredContent | RowBatch | None, None]:
        """First what its batches are cut from (None: nothing was read), then the batches by number, with
        their places in the stored file. Raises NotFoundError when the records were removed."""
        ...


@dataclass(frozen=True, slots=True)
class TableBatch:
    """Rows of the process in its table: their numbers, ascending, a row that is there twice with two; those
    whose values differ, with the columns that do, as far as they were looked at; those that a later row with
    the same key has replaced."""

    numbers: Int64s
    different: Mapping[int, Sequence[str]]
    replaced: frozenset[int]


class TableView(Protocol):
    """The rows of one process in its table, as they were when it was opened. Raises TransientError."""

    @property
    def values_left_out(self) -> str:
        """Why values cannot be compared, a sentence for a person; empty when they can."""
        ...

    async def between(self, first: int, last: int, expected: GoodRows | None) -> TableBatch:
        """The rows with these numbers, compared with those that are expected."""
        ...

    async def chosen(self, numbers: Int64s, expected: GoodRows | None) -> TableBatch:
        """The same for rows with any numbers."""
        ...

    async def beyond(self, last: int, limit: int) -> tuple[int, Sequence[int]]:
        """How many rows have numbers below 1 or above `last`, and the first of these numbers."""
        ...


class UnreadableTableError(Exception):
    """The rows cannot be read or told from others; the message is for people. `gone`: there is no table."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class VerifiedTables(Protocol):
    """The tables that processes have loaded rows into."""

    def open(self, of: Loaded, chosen: Sequence[int] | None) -> AbstractAsyncContextManager[TableView]:
        """Look at the rows of a process, or at the chosen ones of them. Nothing is left behind, and no lock
        is held between two calls. Raises UnreadableTableError, TransientError."""
        ...
