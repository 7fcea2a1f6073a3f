"""What a call of the client may raise; no exception of gRPC leaves the client."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn

import grpc

from ingestor.client.channel import refused_hint, tls_problem
from ingestor.runtime.grpc.error_details import error_details


class IngestorError(Exception):
    """A call failed.

    `code` is the gRPC status ("NOT_FOUND"), `reason` says more to a program ("PROCESS_NOT_FOUND"; empty
    when the server gave none), `message` is one sentence for a person, `fields` maps the path of each
    wrong field of a request (a JSON Pointer in pipeline documents) to what is wrong with it, and
    `metadata` holds further facts.
    """

    code = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        fields: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.reason = reason
        self.message = message
        self.fields = dict(fields or {})
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        """The message, then a line for each wrong field."""
        return "\n".join([self.message, *(f"{path}: {wrong}" for path, wrong in self.fields.items())])


class InvalidArgumentError(IngestorError):
    """The request is wrong whatever the state of the suite; `fields` says where."""

    code = "INVALID_ARGUMENT"


class NotFoundError(IngestorError):
    """What the request names does not exist."""

    code = "NOT_FOUND"


class FailedPreconditionError(IngestorError):
    """The state of the suite does not allow the request; `reason` says why."""

    code = "FAILED_PRECONDITION"


class AbortedError(IngestorError):
    """The operation was interrupted and may be started again."""

    code = "ABORTED"


class ResourceExhaustedError(IngestorError):
    """A limit is reached: a file is too large, too many dry runs are running, ..."""

    code = "RESOURCE_EXHAUSTED"


class QuotaExceededError(ResourceExhaustedError):
    """A quota of the tenant is used up (QUOTA_EXCEEDED)."""

    @property
    def quota(self) -> str:
        """Which: `bytes_stored`, `rows_per_day`, ..."""
        return self.metadata.get("quota", "")

    @property
    def limit(self) -> int | None:
        """The most that may be used."""
        return _number(self.metadata.get("limit"))

    @property
    def used(self) -> int | None:
        """How much is used."""
        return _number(self.metadata.get("used"))

    @property
    def until(self) -> datetime | None:
        """When the use starts from 0 again; None: not by itself."""
        try:
            return datetime.fromisoformat(self.metadata["reset_time"])
        except (KeyError, ValueError):
            return None


class PermissionDeniedError(IngestorError):
    """The caller is known and may not do this: it lacks the role (ROLE_MISSING), has none in the tenant
    (NOT_A_MEMBER), or has to choose one of its `tenants` (TENANT_NOT_CHOSEN)."""

    code = "PERMISSION_DENIED"

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants to choose from."""
        return tuple(filter(None, self.metadata.get("tenants", "").split(",")))


class UnauthenticatedError(IngestorError):
    """The suite, or a proxy before it, wants to know who calls (TOKEN_MISSING), or does not accept the token
    (TOKEN_INVALID, TOKEN_EXPIRED, KEY_INVALID, LOGIN_ENDED)."""

    code = "UNAUTHENTICATED"


class UnimplementedError(IngestorError):
    """The suite does not know the call: it is older than the client, or the address is another's."""

    code = "UNIMPLEMENTED"


class DataLossError(IngestorError):
    """The bytes that arrived are not those that were announced."""

    code = "DATA_LOSS"


class FileChangedError(DataLossError):
    """The file changed while it was sent: what was sent is none of its states, so nothing is loaded."""


class UnavailableError(IngestorError):
    """The suite could not be reached, or the connection was lost and did not come back in time. With the
    reason TLS_FAILED its certificate is not trusted, and it was not called."""

    code = "UNAVAILABLE"


class DeadlineExceededError(IngestorError):
    """There was no answer within `timeout`; what was asked for may happen nevertheless."""

    code = "DEADLINE_EXCEEDED"


class InternalError(IngestorError):
    """The suite failed; its log says why."""

    code = "INTERNAL"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


TLS_FAILED = "TLS_FAILED"
_BY_CODE = {cls.code: cls for cls in IngestorError.__subclasses__()}
# What to do, beside what the suite says.
_REMEDIES = {
    "TOKEN_MISSING": "Sign in by `ingestor login`, or set INGESTOR_TOKEN (in Python: `Client(token=...)`).",
    "TOKEN_EXPIRED": "Sign in again by `ingestor login`, or set INGESTOR_TOKEN to a new one.",
    "TOKEN_INVALID": "Sign in by `ingestor login`, or set INGESTOR_TOKEN to a token of this suite.",
    "KEY_INVALID": "Ask an admin of your tenant for another one.",
    "ROLE_MISSING": "`ingestor whoami` says which roles you have; an admin of your tenant gives them.",
}
# The connection's fault, unless the server gives a reason of its own.
_OF_CONNECTION = {"CANCELLED", "UNKNOWN", "INTERNAL"}


def from_rpc(error: grpc.aio.AioRpcError) -> IngestorError:
    """The IngestorError of a failed call."""
    code = error.code().name
    details = error_details(error)
    fields = dict[str, str]()
    for field, description in details.violations:
        before = fields.get(field)
        fields[field] = f"{before}; {description}" if before else description
    message = error.details() or code
    if code == UnavailableError.code and not details.reason:
        if problem := tls_problem(message):
            return UnavailableError(f"the gateway cannot be trusted: {problem}", reason=TLS_FAILED)
        message = refused_hint(message) or message
    known = _BY_CODE.get(code, IngestorError)
    if known is UnauthenticatedError and not details.reason:  # of the gateway, which looks first
        message = f"{message.rstrip('.')}. {_REMEDIES['TOKEN_INVALID']}"
    elif known in (UnauthenticatedError, PermissionDeniedError) and details.reason in _REMEDIES:
        message = f"{message} {_REMEDIES[details.reason]}"
    elif details.reason == "TENANT_NOT_CHOSEN":
        tenants = details.metadata.get("tenants", "").replace(",", ", ")
        message = (
            f"You have roles in several tenants: {tenants}. Choose one by --tenant or INGESTOR_TENANT "
            "(in Python: `Client(tenant=...)`)."
        )
    elif details.reason == "QUOTA_EXCEEDED":
        known = QuotaExceededError
    return known(message, code=code, reason=details.reason, fields=fields, metadata=details.metadata)


def is_transient(error: IngestorError) -> bool:
    """Whether the same call may succeed once the connection is back."""
    if error.reason == TLS_FAILED:
        return False
    return error.code == "UNAVAILABLE" or (error.code in _OF_CONNECTION and not error.reason)


# What a refused upload can still be completed with: another pipeline or dialect, or the same later.
_MENDABLE = {"PIPELINE_NOT_FOUND", "PROCESS_RUNNING", "INVALID_DIALECT", "QUOTA_EXCEEDED"}


def can_resume(error: BaseException) -> bool:
    """Whether an upload that ended with this error may be resumed: its connection was lost, the call was
    stopped, or what was wrong is not the file."""
    if not isinstance(error, IngestorError):
        return True
    if is_transient(error) or isinstance(error, DeadlineExceededError | UnauthenticatedError):
        return True
    return error.reason in _MENDABLE


def raise_missing_package(what: str, error: ImportError) -> NoReturn:
    """Raise ImportError: `what` needs packages that the command line's extra brings."""
    raise ImportError(
        f"{what} needs {error.name}, which is not installed: pip install 'data-ingestor[cli]'",
        name=error.name,
    ) from error
