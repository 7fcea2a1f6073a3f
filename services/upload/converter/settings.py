"""Settings of the converter."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import InternalSettings
from ingestor.runtime.settings import FileStoreSettings, HostSettings, Settings


class ConversionSettings(Settings):
    """How files are converted: by the upload service itself, or by a converter."""

    max_expanded_bytes: int = Field(
        200 * 2**30, ge=1, description="Most bytes that a file may expand to, or be converted to."
    )
    max_expansion_ratio: int = Field(
        100,
        ge=1,
        description="Most times its size that a file may expand to, or be converted to; 128 MiB are always "
        "allowed.",
    )
    converter_memory_bytes: int = Field(
        256 * 2**20,
        ge=192 * 2**20,
        description="Most memory of its own that a process that reads a file may take, in bytes (Linux).",
    )
    conversions_at_once: int = Field(
        3,
        ge=1,
        le=64,
        description="Files converted at the same time, each in a process; the last place is for a tenant "
        "that has none. One process more looks at files.",
    )
    conversion_seconds: int = Field(
        1800, ge=1, description="Processor time of a conversion; it may last twice as long."
    )
    scratch_dir: str = Field("", description="Folder for temporary files; empty: the system's.")


class ConverterSettings(HostSettings, InternalSettings, FileStoreSettings, ConversionSettings):
    """Environment variables INGESTOR_<FIELD>."""
