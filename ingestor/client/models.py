"""What the suite answers: frozen dataclasses, each with the protobuf message it was made from as `raw`.

Times are aware, in UTC; None where the suite gives none. Sizes are bytes, numbers of rows and lines
start at 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute  # `field` is the name of an attribute here
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ingestor.client.states import ProcessState, RowState, process_state, row_state
from ingestor.v1 import common_pb2, orchestrator_pb2, pipelines_pb2, processor_pb2, status_pb2, upload_pb2


def time_of(message: Message, name: str) -> datetime | None:
    """The field `name` of a message as an aware datetime; None when it is not set."""
    if not message.HasField(name):
        return None
    value: Timestamp = getattr(message, name)
    return value.ToDatetime(UTC)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Numbers of rows. Once a process has ended, read = succeeded + failed + skipped + unprocessed."""

    read: int
    succeeded: int
    failed: int
    skipped: int
    unprocessed: int
    raw: common_pb2.RowCounts = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: common_pb2.RowCounts) -> RowCounts:
        """From the message."""
        return cls(raw.read, raw.succeeded, raw.failed, raw.skipped, raw.unprocessed, raw)


@dataclass(frozen=True, slots=True)
class RowError:
    """One reason why a row was rejected or skipped. `phase` is PARSE, VALIDATE or LOAD; `field` is empty
    when the whole record is at fault; `value` is the rejected text, at most 1024 characters."""

    code: str
    field: str
    value: str
    message: str
    phase: str
    raw: common_pb2.RowError = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: common_pb2.RowError) -> RowError:
        """From the message."""
        known = raw.phase in common_pb2.ErrorPhase.values()
        phase = common_pb2.ErrorPhase.Name(raw.phase) if known else "ERROR_PHASE_UNSPECIFIED"
        return cls(raw.code, raw.field, raw.value, raw.message, phase.removeprefix("ERROR_PHASE_"), raw)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should know of a file or of its rows although it rejects none: a code, one sentence,
    how many rows it concerns (0: the file as a whole), and the numbers of the first of them."""

    code: str
    message: str
    rows: int
    row_numbers: tuple[int, ...]
    raw: common_pb2.Notice = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: common_pb2.Notice) -> Notice:
        """From the message."""
        return cls(raw.code, raw.message, raw.rows, tuple(raw.row_numbers), raw)


@dataclass(frozen=True, slots=True)
class RowVersion:
    """What a row was before the process `repaired_by` replaced it."""

    repaired_by: str
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]
    replaced: datetime | None
    raw: status_pb2.RowVersion = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: status_pb2.RowVersion) -> RowVersion:
        """From the message."""
        errors = tuple(map(RowError.of, raw.errors))
        return cls(raw.repair_process_id, errors, tuple(raw.cells), time_of(raw, "replace_time"), raw)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number, the physical line of the file on which it starts (0: only its batch is known),
    its state and, when it was rejected, every error and its cells in the order of the columns.
    `history` is filled by `Process.row` only."""

    number: int
    line: int
    state: RowState
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]
    batch: int = 0
    repairs_row: int = 0
    repaired_by: str = ""
    history: tuple[RowVersion, ...] = ()
    raw: status_pb2.Row | processor_pb2.RejectedRow = attribute(
        default_factory=status_pb2.Row, repr=False, compare=False
    )

    @classmethod
    def of(cls, raw: status_pb2.Row) -> Row:
        """From the message."""
        return cls(
            raw.row_number, raw.line_number, row_state(raw.state), tuple(map(RowError.of, raw.errors)),
            tuple(raw.cells), raw.batch_number, raw.repairs_row, raw.repaired_by_process_id,
            tuple(map(RowVersion.of, raw.history)), raw,
        )  # fmt: skip

    @classmethod
    def rejected(cls, raw: processor_pb2.RejectedRow) -> Row:
        """From a row of a dry run."""
        errors = tuple(map(RowError.of, raw.errors))
        return cls(raw.row_number, raw.line_number, row_state(raw.state), errors, tuple(raw.cells), raw=raw)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors of one code and field: how many, one of their messages, the first row that has one."""

    code: str
    field: str
    count: int
    example: str
    first_row: int
    raw: status_pb2.ErrorGroup = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: status_pb2.ErrorGroup) -> ErrorGroup:
        """From the message."""
        return cls(raw.code, raw.field, raw.count, raw.example_message, raw.first_row, raw)


@dataclass(frozen=True, slots=True)
class Event:
    """A point in a process's history: `type` such as "ingestion.completed", `data` its facts."""

    sequence: int
    id: str
    type: str
    process_id: str
    time: datetime | None
    data: Mapping[str, Any]
    raw: common_pb2.ProcessEvent = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: common_pb2.ProcessEvent) -> Event:
        """From the message."""
        data = json.loads(raw.data_json or "{}")
        return cls(raw.sequence, raw.event_id, raw.type, raw.process_id, time_of(raw, "time"), data, raw)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows that are loaded in one transaction; `processed` is None until they are."""

    number: int
    first_row: int
    row_count: int
    counts: RowCounts
    dispatched: datetime | None
    processed: datetime | None
    raw: status_pb2.Batch = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: status_pb2.Batch) -> Batch:
        """From the message."""
        return cls(
            raw.range.batch_number, raw.range.first_row, raw.range.row_count, RowCounts.of(raw.counts),
            time_of(raw, "dispatch_time"), time_of(raw, "process_time"), raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UndoCounts:
    """What an undo did to rows of the sink: `removed` were taken out, `restored` are again what they
    were before the process, `kept` were changed after it and left alone."""

    removed: int
    restored: int
    kept: int
    raw: status_pb2.UndoCounts | processor_pb2.UndoProcessResponse = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: status_pb2.UndoCounts | processor_pb2.UndoProcessResponse) -> UndoCounts:
        """From the message."""
        return cls(raw.removed, raw.restored, raw.kept, raw)


@dataclass(frozen=True, slots=True)
class PipelineVersion:
    """A version of a pipeline. `reference` ("name@version") names exactly this one; `created` is False
    when `apply` found the same document stored already."""

    name: str
    version: int
    document: Mapping[str, Any]
    stored: datetime | None
    created: bool
    raw: pipelines_pb2.Pipeline = attribute(repr=False, compare=False)

    @property
    def reference(self) -> str:
        """name@version."""
        return f"{self.name}@{self.version}"

    @classmethod
    def of(cls, raw: pipelines_pb2.Pipeline, created: bool = False) -> PipelineVersion:
        """From the message."""
        document = json.loads(raw.document_json or "{}")
        return cls(raw.name, raw.version, document, time_of(raw, "create_time"), created, raw)


@dataclass(frozen=True, slots=True)
class TableDraft:
    """A pipeline for a table that exists. `document` is to be completed and applied; rows must bring the
    fields `needed`, whose columns have no default and take no NULL."""

    document: Mapping[str, Any]
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What an ingestion would do: `counts.succeeded` rows would be loaded; `rows` are the first rejected
    or skipped ones, at most 1000 and about 2 MiB of them."""

    counts: RowCounts
    rows: tuple[Row, ...]
    notices: tuple[Notice, ...]
    raw: processor_pb2.DryRunResponse = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: processor_pb2.DryRunResponse) -> DryRun:
        """From the message."""
        rows, notices = map(Row.rejected, raw.rows), map(Notice.of, raw.notices)
        return cls(RowCounts.of(raw.counts), tuple(rows), tuple(notices), raw)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in: `committed` of `size` bytes are kept (size 0: not declared). `state` is OPEN,
    COMPLETED (then `process_id` is known) or ABORTED."""

    id: str
    file_name: str
    state: str
    size: int
    committed: int
    process_id: str
    raw: upload_pb2.Upload = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: upload_pb2.Upload) -> Upload:
        """From the message."""
        known = raw.state in upload_pb2.UploadState.values()
        state = upload_pb2.UploadState.Name(raw.state) if known else "UPLOAD_STATE_UNSPECIFIED"
        return cls(
            raw.upload_id, raw.file_name, state.removeprefix("UPLOAD_STATE_"), raw.declared_size,
            raw.committed_size, raw.process_id, raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What a report holds: its rows, its size in bytes, and the notices of the process."""

    rows: int
    size: int
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Queues:
    """Batches in the queue (approximately): waiting, being loaded; and dead letters in all."""

    waiting: int
    in_flight: int
    dead_letters: int
    raw: orchestrator_pb2.GetQueuesResponse = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: orchestrator_pb2.GetQueuesResponse) -> Queues:
        """From the message."""
        dead = raw.dead_letters.visible + raw.dead_letters.in_flight
        return cls(raw.rows.visible, raw.rows.in_flight, dead, raw)


@dataclass(frozen=True, slots=True)
class Overview:
    """Processes of an interval by state, and its rows by outcome; `raw.buckets` has them over time."""

    processes: Mapping[ProcessState, int]
    rows: RowCounts
    raw: status_pb2.GetOverviewResponse = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: status_pb2.GetOverviewResponse) -> Overview:
        """From the message."""
        rows = common_pb2.RowCounts()
        for bucket in raw.buckets:
            for name in ("read", "succeeded", "failed", "skipped", "unprocessed"):
                setattr(rows, name, getattr(rows, name) + getattr(bucket.counts, name))
        return cls({process_state(s.state): s.count for s in raw.states}, RowCounts.of(rows), raw)
