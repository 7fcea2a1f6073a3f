"""Processes, their states and the legal transitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from ingestor.outcomes import Notice


class ProcessState(IntEnum):
    """The state of a process; the numbers are those of the contract and of the database."""

    PENDING = 1
    DISPATCHING = 2
    PROCESSING = 3
    PAUSED = 4
    COMPLETED = 5
    COMPLETED_WITH_ERRORS = 6
    FAILED = 7
    CANCELLED = 8
    UNDONE = 9


S = ProcessState
_ENDS = frozenset({S.COMPLETED, S.COMPLETED_WITH_ERRORS, S.FAILED, S.CANCELLED})
TERMINAL = _ENDS | {S.UNDONE}

# The states that may follow each state. Reports may arrive in any order, so a process may skip states. After
# a terminal state only an undo may follow, or COMPLETED when a repair leaves no failed row.
TRANSITIONS: dict[ProcessState, frozenset[ProcessState]] = {
    S.PENDING: _ENDS | {S.DISPATCHING, S.PROCESSING, S.PAUSED},
    S.DISPATCHING: _ENDS | {S.PROCESSING, S.PAUSED},
    S.PROCESSING: _ENDS | {S.PAUSED},
    S.PAUSED: _ENDS | {S.PENDING, S.DISPATCHING, S.PROCESSING},
    **dict.fromkeys(_ENDS, frozenset({S.UNDONE})),
    S.COMPLETED_WITH_ERRORS: frozenset({S.COMPLETED, S.UNDONE}),
    S.UNDONE: frozenset(),
}


class RowState(IntEnum):
    """The state of a row; the numbers are those of the contract and of the database."""

    QUEUED = 1
    SUCCEEDED = 2
    FAILED = 3
    SKIPPED = 4
    UNPROCESSED = 5


class IllegalTransitionError(Exception):
    """The state of the process does not allow the change."""

    def __init__(self, state: ProcessState, wanted: ProcessState) -> None:
        super().__init__(f"a process that is {state.name} cannot become {wanted.name}")
        self.state = state


def check_transition(state: ProcessState, wanted: ProcessState) -> bool:
    """Whether the state changes. Raises IllegalTransitionError when it must not."""
    if state is wanted:
        return False
    if wanted not in TRANSITIONS[state]:
        raise IllegalTransitionError(state, wanted)
    return True


@dataclass(frozen=True, slots=True)
class Info:
    """The file, pipeline and origin of a process."""

    process_id: str
    tenant: str
    upload_id: str
    file_name: str
    size_bytes: int
    pipeline: str
    pipeline_version: int
    repairs: str = ""  # the repaired process, if any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a process as a whole failed."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Undo:
    """What an undo did to rows of the sink."""

    removed: int
    restored: int
    kept: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process in the ledger. Counts are rows."""

    info: Info
    state: ProcessState
    read: int
    succeeded: int
    failed: int
    skipped: int
    batches_dispatched: int
    batches_processed: int
    bytes_dispatched: int
    message_bytes: int
    message_units: int  # what the queue bills for messages that are sent
    columns: tuple[str, ...]
    dialect: str
    content_bytes: int
    failure: Failure | None
    created: datetime
    updated: datetime
    ended: datetime | None
    expires: datetime | None = None  # when the records of its rows are, or were, removed
    expired: bool = False
    undo: Undo | None = None
    notices: tuple[Notice, ...] = ()
    pause_reason: str = ""  # why the suite itself paused it
    pause_resumes: bool = False  # the suite resumes it by itself

    @property
    def terminal(self) -> bool:
        """Whether the process has ended."""
        return self.state in TERMINAL

    @property
    def unprocessed(self) -> int:
        """Rows that were read and never got an outcome; 0 until the process has ended."""
        left = self.read - self.succeeded - self.failed - self.skipped
        assert left >= 0, f"process {self.info.process_id}: more outcomes than rows"
        return left if self.terminal else 0
