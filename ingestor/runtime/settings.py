"""Settings that services share. Each is an environment variable with the prefix INGESTOR_."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ingestor.runtime.grpc.credentials import TlsFiles
from ingestor.runtime.secrets import SecretFileError, secret_from_environment

_PREFIX = "INGESTOR_"
_TLS_MODES = ("require", "verify-ca", "verify-full")


class _Secrets(PydanticBaseSettingsSource):
    """Secrets of the environment: INGESTOR_X, or the content of the file that INGESTOR_X_FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of a field; None unless it is a secret that is set."""
        if field.annotation is not SecretStr:
            return None, field_name, False
        return secret_from_environment(f"{_PREFIX}{field_name.upper()}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """Settings from the environment: a field `x_y` is INGESTOR_X_Y. A secret may also be in the file that
    INGESTOR_X_Y_FILE names; its field then always has what the file says now."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says, then secrets, then other variables."""
        return init_settings, _Secrets(settings_cls), env_settings


class TlsSettings(Settings):
    """Mutual TLS between services. The files may be replaced while the service runs."""

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


class HostSettings(TlsSettings):
    """Settings of every service, whatever it works with."""

    listen: str = Field("0.0.0.0:50051", description="gRPC server, host:port; port 0 picks one.")
    metrics_listen: str = Field(
        "0.0.0.0:9090",
        description="HTTP for Prometheus (/metrics) and probes (/livez, /readyz); empty: none.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level to log."
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    reflection: Literal["off", "service", "suite"] = Field(
        "off", description="gRPC reflection: own services only, or every service of the suite."
    )
    memory_bytes: int = Field(
        0,
        ge=0,
        description="Most memory of its own that the service may take, in bytes (Linux); 0: no bound but the "
        "machine's or the container's.",
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
        1000,
        ge=1,
        le=100_000,
        description="Most calls at a time, streams apart; others get UNAVAILABLE (TOO_MANY_CALLS). Services "
        "have as many again for each other.",
    )
    max_concurrent_streams: int = Field(
        500, ge=1, le=100_000, description="Most streams at a time; others get UNAVAILABLE (TOO_MANY_CALLS)."
    )


class AwsSettings(Settings):
    """AWS. Credentials come from where botocore finds them: environment, files, web identity, container,
    instance."""

    aws_endpoint_url: str | None = Field(None, description="Endpoint of SQS and S3; unset: AWS itself.")
    aws_region: str = Field(
        "",
        description="AWS region; empty: AWS_REGION, AWS_DEFAULT_REGION or that of the profile, and us-east-1 "
        "if there is none but an endpoint.",
    )
    aws_ca: str = Field(
        "",
        description="File of the CAs (PEM) that vouch for the endpoint; empty: the system's.",
    )


class DatabaseSettings(AwsSettings):
    """PostgreSQL, and how to log in there: by AWS's credentials too."""

    database_url: SecretStr = Field(description="DSN of PostgreSQL, postgresql://role:password@host:port/db.")
    database_password: SecretStr = Field(
        SecretStr(""), description="The role's password, if it is not in the DSN."
    )
    database_auth: Literal["password", "rds-iam"] = Field(
        "password", description="rds-iam: log in by tokens of AWS IAM, made for each connection."
    )
    database_pooler: Literal["none", "transaction"] = Field(
        "none",
        description="transaction: INGESTOR_DATABASE_URL leads to a pooler in transaction mode, such as "
        "pgbouncer.",
    )
    database_direct_url: SecretStr = Field(
        SecretStr(""),
        description="With a pooler: DSN of PostgreSQL itself, for work that needs a session of its own.",
    )
    database_pool_size: int = Field(10, ge=2, le=500, description="Most connections to PostgreSQL.")

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        urls = {"URL": self.database_url.get_secret_value()}
        direct = self.database_direct_url.get_secret_value()
        if self.database_pooler == "transaction":
            if not direct:
                raise ValueError(
                    "INGESTOR_DATABASE_POOLER is transaction, so INGESTOR_DATABASE_DIRECT_URL must lead to "
                    "PostgreSQL itself"
                )
            urls["DIRECT_URL"] = direct
        elif direct:
            raise ValueError(
                "INGESTOR_DATABASE_DIRECT_URL is for a pooler: set INGESTOR_DATABASE_POOLER=transaction, or "
                "leave it out"
            )
        for name, url in urls.items():
            self._check_login(f"INGESTOR_DATABASE_{name}", url)
        return self

    def _check_login(self, name: str, url: str) -> None:
        parts = urlsplit(url)
        has_password = bool(parts.password) or "password" in parse_qs(parts.query)
        if has_password and self.database_password.get_secret_value():
            raise ValueError(f"{name} has a password, and INGESTOR_DATABASE_PASSWORD is set; leave one")
        if self.database_auth == "password":
            return
        if has_password or self.database_password.get_secret_value():
            raise ValueError("INGESTOR_DATABASE_AUTH is rds-iam, so there must be no password")
        if not (parts.username and parts.hostname):
            raise ValueError(f"INGESTOR_DATABASE_AUTH is rds-iam, so {name} must name role and host")
        if parse_qs(parts.query).get("sslmode", [""])[0] not in _TLS_MODES:
            raise ValueError(
                f"INGESTOR_DATABASE_AUTH is rds-iam, so {name} must ask for TLS: add "
                "?sslmode=verify-full&sslrootcert=FILE"
            )


class ServiceSettings(HostSettings, DatabaseSettings):
    """Settings of every service with a database."""

    sample_seconds: float = Field(
        15, ge=1, le=300, description="Seconds between two measurements of tables and queues for /metrics."
    )


class QueueSettings(AwsSettings):
    """The SQS endpoint."""


class FileStoreSettings(AwsSettings):
    """Where uploaded files are stored."""

    file_store: Literal["disk", "s3"] = Field("disk", description="Kind of file store.")
    file_store_dir: str = Field("/var/lib/ingestor/files", description="Folder of the disk store.")
    disk_reserve_bytes: int = Field(
        2**30,
        ge=0,
        description="Free space that the disk of the store keeps, at most a tenth of it: there it takes no "
        "files any more. Conversions may use half of that.",
    )
    s3_bucket: str = Field("ingestor-files", description="Bucket of the S3 store.")
    s3_prefix: str = Field("", description="Prefix of the names of its objects.")


class CheckSettings(Settings):
    """Checks of what callers send, in processes that may die of them."""

    check_processes: int = Field(
        2,
        ge=1,
        le=16,
        description="Processes that check documents and dry runs, started when needed. If there are several, "
        "the last one is for tenants that have none.",
    )
    check_seconds: float = Field(
        10,
        ge=1,
        le=300,
        description="Most seconds of processor time for checking a document, or a piece of a dry run; it may "
        "last four times as long.",
    )
    check_memory_bytes: int = Field(
        384 * 2**20,
        ge=256 * 2**20,
        description="Most memory of its own that such a process may take, in bytes (Linux).",
    )


class RemovalSettings(Settings):
    """How the records of deleted and expired processes are removed."""

    removal_poll_seconds: float = Field(
        3, gt=0, description="Seconds between two looks at the log of removals."
    )


S = TypeVar("S", bound=BaseSettings)


def load_settings(cls: type[S]) -> S:
    """Read settings from the environment; on invalid ones name them on stderr and exit with status 2."""
    try:
        return cls()
    except SecretFileError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in problem["loc"])
            where = f"{_PREFIX}{name.upper()}" if name else ""  # the message names several settings itself
            secret = problem["type"] == "missing" and cls.model_fields[name].annotation is SecretStr
            what = f"needed, or {where}_FILE" if secret else problem["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"{where}: {what}\n" if where else f"{what}\n")
        raise SystemExit(2) from None


def without_settings() -> dict[str, str]:
    """The environment without the settings of a service and of AWS, some of which are secrets: for programs
    that read files of strangers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("INGESTOR_", "AWS_"))}
