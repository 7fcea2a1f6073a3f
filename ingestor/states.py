"""States of a process, as the contract has them, for all who ask the status service."""

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
