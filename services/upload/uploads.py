"""Uploads and deliveries: the domain's words and rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class UploadState(StrEnum):
    """Where an upload stands."""

    OPEN = "open"
    COMPLETED = "completed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in; `declared_size` is 0 when the client did not say."""

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

    @property
    def whole(self) -> bool:
        """Whether all of the file is there, as far as is known before it is complete."""
        return self.state is not UploadState.OPEN or 0 < self.declared_size <= self.committed_size


@dataclass(frozen=True, slots=True)
class Content:
    """What the orchestrator is brought: the file itself, or what it was converted to."""

    file_key: str
    size: int
    normal_form: bool
    dialect: str  # JSON: declared and detected


@dataclass(frozen=True, slots=True)
class Delivery:
    """A complete file that is to be handed to the orchestrator."""

    process_id: str
    upload: Upload
    pipeline: str
    pipeline_version: int
    attempts: int
    dialect: str = "{}"  # as declared
    content: Content | None = None  # None until the file was looked at
