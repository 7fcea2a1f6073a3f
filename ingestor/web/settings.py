"""Settings of the page server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebSettings(BaseSettings):
    """Environment variables INGESTOR_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    listen: str = Field("0.0.0.0:8000", description="HTTP server, host:port; port 0 picks one.")
    page_dir: str = Field("", description="Folder of the built page; empty: the installed one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level to log."
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    drain_seconds: float = Field(
        5, ge=0, le=300, description="Most seconds to wait for responses at SIGTERM."
    )
