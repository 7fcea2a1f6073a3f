"""Outcomes of rows as messages of the contract, and back; nothing else translates them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from ingestor.internal.v1 import ledger_pb2
from ingestor.outcomes import DisplacedRow, Notice, Phase, RejectedRow, RejectedState, RowError
from ingestor.readings import FieldReading
from ingestor.runs import RejectedRun
from ingestor.states import PHASE_WORDS, PHASES, ROW_STATE_WORDS, ROW_STATES
from ingestor.v1 import common_pb2, processor_pb2


def error_message(error: RowError) -> common_pb2.RowError:
    """The message of an error."""
    return common_pb2.RowError(
        code=error.code, field=error.field, value=error.value, message=error.message,
        phase=PHASES[error.phase],
    )  # fmt: skip


def row_error(message: common_pb2.RowError) -> RowError:
    """The error in a message. Raises ValueError when its phase is unknown."""
    if message.phase not in PHASE_WORDS:
        raise ValueError("the phase of an error is PARSE, VALIDATE or LOAD")
    phase = cast("Phase", PHASE_WORDS[message.phase])
    return RowError(message.code, message.field, message.value, message.message, phase)


def rejected_message(row: RejectedRow, labels: Sequence[str] = ()) -> processor_pb2.RejectedRow:
    """The message of a rejected row; `labels` name for each error the column of the file that it is about."""
    message = processor_pb2.RejectedRow(error_labels=labels)
    fill_rejected(message, row)
    return message


def fill_rejected(message: processor_pb2.RejectedRow, row: RejectedRow) -> None:
    """Put a rejected row into an empty message. Where that is within another one already, this takes half of
    the time: nothing is copied."""
    message.row_number, message.line_number = row.row_number, row.line_number
    message.state = ROW_STATES[row.state]
    message.cells.extend(row.cells)
    for code, field, value, text, phase in row.errors:
        message.errors.add(code=code, field=field, value=value, message=text, phase=PHASES[phase])


def rejected_row(message: processor_pb2.RejectedRow) -> RejectedRow:
    """The rejected row in a message. Raises ValueError when its state is another one, or the phase of an
    error is unknown."""
    state = ROW_STATE_WORDS.get(message.state)
    if state not in ("failed", "skipped"):
        raise ValueError("the state of a rejected row is FAILED or SKIPPED")
    return RejectedRow(
        message.row_number,
        message.line_number,
        cast("RejectedState", state),
        tuple(map(row_error, message.errors)),
        tuple(message.cells),
    )


def run_message(run: RejectedRun) -> ledger_pb2.RejectedRun:
    """The message of a run."""
    return ledger_pb2.RejectedRun(
        first=rejected_message(run.first), row_count=run.row_count, line_numbers=run.lines, rest=run.rest,
        rest_size=run.rest_size,
    )  # fmt: skip


def rejected_run(message: ledger_pb2.RejectedRun) -> RejectedRun:
    """The run in a message. Raises ValueError when it is none, or its rows cannot be read."""
    run = RejectedRun(
        rejected_row(message.first), message.row_count, tuple(message.line_numbers), message.rest,
        message.rest_size,
    )  # fmt: skip
    run.check()
    return run


def displaced_message(row: DisplacedRow) -> ledger_pb2.DisplacedRow:
    """The message of a displaced row."""
    return ledger_pb2.DisplacedRow(row_number=row.row_number, error=error_message(row.error))


def displaced_row(message: ledger_pb2.DisplacedRow) -> DisplacedRow:
    """The displaced row in a message. Raises ValueError when it has no error, or one of an unknown phase."""
    return DisplacedRow(message.row_number, row_error(message.error))


def notice_message(notice: Notice) -> common_pb2.Notice:
    """The message of a notice."""
    return common_pb2.Notice(
        code=notice.code, message=notice.message, rows=notice.rows, row_numbers=notice.row_numbers
    )


def notices_in(messages: Iterable[common_pb2.Notice]) -> tuple[Notice, ...]:
    """The notices in messages."""
    return tuple(
        Notice(found.code, found.message, found.rows, tuple(found.row_numbers)) for found in messages
    )


def reading_message(found: FieldReading) -> common_pb2.FieldReading:
    """The message of a field's reading."""
    values = [common_pb2.ReadValue(written=text, understood=value) for text, value in found.values]
    return common_pb2.FieldReading(field=found.field, label=found.label, values=values)


def field_reading(message: common_pb2.FieldReading) -> FieldReading:
    """The reading of a field in a message."""
    values = tuple((value.written, value.understood) for value in message.values)
    return FieldReading(message.field, message.label, values)
