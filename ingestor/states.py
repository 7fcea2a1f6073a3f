"""States and phases: the contract's enumerations and the suite's own words for them."""

from __future__ import annotations

from ingestor.v1 import common_pb2

TERMINAL = frozenset(
    {
        common_pb2.PROCESS_STATE_COMPLETED,
        common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS,
        common_pb2.PROCESS_STATE_FAILED,
        common_pb2.PROCESS_STATE_CANCELLED,
        common_pb2.PROCESS_STATE_UNDONE,
    }
)
"""A process in one of these has ended."""

ROW_STATES = {
    "queued": common_pb2.ROW_STATE_QUEUED,
    "succeeded": common_pb2.ROW_STATE_SUCCEEDED,
    "failed": common_pb2.ROW_STATE_FAILED,
    "skipped": common_pb2.ROW_STATE_SKIPPED,
    "unprocessed": common_pb2.ROW_STATE_UNPROCESSED,
}
ROW_STATE_WORDS = {number: word for word, number in ROW_STATES.items()}

PHASES = {
    "parse": common_pb2.ERROR_PHASE_PARSE,
    "validate": common_pb2.ERROR_PHASE_VALIDATE,
    "load": common_pb2.ERROR_PHASE_LOAD,
}
PHASE_WORDS = {number: word for word, number in PHASES.items()}


def process_state_name(state: common_pb2.ProcessState.ValueType) -> str:
    """The state's name, such as "COMPLETED"; "UNSPECIFIED" for one that only a newer release knows."""
    if state not in common_pb2.ProcessState.values():
        state = common_pb2.PROCESS_STATE_UNSPECIFIED
    return common_pb2.ProcessState.Name(state).removeprefix("PROCESS_STATE_")


def process_state(name: str) -> common_pb2.ProcessState.ValueType:
    """The state of a name, such as "COMPLETED". Raises ValueError."""
    return common_pb2.ProcessState.Value(f"PROCESS_STATE_{name}")
