"""Settings of the status service."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import AccessSettings
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import QueueSettings, ServiceSettings


class StatusSettings(ServiceSettings, AccessSettings, QueueSettings, QueueNames):
    """Environment variables INGESTOR_<FIELD>."""

    retention_days: float = Field(
        30, ge=0, description="Days from the end of a process until its file and rows are removed; 0: never."
    )
    audit_retention_days: int = Field(365, ge=30, description="Days after which audit records are removed.")
    event_retention_days: int = Field(30, ge=1, description="Days after which published events are removed.")
    read_seconds: float = Field(
        5,
        ge=1,
        le=60,
        description="Most seconds of a statement that looks through lists for a caller, after half as many "
        "of waiting.",
    )
