"""Settings of the orchestrator."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import AccessSettings
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import (
    CheckSettings,
    FileStoreSettings,
    QueueSettings,
    RemovalSettings,
    ServiceSettings,
)


class OrchestratorSettings(
    ServiceSettings,
    AccessSettings,
    QueueSettings,
    QueueNames,
    FileStoreSettings,
    RemovalSettings,
    CheckSettings,
):
    """Environment variables INGESTOR_<FIELD>."""

    database_pool_size: int = Field(
        20, ge=4, le=500, description="Most connections to PostgreSQL; a file being read holds one."
    )
    status_address: str = Field("status:50051", description="host:port of the status service.")
    max_batches_in_flight: int = Field(
        64,
        ge=1,
        description="Most batches without an outcome, of all files that are being read; fewer when work "
        "waits for the processors.",
    )
    slice_bytes: int = Field(
        2_500_000, ge=1_000, le=16_000_000, description="Most bytes of the file in one batch."
    )
    redispatch_seconds: float = Field(
        600, ge=1, description="Seconds without an outcome after which a batch is sent again."
    )
    lost_seconds: float = Field(
        10,
        ge=1,
        description="The same while the queue and its dead-letter queue are empty, so that the batch is "
        "lost.",
    )
