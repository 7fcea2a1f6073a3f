"""Settings of the upload service."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import AccessSettings
from ingestor.runtime.settings import FileStoreSettings, RemovalSettings, ServiceSettings
from ingestor.services.upload.converter.settings import ConversionSettings


class UploadSettings(ServiceSettings, AccessSettings, FileStoreSettings, RemovalSettings, ConversionSettings):
    """Environment variables INGESTOR_<FIELD>."""

    orchestrator_address: str = Field("orchestrator:50051", description="host:port of the orchestrator.")
    processor_address: str = Field("processor:50051", description="host:port of the processor (dry runs).")
    status_address: str = Field("status:50051", description="host:port of the status service (removals).")
    converter_address: str = Field(
        "",
        description="host:port of converters; empty: this process converts files, in processes of its own.",
    )
    max_upload_bytes: int = Field(100 * 2**30, ge=1, description="Largest file.")
    max_chunk_bytes: int = Field(
        2**20, ge=1024, le=4 * 2**20, description="Largest piece of a file in one message."
    )
    deliveries_at_once: int = Field(
        4,
        ge=1,
        le=64,
        description="Files delivered at the same time; the last place is kept for a tenant that has none, "
        "and further tenants without any have as many again.",
    )
    lease_seconds: float = Field(
        12, ge=3, description="Seconds of silence after which a delivery is free again."
    )
    abandoned_days: float = Field(
        7, gt=0, description="Days without a write after which an open upload is removed."
    )
