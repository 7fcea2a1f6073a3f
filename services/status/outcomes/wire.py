"""Outcomes of batches as messages of the internal contract."""

from __future__ import annotations

from collections.abc import Iterator

from ingestor.internal.v1 import ledger_pb2
from ingestor.services.status.ledger import Batch
from ingestor.services.status.outcomes.spans import BatchOutcome
from ingestor.v1 import common_pb2

_SPANS = 10_000  # in a message, which has room for 5 MiB


def range_message(batch: Batch) -> common_pb2.BatchRange:
    """The boundaries of a batch."""
    return common_pb2.BatchRange(
        batch_number=batch.number, first_row=batch.first_row, row_count=batch.row_count,
        first_line=batch.first_line, byte_start=batch.byte_start, byte_end=batch.byte_end,
    )  # fmt: skip


def outcome_messages(outcome: BatchOutcome) -> Iterator[ledger_pb2.ListOutcomesResponse]:
    """The messages of a batch, at least one."""
    batch, spans = outcome.batch, outcome.spans or ()
    done = outcome.succeeded + outcome.failed + outcome.skipped
    for start in range(0, max(1, len(spans)), _SPANS):
        yield ledger_pb2.ListOutcomesResponse(
            batch=range_message(batch),
            counts=common_pb2.RowCounts(
                read=batch.row_count, succeeded=outcome.succeeded, failed=outcome.failed,
                skipped=outcome.skipped, unprocessed=batch.row_count - done,
            ),
            spans=[
                ledger_pb2.RowSpan(
                    first_row=span.first_row, row_count=span.row_count,
                    state=int(span.state),  # type: ignore[arg-type]
                    code=span.code,
                    phase=span.phase,  # type: ignore[arg-type]
                    repaired=span.repaired,
                )
                for span in spans[start : start + _SPANS]
            ],
        )  # fmt: skip
