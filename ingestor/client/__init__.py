"""The suite from Python: `from ingestor import Client, AsyncClient`."""

from ingestor.client.access.aio import AsyncAccess
from ingestor.client.access.models import ApiKey, AuditRecord, Identity, Member, Quota, Role, Tenant
from ingestor.client.access.sync import Access
from ingestor.client.aio import AsyncClient, AsyncPipelines
from ingestor.client.aio_process import AsyncProcess
from ingestor.client.errors import (
    AbortedError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    FileChangedError,
    IngestorError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from ingestor.client.fields import Failure
from ingestor.client.models import (
    Batch,
    DryRun,
    ErrorGroup,
    Event,
    Notice,
    Overview,
    PipelineVersion,
    Queues,
    Report,
    Row,
    RowCounts,
    RowError,
    RowVersion,
    TableDraft,
    UndoCounts,
    Upload,
)
from ingestor.client.states import ProcessState, RowState
from ingestor.client.sync import Client, Pipelines
from ingestor.client.sync_process import Process
from ingestor.client.upload import UploadProgress
from ingestor.client.verification.verify import Disagreement, PublicKey, Verification

__all__ = [
    "AbortedError",
    "Access",
    "ApiKey",
    "AsyncAccess",
    "AsyncClient",
    "AsyncPipelines",
    "AsyncProcess",
    "AuditRecord",
    "Batch",
    "Client",
    "DataLossError",
    "DeadlineExceededError",
    "Disagreement",
    "DryRun",
    "ErrorGroup",
    "Event",
    "FailedPreconditionError",
    "Failure",
    "FileChangedError",
    "Identity",
    "IngestorError",
    "InternalError",
    "InvalidArgumentError",
    "Member",
    "NotFoundError",
    "Notice",
    "Overview",
    "PermissionDeniedError",
    "PipelineVersion",
    "Pipelines",
    "Process",
    "ProcessState",
    "PublicKey",
    "Queues",
    "Quota",
    "QuotaExceededError",
    "Report",
    "ResourceExhaustedError",
    "Role",
    "Row",
    "RowCounts",
    "RowError",
    "RowState",
    "RowVersion",
    "TableDraft",
    "Tenant",
    "UnauthenticatedError",
    "UnavailableError",
    "UndoCounts",
    "UnimplementedError",
    "Upload",
    "UploadProgress",
    "Verification",
]
