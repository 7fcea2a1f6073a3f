"""Uploads and deliveries: the domain's words and rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# How much of a file is needed to know its type.
TYPE_BYTES = 8192
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an XLSX workbook"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"PAR1", "a Parquet file"),
    (b"\xd0\xcf\x11\xe0", "an old Microsoft Office file"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe", "UTF-16 or UTF-32 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\x00\x00\xfe\xff", "UTF-32 text"),
)


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


@dataclass(frozen=True, slots=True)
class Delivery:
    """A complete file that is to be handed to the orchestrator."""

    process_id: str
    upload: Upload
    pipeline: str
    pipeline_version: int
    attempts: int


def foreign_type(head: bytes) -> str | None:
    """What the first bytes of a file are when they are not those of a text table (UTF-8 or another
    encoding without NUL); None when they may be. Goes by content, never by name."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"MZ") and b"\0" in head:
        return "a program"
    return "binary data" if b"\0" in head else None
