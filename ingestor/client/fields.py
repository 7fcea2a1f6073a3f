"""What a process handle knows of its process."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestor.client.models import Notice, RowCounts, UndoCounts, time_of
from ingestor.client.states import ProcessState, process_state
from ingestor.v1 import common_pb2, status_pb2


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a process as a whole failed: a reason such as "FILE_EMPTY", and a sentence."""

    reason: str
    message: str


class ProcessFields(ABC):
    """A process as it was at the last look (`refresh`, `wait` and `watch` look again)."""

    @property
    @abstractmethod
    def raw(self) -> status_pb2.Process:
        """The message."""

    @property
    def id(self) -> str:
        """Identifier, a UUID."""
        return self._info.process_id

    @property
    def state(self) -> ProcessState:
        """Where it stands; `state.ended` says whether that is for good."""
        return process_state(self.raw.state)

    @property
    def counts(self) -> RowCounts:
        """Rows so far."""
        return RowCounts.of(self.raw.counts)

    @property
    def progress(self) -> float:
        """Share of the file's rows that have an outcome, 0 to 1; estimated while the file is read."""
        if self.state.ended:
            return 1.0
        counts, raw = self.raw.counts, self.raw
        if not (counts.read and raw.content_bytes):
            return 0.0
        done = (counts.succeeded + counts.failed + counts.skipped) / counts.read
        return min(1.0, done * raw.bytes_dispatched / raw.content_bytes)

    @property
    def file_name(self) -> str:
        """The file's name as it was given."""
        return self._info.file_name

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self._info.size_bytes

    @property
    def upload_id(self) -> str:
        """The upload that holds the file."""
        return self._info.upload_id

    @property
    def pipeline(self) -> str | None:
        """name@version; None when rows are loaded as JSON."""
        return f"{self._info.pipeline}@{self._info.pipeline_version}" if self._info.pipeline else None

    @property
    def repairs(self) -> str | None:
        """The process that this one repairs."""
        return self._info.repairs_process_id or None

    @property
    def columns(self) -> tuple[str, ...]:
        """Labels of the file's columns in order; empty until its header is read."""
        return tuple(self.raw.columns)

    @property
    def dialect(self) -> Mapping[str, Any]:
        """How the file is read, declared and detected; empty until its header is read."""
        found: dict[str, Any] = json.loads(self.raw.dialect_json or "{}")
        return found

    @property
    def created(self) -> datetime | None:
        """When it was first heard of."""
        return time_of(self.raw, "create_time")

    @property
    def updated(self) -> datetime | None:
        """When it last changed."""
        return time_of(self.raw, "update_time")

    @property
    def ended(self) -> datetime | None:
        """When it ended; None while it runs."""
        return time_of(self.raw, "end_time")

    @property
    def expires(self) -> datetime | None:
        """When its file and its records of rows are removed; None while it runs, and when they stay."""
        return time_of(self.raw, "expire_time")

    @property
    def expired(self) -> bool:
        """Whether they are removed; its counts and its summary of errors are left."""
        return self.raw.expired

    @property
    def failure(self) -> Failure | None:
        """Why it FAILED."""
        if not self.raw.HasField("failure"):
            return None
        return Failure(self.raw.failure.reason, self.raw.failure.message)

    @property
    def pause_reason(self) -> str:
        """Why the suite itself paused it, when it is PAUSED: its table takes no rows any more. Empty when a
        person paused it."""
        return self.raw.pause_reason

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should know of how the file was understood, and of its rows."""
        return tuple(map(Notice.of, self.raw.notices))

    @property
    def undone(self) -> UndoCounts | None:
        """What its undo did, once it is UNDONE."""
        return UndoCounts.of(self.raw.undo) if self.raw.HasField("undo") else None

    @property
    def _info(self) -> common_pb2.ProcessInfo:
        return self.raw.info

    def __repr__(self) -> str:
        """Its identifier, file, state and counts."""
        counts = self.counts
        return (
            f"<{type(self).__name__} {self.id} {self.file_name!r} {self.state} "
            f"read={counts.read} succeeded={counts.succeeded} failed={counts.failed}>"
        )
