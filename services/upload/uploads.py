"""Uploads and deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingestor.outcomes import Notice
from ingestor.reports import OriginalTable


class UploadState(StrEnum):
    """The state of an upload."""

    OPEN = "open"
    COMPLETED = "completed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sends; `declared_size` is 0 when the client did not declare it."""

    upload_id: str
    tenant: str
    request_id: str | None
    file_name: str
    declared_size: int
    file_key: str
    state: UploadState
    committed_size: int
    process_id: str | None
    created: datetime
    creator: str = ""  # who sends it

    @property
    def whole(self) -> bool:
        """Whether all bytes have arrived; False for an open upload of unknown size."""
        return self.state is not UploadState.OPEN or 0 < self.declared_size <= self.committed_size


@dataclass(frozen=True, slots=True)
class Content:
    """What the orchestrator reads: the file itself, or its conversion."""

    file_key: str
    size: int
    normal_form: bool
    dialect: str  # JSON: declared and detected
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair file repairs: a process, its table and its pipeline."""

    process_id: str
    pipeline: str
    pipeline_version: int
    table: OriginalTable


@dataclass(frozen=True, slots=True)
class Delivery:
    """A complete file to be streamed to the orchestrator."""

    process_id: str
    upload: Upload
    pipeline: str
    pipeline_version: int
    attempts: int
    dialect: str = "{}"  # as declared
    content: Content | None = None  # None until the file is converted
    repair: Repair | None = None  # set when the file is a repair file
    traceparent: str | None = None  # of the call that completed the upload
    failures: int = 0  # attempts that failed for a reason that may repeat
