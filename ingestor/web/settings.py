"""Settings of the page server."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ingestor.runtime.settings import TlsSettings


class WebSettings(TlsSettings):
    """Environment variables INGESTOR_<FIELD>."""

    listen: str = Field("0.0.0.0:8000", description="HTTP server, host:port; port 0 picks one.")
    page_dir: str = Field("", description="Folder of the built page; empty: the installed one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level to log."
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    drain_seconds: float = Field(
        5, ge=0, le=300, description="Most seconds to wait for responses at SIGTERM."
    )
    lame_duck_seconds: float = Field(
        0,
        ge=0,
        le=120,
        description="Seconds after SIGTERM for which the page is still served, though it is not ready.",
    )
    auth: Literal["required", "local"] = Field(
        "required", description="required: people sign in; local: nobody does."
    )
    oidc_issuer: str = Field("", description="Where people sign in: the issuer of the tokens, a URL.")
    page_client_id: str = Field("ingestor-page", description="Name of the page at the issuer.")
    page_scope: str = Field("openid profile offline_access", description="What the page asks the issuer for.")
    page_resource: str = Field(
        "", description="Resource that the page's tokens are for (RFC 8707); empty: the issuer asks for none."
    )
    page_connect_origins: str = Field(
        "", description="Further origins of the issuer, comma-separated, if its token endpoint has another."
    )
    cli_client_id: str = Field(
        "ingestor-cli", description="Name of the command line at the issuer, for `ingestor login`."
    )

    @model_validator(mode="after")
    def _say_where_people_sign_in(self) -> Self:
        if self.auth == "required" and not self.oidc_issuer.startswith(("https://", "http://")):
            raise ValueError(
                "set INGESTOR_OIDC_ISSUER to the URL where people sign in, or INGESTOR_AUTH=local if none do"
            )
        return self
