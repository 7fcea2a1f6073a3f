"""Reads the details that a failed call carries (AIP-193)."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The reason and metadata of the ErrorInfo ("" and {} without one), and the violations of the BadRequest
    as (field, description)."""

    reason: str
    metadata: dict[str, str]
    violations: list[tuple[str, str]]


def error_details(error: grpc.aio.AioRpcError) -> ErrorDetails:
    """The details of a failed call."""
    found = ErrorDetails("", {}, [])
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
                if detail.Unpack(info):
                    found = ErrorDetails(info.reason, dict(info.metadata), found.violations)
                elif detail.Unpack(bad_request):
                    found.violations.extend((v.field, v.description) for v in bad_request.field_violations)
    return found
