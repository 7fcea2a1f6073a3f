"""The suite from Python: `from ingestor import Client, AsyncClient`."""

from ingestor.client.aio import AsyncClient, AsyncPipelines
from ingestor.client.aio_process import AsyncProcess
from ingestor.client.errors import (
    AbortedError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    IngestorError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
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

__all__ = [
    "AbortedError",
    "AsyncClient",
    "AsyncPipelines",
    "AsyncProcess",
    "Batch",
    "Client",
    "DataLossError",
    "DeadlineExceededError",
    "DryRun",
    "ErrorGroup",
    "Event",
    "FailedPreconditionError",
    "Failure",
    "IngestorError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "Notice",
    "Overview",
    "PermissionDeniedError",
    "PipelineVersion",
    "Pipelines",
    "Process",
    "ProcessState",
    "Queues",
    "Report",
    "ResourceExhaustedError",
    "Row",
    "RowCounts",
    "RowError",
    "RowState",
    "RowVersion",
    "TableDraft",
    "UnauthenticatedError",
    "UnavailableError",
    "UndoCounts",
    "UnimplementedError",
    "Upload",
    "UploadProgress",
]
