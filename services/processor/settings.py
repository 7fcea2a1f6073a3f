"""Settings of the processor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ingestor.access.settings import AccessSettings
from ingestor.provisioning.table_schemas import TableSchemaSettings
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import (
    CheckSettings,
    FileStoreSettings,
    QueueSettings,
    RemovalSettings,
    ServiceSettings,
)


class ProcessorSettings(
    ServiceSettings,
    AccessSettings,
    QueueSettings,
    QueueNames,
    FileStoreSettings,
    RemovalSettings,
    CheckSettings,
    TableSchemaSettings,
):
    """Environment variables INGESTOR_<FIELD>."""

    processor_role: Literal["all", "worker", "api"] = Field(
        "all",
        description="worker: batches and dead letters, no calls; api: calls, undos and removals, no batches; "
        "all: both in one process.",
    )
    status_address: str = Field("status:50051", description="host:port of the status service.")
    orchestrator_address: str = Field(
        "orchestrator:50051", description="host:port of the orchestrator (pipelines)."
    )
    concurrency: int = Field(2, ge=1, le=32, description="Batches in work at once.")
    visibility_seconds: int = Field(
        12,
        ge=3,
        le=43_200,
        description="How long a received message stays hidden; extended while in work. A killed processor's "
        "batches go on after it.",
    )
    dry_runs: int = Field(
        4,
        ge=1,
        le=32,
        description="Dry runs into tables at once; each has a connection to PostgreSQL. One tenant has at "
        "most half of them.",
    )
    dry_run_idle_seconds: float = Field(
        30, ge=1, le=3600, description="Seconds that a dry run waits for more of its file before it ends."
    )
    dry_run_seconds: float = Field(900, ge=1, le=86_400, description="Most seconds of one dry run.")

    @property
    def works(self) -> bool:
        """Whether this process takes batches."""
        return self.processor_role != "api"

    @property
    def serves(self) -> bool:
        """Whether this process answers calls, and does what follows from them: undos, removals."""
        return self.processor_role != "worker"

    @property
    def connections(self) -> int:
        """Most connections to PostgreSQL: at least what the role's own work may hold at the same time."""
        # A batch holds one, so does a dead letter; a dry run holds one as long as its client sends. Health,
        # access and reports use the others.
        held = (self.concurrency + 1 if self.works else 0) + (self.dry_runs if self.serves else 0)
        return max(self.database_pool_size, held + 2)
