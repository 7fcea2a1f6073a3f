"""Settings that services share. Each is an environment variable with the prefix INGESTOR_."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingestor.runtime.grpc.credentials import TlsFiles


class TlsSettings(BaseSettings):
    """Mutual TLS between services. The files may be replaced while the service runs."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    tls_cert: str = Field("", description="File of this service's certificate (PEM); empty: no TLS.")
    tls_key: str = Field("", description="File of its private key (PEM, without a password).")
    tls_ca: str = Field("", description="File of the CA that signs the services' certificates (PEM).")

    @cached_property
    def tls(self) -> TlsFiles | None:
        """The files; None without TLS."""
        if not self.tls_cert:
            return None
        return TlsFiles(Path(self.tls_cert), Path(self.tls_key), Path(self.tls_ca))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        files = {"CERT": self.tls_cert, "KEY": self.tls_key, "CA": self.tls_ca}
        missing = [f"INGESTOR_TLS_{name}" for name, path in files.items() if not path]
        if 0 < len(missing) < len(files):
            raise ValueError(f"{' and '.join(missing)} must be set too, or none of INGESTOR_TLS_*")
        _ = self.tls  # raises TlsFileError, a ValueError
        return self


class ServiceSettings(TlsSettings):
    """Settings of every service. A field `x_y` is read from INGESTOR_X_Y."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    listen: str = Field("0.0.0.0:50051", description="gRPC server, host:port; port 0 picks one.")
    metrics_listen: str = Field(
        "0.0.0.0:9090",
        description="HTTP for Prometheus (/metrics) and probes (/livez, /readyz); empty: none.",
    )
    database_url: SecretStr = Field(description="DSN of PostgreSQL, postgresql://role:password@host:port/db.")
    database_pool_size: int = Field(10, ge=2, le=500, description="Most connections to PostgreSQL.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level to log."
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    reflection: Literal["off", "service", "suite"] = Field(
        "off", description="gRPC reflection: own services only, or every service of the suite."
    )
    drain_seconds: float = Field(
        15, ge=0, le=300, description="Most seconds to wait for work in flight at SIGTERM."
    )
    lame_duck_seconds: float = Field(
        0,
        ge=0,
        le=120,
        description="Seconds after SIGTERM for which calls are still answered, though it is not ready.",
    )
    max_connection_age_seconds: float = Field(
        300,
        ge=0,
        le=86400,
        description="Clients are told to connect anew after so many seconds, give or take a tenth; 0: never.",
    )
    max_concurrent_rpcs: int = Field(
        1000, ge=1, le=100_000, description="Most calls at a time; others get UNAVAILABLE (TOO_MANY_CALLS)."
    )


class AwsSettings(BaseSettings):
    """The AWS endpoint. Credentials come from the usual AWS environment or role."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    aws_endpoint_url: str | None = Field(None, description="Endpoint of SQS and S3; unset: AWS itself.")
    aws_region: str = Field("us-east-1", description="AWS region.")
    aws_ca: str = Field(
        "",
        description="File of the CAs (PEM) that vouch for the endpoint; empty: the system's.",
    )


class QueueSettings(AwsSettings):
    """The SQS endpoint."""


class FileStoreSettings(AwsSettings):
    """Where uploaded files are stored."""

    file_store: Literal["disk", "s3"] = Field("disk", description="Kind of file store.")
    file_store_dir: str = Field("/var/lib/ingestor/files", description="Folder of the disk store.")
    s3_bucket: str = Field("ingestor-files", description="Bucket of the S3 store.")
    s3_prefix: str = Field("", description="Prefix of the names of its objects.")


class RemovalSettings(BaseSettings):
    """How the records of deleted and expired processes are removed."""

    model_config = SettingsConfigDict(env_prefix="INGESTOR_", extra="ignore", frozen=True)

    removal_poll_seconds: float = Field(
        3, gt=0, description="Seconds between two looks at the log of removals."
    )


S = TypeVar("S", bound=BaseSettings)


def load_settings(cls: type[S]) -> S:
    """Read settings from the environment; on invalid ones name them on stderr and exit with status 2."""
    try:
        return cls()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "".join(f"_{part}" for part in problem["loc"]).upper()
            where = f"INGESTOR{name}: " if name else ""  # the message names several settings itself
            sys.stderr.write(f"{where}{problem['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from None


def without_settings() -> dict[str, str]:
    """The environment without the settings of a service and of AWS, some of which are secrets: for programs
    that read files of strangers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("INGESTOR_", "AWS_"))}
