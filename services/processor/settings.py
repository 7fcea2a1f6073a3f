"""Settings of the processor."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import AccessSettings
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import FileStoreSettings, QueueSettings, RemovalSettings, ServiceSettings


class ProcessorSettings(
    ServiceSettings, AccessSettings, QueueSettings, QueueNames, FileStoreSettings, RemovalSettings
):
    """Environment variables INGESTOR_<FIELD>."""

    status_address: str = Field("status:50051", description="host:port of the status service.")
    orchestrator_address: str = Field(
        "orchestrator:50051", description="host:port of the orchestrator (pipelines)."
    )
    concurrency: int = Field(2, ge=1, le=32, description="Batches in work at once.")
    visibility_seconds: int = Field(
        60, ge=3, le=43_200, description="How long a received message stays hidden; extended while in work."
    )
    dry_runs: int = Field(
        4, ge=1, le=32, description="Dry runs into tables at once; each has a connection to PostgreSQL."
    )
