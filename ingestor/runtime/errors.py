"""Errors that may reach a client, and how they map to gRPC (AIP-193) and to retries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from ingestor.runtime.grpc.error_details import error_details

ERROR_DOMAIN = "ingestor"
# An error is metadata of gRPC, of which clients take 8 KiB in all. The message is sent twice: by itself,
# where a byte may take three, and in the details, in base64.
_MESSAGE_BYTES = 700
_VALUE_BYTES = 300
_VIOLATION_BYTES = 500  # of its field, and of its description
_BYTES = 5500  # before they are encoded, a message's bytes as four
_EACH = 8


@dataclass(frozen=True)
class FieldViolation:
    """One invalid field of a request: its path (`chunk.offset`, a JSON Pointer, ...) and why it is
    invalid."""

    field: str
    description: str


class ServiceError(Exception):
    """An error that a client may see: status code, UPPER_SNAKE reason, one sentence, and metadata.

    `message` goes to the client unchanged, so it must not contain SQL, secrets or stack traces.
    """

    code: grpc.StatusCode = grpc.StatusCode.INTERNAL

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_seconds: float | None = None,
    ) -> None:
        """`retry_seconds`: when the same call is worth a try again."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_seconds = retry_seconds


class InvalidArgumentError(ServiceError):
    """The request is invalid whatever the state of the system; do not repeat it."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class UnauthenticatedError(ServiceError):
    """Who calls is not known; the same request may succeed with a valid token."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDeniedError(ServiceError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class NotFoundError(ServiceError):
    """What the request names does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class FailedPreconditionError(ServiceError):
    """The state of the system does not allow the request; repeating it fails until that state changes."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class AbortedError(ServiceError):
    """The operation was interrupted; the client may repeat it."""

    code = grpc.StatusCode.ABORTED


class ResourceExhaustedError(ServiceError):
    """A limit or quota is used up."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class DataLossError(ServiceError):
    """Bytes differ from what was announced."""

    code = grpc.StatusCode.DATA_LOSS


class UnavailableError(ServiceError):
    """A dependency of the service does not answer; retry with backoff."""

    code = grpc.StatusCode.UNAVAILABLE


class TransientError(Exception):
    """An external system failed temporarily: the same call may succeed later."""


def _cut(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8, which says by an ellipsis that it was longer."""
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= most else data[: most - 3].decode(errors="ignore") + "…"


def _fitting(violations: Sequence[FieldViolation], left: int) -> Iterator[FieldViolation]:
    """As many of the violations as fit into so many bytes."""
    for one in violations:
        made = FieldViolation(_cut(one.field, _VIOLATION_BYTES), _cut(one.description, _VIOLATION_BYTES))
        left -= len(made.field.encode()) + len(made.description.encode()) + _EACH
        if left < 0:
            return
        yield made


def to_rpc_status(error: ServiceError) -> status_pb2.Status:
    """The google.rpc.Status of an error, with ErrorInfo, and BadRequest and RetryInfo if there is
    anything to say in them. What callers have sent may be in it, so what is too long is cut."""
    details = []
    message = _cut(error.message, _MESSAGE_BYTES)
    metadata = {name: _cut(value, _VALUE_BYTES) for name, value in error.metadata.items()}
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata))
    details.append(info)
    left = _BYTES - 4 * len(message.encode()) - info.ByteSize()
    if violations := list(_fitting(error.violations, left)):
        bad_request = any_pb2.Any()
        bad_request.Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
                    for v in violations
                ]
            )
        )
        details.append(bad_request)
    if error.retry_seconds is not None:
        retry, delay = any_pb2.Any(), duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_seconds * 1000))
        retry.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        details.append(retry)
    return status_pb2.Status(code=code_pb2.Code.Value(error.code.name), message=message, details=details)


_BY_CODE: dict[grpc.StatusCode, type[ServiceError]] = {
    cls.code: cls
    for cls in (
        InvalidArgumentError,
        UnauthenticatedError,
        PermissionDeniedError,
        NotFoundError,
        FailedPreconditionError,
        AbortedError,
        ResourceExhaustedError,
        DataLossError,
        UnavailableError,
    )
}
# Codes of calls that may succeed later.
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    # Services call each other by tokens of their own, wrong only while clocks differ or keys change.
    grpc.StatusCode.UNAUTHENTICATED,
}


def from_rpc_error(error: grpc.aio.AioRpcError) -> ServiceError | TransientError:
    """The error that a gRPC adapter raises for a failed call: the peer's ServiceError, or TransientError."""
    code = error.code()
    if code in _TRANSIENT:
        return TransientError(f"{code.name}: {error.details()}")
    details = error_details(error)
    reason, metadata = details.reason or "UNKNOWN", details.metadata
    violations = [FieldViolation(field, description) for field, description in details.violations]
    cls = _BY_CODE.get(code)
    if cls is None:
        unmapped = ServiceError(
            reason, error.details() or code.name, metadata=metadata, violations=violations
        )
        unmapped.code = code
        return unmapped
    return cls(reason, error.details() or code.name, metadata=metadata, violations=violations)
