"""Settings of the gateway: who may call it, and the pages that may call it from a browser."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from ingestor.access.settings import IssuerSettings
from ingestor.runtime.addresses import split_address

_ORIGIN = re.compile(r"https?://[^/\s*?#@]+")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:\d+)?")


class GatewaySettings(IssuerSettings):
    """Environment variables INGESTOR_<FIELD>."""

    model_config = SettingsConfigDict(populate_by_name=True)

    auth: Literal["required", "local"] = Field(
        "required",
        description="required: calls need a token; local: none does, and only this machine may call.",
    )
    gateway_listen: str = Field("0.0.0.0:8080", description="Where clients and browsers call, host:port.")
    gateway_concurrency: int = Field(2, ge=1, le=256, description="Threads of Envoy that serve calls.")
    upload_address: str = Field("upload:50051", description="host:port of the upload service.")
    orchestrator_address: str = Field("orchestrator:50051", description="host:port of the orchestrator.")
    processor_address: str = Field("processor:50051", description="host:port of the processor.")
    status_address: str = Field("status:50051", description="host:port of the status service.")
    web_address: str = Field("web:8000", description="host:port of the page server.")
    oidc_jwks_seconds: float = Field(
        60, ge=1, le=86400, description="The gateway asks a URL for new keys after so many seconds."
    )
    cors_origins: str = Field(
        "",
        description="Origins of pages that may call the gateway, comma-separated: https://app.example.com.",
    )

    gateway_hosts: str = Field(
        "",
        description="Names under which the gateway answers, comma-separated: ingest.example.com, with a port "
        "if only that counts; empty: any, with INGESTOR_AUTH=local those of this machine alone.",
    )
    gateway_calls_per_second: int = Field(
        500,
        ge=0,
        le=1_000_000,
        description="Calls that one address may make in a second, and four times as many at once; 0: any "
        "number. Not with INGESTOR_AUTH=local.",
    )
    gateway_trusted_hops: int = Field(
        0,
        ge=0,
        le=10,
        description="Proxies before the gateway that add the address of who calls to x-forwarded-for.",
    )
    gateway_max_connections: int = Field(
        10_000, ge=10, le=1_000_000, description="Most connections at a time; further ones are closed."
    )
    gateway_memory_bytes: int = Field(
        256 * 2**20,
        ge=64 * 2**20,
        description="Near so much memory streams that buffer most are ended, and calls refused.",
    )
    metrics_listen: str = Field(
        "0.0.0.0:9090",
        description="Address of Prometheus /metrics, and of /livez and /readyz for probes; empty: none.",
    )
    gateway_tls_cert: str = Field(
        "", description="File of the certificate that clients are shown (PEM, with its chain); empty: no TLS."
    )
    gateway_tls_key: str = Field("", description="File of its private key (PEM).")
    tls_cert: str = Field(
        "", description="File of the gateway's certificate for the services (PEM); empty: no TLS to them."
    )
    tls_key: str = Field("", description="File of its private key (PEM).")
    tls_ca: str = Field("", description="File of the CA that signs the services' certificates (PEM).")
    lame_duck_seconds: float = Field(
        15,
        ge=0,
        le=120,
        description="--drain: seconds for which new calls are taken, though it is not ready.",
    )
    drain_seconds: float = Field(
        15, ge=0, le=300, description="--drain: most seconds to wait then for calls under way."
    )
    gateway_sds_dir: str = Field(
        "/etc/ingestor/sds", description="Folder for what tells Envoy the files of certificates; made here."
    )

    otlp_endpoint: str = Field(
        "",
        validation_alias=AliasChoices(
            "INGESTOR_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
        description="Collector of traces (OTLP by gRPC), http://collector:4317; empty: no traces. "
        "Unset: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    trace_ratio: float = Field(
        1,
        validation_alias=AliasChoices("INGESTOR_TRACE_RATIO", "OTEL_TRACES_SAMPLER_ARG"),
        description="Share of traces to record, 0 to 1. Unset: OTEL_TRACES_SAMPLER_ARG.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in split_origins(value):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
        return value

    @field_validator("gateway_hosts")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        for host in split_origins(value):
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not a host such as ingest.example.com or 10.1.2.3:8443")
        return value

    @model_validator(mode="after")
    def _files_come_together(self) -> Self:
        for names in (("gateway_tls_cert", "gateway_tls_key"), ("tls_cert", "tls_key", "tls_ca")):
            missing = [f"INGESTOR_{name.upper()}" for name in names if not getattr(self, name)]
            if 0 < len(missing) < len(names):
                others = [f"INGESTOR_{name.upper()}" for name in names if getattr(self, name)]
                raise ValueError(f"{' and '.join(missing)} must be set too, or {others[0]} not either")
        return self

    @model_validator(mode="after")
    def _traces_are_possible(self) -> Self:
        url = urlsplit(self.otlp_endpoint)
        if self.otlp_endpoint and (url.scheme not in ("http", "https") or not url.hostname):
            raise ValueError(
                f"INGESTOR_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_ENDPOINT): {self.otlp_endpoint!r} is not a "
                "URL such as http://collector:4317"
            )
        if not 0 <= self.trace_ratio <= 1:
            raise ValueError("INGESTOR_TRACE_RATIO (or OTEL_TRACES_SAMPLER_ARG) must be from 0 to 1")
        return self

    @field_validator(
        "gateway_listen", "upload_address", "orchestrator_address", "processor_address", "status_address",
        "web_address",
    )  # fmt: skip
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        split_address(value)
        return value

    @property
    def clusters(self) -> dict[str, list[str]]:
        """Name of a cluster -> its addresses, host:port; a name stands for all that DNS has."""
        return {
            "upload": [self.upload_address],
            "orchestrator": [self.orchestrator_address],
            "processor": [self.processor_address],
            "status": [self.status_address],
            "web": [self.web_address],
        }

    @property
    def hosts(self) -> list[str]:
        """The named hosts."""
        return split_origins(self.gateway_hosts)

    @property
    def origins(self) -> list[str]:
        """The named origins."""
        return split_origins(self.cors_origins)


def split_origins(text: str) -> list[str]:
    """The parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]
