"""What a receipt says, see docs/guides/receipts.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ingestor.receipts.document import VERSION, batches_digest
from ingestor.runtime.release import this_release
from ingestor.services.processor.batches import BatchRange
from ingestor.services.processor.verification.comparison import Disagreements
from ingestor.services.processor.verification.ports import Counts, ProcessRecord


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch in a receipt. Hashes are "" and `rows_in_table` is None where nothing was compared."""

    bounds: BatchRange
    counts: Counts
    sha256: str = ""  # of its bytes in the file or its conversion
    outcomes_sha256: str = ""
    rows_in_table: int | None = None
    rows_replaced: int = 0

    def to_json(self) -> dict[str, Any]:
        """As the receipt has it."""
        bounds, counts = self.bounds, self.counts
        return {
            "number": bounds.number,
            "first_row": bounds.first_row,
            "row_count": bounds.row_count,
            "byte_start": bounds.byte_start,
            "byte_end": bounds.byte_end,
            "sha256": self.sha256,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "unprocessed": counts.unprocessed,
            "outcomes_sha256": self.outcomes_sha256,
            "rows_in_table": self.rows_in_table,
            "rows_replaced": self.rows_replaced,
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """What a verification has found."""

    file: dict[str, Any] | None
    batches: Sequence[BatchEntry]
    found: Disagreements
    left_out: Sequence[str]
    verified: int
    sample: int  # rows; 0: all
    in_table: int
    replaced: int


def receipt_of(process: ProcessRecord, findings: Findings, now: datetime) -> dict[str, Any]:
    """The receipt of a verification."""
    batches = [entry.to_json() for entry in findings.batches]
    return {
        "version": VERSION,
        "made": _time(now),
        "suite": this_release().version,
        "result": "disagrees" if findings.found.count else "agrees",
        "process": {
            "id": process.process_id,
            "tenant": process.tenant,
            "file_name": process.file_name,
            "pipeline": process.pipeline,
            "pipeline_version": process.pipeline_version,
            "state": process.state,
            "repairs": process.repairs,
            "created": _time(process.created),
            "ended": _time(process.end_time),
            "counts": asdict(process.counts),
        },
        "rows": {
            "verified": findings.verified,
            "sample": findings.sample,
            "in_table": findings.in_table,
            "replaced": findings.replaced,
        },
        "file": findings.file,
        "batches": batches,
        "batches_sha256": batches_digest(batches),
        "left_out": list(findings.left_out),
        "disagreements": {
            "count": findings.found.count,
            "first": [
                {"row": one.row, "batch": one.batch, "message": one.message} for one in findings.found.first
            ],
        },
    }


def _time(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
