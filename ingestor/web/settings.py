"""Settings of the page server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebSettings(BaseSettings):
    """Environment variables INGESTOR_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    listen: str = Field("0.0.0.0:8000", description="HTTP server, host:port; port 0 picks one.")
    page_dir: str = Field("", description="Folder of the built page; empty: the one that is installed.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    drain_seconds: float = Field(5, ge=0, le=300, description="Longest wait for answers at SIGTERM.")
