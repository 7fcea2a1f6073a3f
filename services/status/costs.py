"""What AWS asks for a process (docs/operations/cost.md): requests to the queue and to the storage of files.

The prices are the list prices of us-east-1 of 2026 in US dollars, without free tiers.
"""

from __future__ import annotations

from dataclasses import dataclass

QUEUE_REQUEST = (0.40 + 0.10) / 1e6
"""A standard queue, and what its fairness costs more; aws.amazon.com/sqs/pricing."""

STORAGE_WRITE = 0.005 / 1e3
"""PUT, COPY, POST and LIST; aws.amazon.com/s3/pricing."""

STORAGE_READ = 0.0004 / 1e3
"""GET; aws.amazon.com/s3/pricing."""

_UNIT_BYTES = 64 * 2**10
_SEGMENT_BYTES = 8 * 2**20  # as ingestor.stores.s3 writes a file


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests of a process as AWS bills them."""

    rows: int
    queue_requests: int
    storage_writes: int
    storage_reads: int

    @property
    def dollars(self) -> float:
        """For all requests."""
        return (
            self.queue_requests * QUEUE_REQUEST
            + self.storage_writes * STORAGE_WRITE
            + self.storage_reads * STORAGE_READ
        )

    @property
    def dollars_per_million_rows(self) -> float:
        """For a million rows like these; 0 without rows."""
        return self.dollars / self.rows * 1e6 if self.rows else 0.0


def units(message_bytes: int) -> int:
    """Requests that SQS bills for a message that is sent, and again when it is received: each 64 KiB."""
    return -(-message_bytes // _UNIT_BYTES)


def cost(rows: int, messages: int, message_units: int, file_bytes: int) -> Cost:
    """The cost of rows that went in so many messages, of a file of so many bytes.

    Each message is sent, received and deleted once. The file is written in segments, which S3 then copies
    into one object (begin, copies, end, and two lists of them); each segment is read once.
    """
    segments = max(1, -(-file_bytes // _SEGMENT_BYTES))
    return Cost(rows, 2 * message_units + messages, 2 * segments + 4, segments)
