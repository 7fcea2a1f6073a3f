"""Settings of the converter."""

from __future__ import annotations

from pydantic import Field

from ingestor.access.settings import InternalSettings
from ingestor.runtime.settings import FileStoreSettings, HostSettings, Settings


class ConversionSettings(Settings):
    """How files are converted: by the upload service itself, or by a converter."""

    max_expanded_bytes: int = Field(
        200 * 2**30, ge=1, description="Most bytes that a compressed file may expand to."
    )
    converter_memory_bytes: int = Field(
        8 * 2**30, ge=2**29, description="Address space of a process that converts a file."
    )
    scratch_dir: str = Field("", description="Folder for temporary files; empty: the system's.")


class ConverterSettings(HostSettings, InternalSettings, FileStoreSettings, ConversionSettings):
    """Environment variables INGESTOR_<FIELD>."""

    conversions_at_once: int = Field(
        4, ge=1, le=64, description="Files converted at the same time, each in a process; others wait."
    )
