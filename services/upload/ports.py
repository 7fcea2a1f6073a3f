"""What the use cases need of the outside. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from ingestor.reports import RepairedTable
from ingestor.services.upload.checks import Excerpt, Verdict
from ingestor.services.upload.uploads import Content, Delivery, Repair, Upload


class Uploads(Protocol):
    """Uploads."""

    async def add(self, upload: Upload) -> Upload:
        """Store an upload; the one that is there when its tenant used the request id before."""
        ...

    async def get(self, upload_id: str) -> Upload | None:
        """An upload."""
        ...

    async def commit(self, upload_id: str, old: int, new: int, now: datetime) -> int:
        """Move the committed size of an open upload from `old` to `new`; the committed size that
        holds now, which is another one when somebody else wrote meanwhile."""
        ...

    async def complete(
        self,
        upload_id: str,
        process_id: str,
        pipeline: str,
        version: int,
        dialect: str,
        now: datetime,
        repair: Repair | None = None,
    ) -> str:
        """Close an open upload and add its delivery, in one transaction; the process that holds, an
        earlier one when it was complete already."""
        ...

    async def abort(self, upload_id: str) -> bool:
        """Drop an open upload; False when it is complete. Idempotent."""
        ...

    async def kept(self) -> tuple[int, int]:
        """Number and bytes of the files that are kept, complete or not."""
        ...

    async def abandoned(self, before: datetime, limit: int) -> Sequence[Upload]:
        """Open uploads that were not touched since that time."""
        ...


class Leavings(Protocol):
    """What is kept of a process here, to be removed."""

    async def close(self, process_id: str, now: datetime) -> bool:
        """Nobody takes the process's delivery any more; False while somebody holds it. Idempotent."""
        ...

    async def files(self, process_id: str) -> Sequence[str]:
        """Keys of all files of the process that there may be."""
        ...

    async def forget(self, process_id: str) -> None:
        """Remove its upload and its delivery. Idempotent."""
        ...


class Deliveries(Protocol):
    """Durable work with a lease."""

    async def take(self, owner: str, now: datetime, until: datetime) -> Delivery | None:
        """Lease a delivery that is due and that nobody holds; its attempts are counted."""
        ...

    async def renew(self, process_id: str, owner: str, until: datetime) -> bool:
        """Hold it longer; False when somebody else holds it."""
        ...

    async def keep_content(self, process_id: str, owner: str, content: Content) -> None:
        """Keep what is brought, so that the file is looked at once."""
        ...

    async def done(self, process_id: str, owner: str, now: datetime) -> None:
        """The file is handed on."""
        ...

    async def give_back(self, process_id: str, owner: str, due: datetime) -> None:
        """Let go of it; it is due again at that time."""
        ...

    async def waiting(self) -> int:
        """Deliveries that are not done."""
        ...


class Ingestion(Protocol):
    """The orchestrator."""

    async def prepare_repair(self, process_id: str) -> Repair:
        """What a repair of that process repairs. Raises NotFoundError and FailedPreconditionError as the
        contract says."""
        ...

    async def begin(self, delivery: Delivery) -> int | None:
        """Announce a file, and its content if that is known; the offset from which its content is
        wanted, None when nothing is wanted (yet)."""
        ...

    async def refuse(self, delivery: Delivery, reason: str, message: str) -> None:
        """Say that the file cannot be read. Idempotent."""
        ...

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:
        """Bring the file's bytes as (offset, data, last), in order; returns when the orchestrator has
        dispatched all of them or wants no more. Raises ServiceError when it refuses."""
        ...


class Pipelines(Protocol):
    """The orchestrator's catalogue of pipelines."""

    async def find(self, name: str, version: int | None) -> tuple[int, str]:
        """The version that a reference means, and its dialect (JSON). Raises NotFoundError."""
        ...

    async def dialect_of(self, document: str) -> str:
        """The dialect (JSON) of a document that is not stored. Raises InvalidArgumentError
        (INVALID_PIPELINE) with everything that is wrong with the document."""
        ...


class Checker(Protocol):
    """The processor's dry run."""

    async def check(self, pipeline: str, document: str, dialect: str, content: bytes) -> Verdict:
        """What would become of a table in normal form: with a stored pipeline, or a document, or (both
        empty) as JSON rows. Raises the ServiceErrors of ProcessorService.DryRun,
        and UnavailableError (PROCESSOR_UNAVAILABLE) when no processor runs."""
        ...


class Inspector(Protocol):
    """Looks at files without reading them to their end."""

    async def inspect(self, upload: Upload, dialect: str, rows: int) -> dict[str, Any]:
        """See ingestor.pipelines.inspection.inspect_file. Raises UnreadableFileError,
        ConverterCrashedError, FileMissingError."""
        ...

    async def excerpt(self, upload: Upload, dialect: str, rows: int) -> Excerpt:
        """At most `rows` of its first records, fewer where they are large. Raises the same."""
        ...


class ConverterCrashedError(Exception):
    """The converter ended without a verdict; it may do better the next time."""


class Converter(Protocol):
    """Looks at files and converts those that cannot be cut into batches as they are."""

    async def convert(self, upload: Upload, dialect: str, repaired: RepairedTable | None = None) -> Content:
        """What is to be brought of a complete file, which is a corrected report of the table `repaired` if
        there is one; durable when it returns. Deterministic, so that it may be done again after a crash.
        Raises UnreadableFileError, ConverterCrashedError,
        StoreFullError, FileMissingError."""
        ...
