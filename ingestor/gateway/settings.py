"""Settings of the gateway: who may call it, and the pages that may call it from a browser."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from ingestor.access.settings import IssuerSettings

_ORIGIN = re.compile(r"https?://[^/\s*?#@]+")


class GatewaySettings(IssuerSettings):
    """Environment variables INGESTOR_<FIELD>."""

    auth: Literal["required", "local"] = Field(
        "required",
        
        description="required: calls need a token; local: none does, and only this machine may call.",
,
    )
    oidc_jwks_seconds: float = Field(
        60, ge=1, le=86400, description="The gateway asks a URL for new keys after so many seconds."
    )
    cors_origins: str = Field(
        "",
        description="Origins of pages that may call the gateway, comma-separated: https://app.example.com.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in split_origins(value):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
        return value

    @property
    def origins(self) -> list[str]:
        """The named origins."""
        return split_origins(self.cors_origins)


def split_origins(text: str) -> list[str]:
    """The parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]
