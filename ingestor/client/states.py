"""States of processes and rows, in the words of the contract."""

from __future__ import annotations

from enum import StrEnum

from ingestor.states import TERMINAL
from ingestor.v1 import common_pb2


class ProcessState(StrEnum):
    """Where a process stands; compares equal to its name: `process.state == "COMPLETED"`."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this client does not know."""
    PENDING = "PENDING"
    DISPATCHING = "DISPATCHING"
    PROCESSING = "PROCESSING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNDONE = "UNDONE"

    @property
    def ended(self) -> bool:
        """Whether a process in this state has ended."""
        return self in _ENDED


class RowState(StrEnum):
    """Where a row stands."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this client does not know."""
    QUEUED = "QUEUED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNPROCESSED = "UNPROCESSED"


def process_state(number: int) -> ProcessState:
    """The state that a number of the contract stands for."""
    return _PROCESS_STATES.get(number, ProcessState.UNSPECIFIED)


def row_state(number: int) -> RowState:
    """The state that a number of the contract stands for."""
    return _ROW_STATES.get(number, RowState.UNSPECIFIED)


_PROCESS_STATES: dict[int, ProcessState] = {
    common_pb2.ProcessState.Value(f"PROCESS_STATE_{state}"): state for state in ProcessState
}
_ROW_STATES: dict[int, RowState] = {
    common_pb2.RowState.Value(f"ROW_STATE_{state}"): state for state in RowState
}
_ENDED = frozenset(map(process_state, TERMINAL))
