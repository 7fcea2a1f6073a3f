"""Settings of access: who may call, and by what services know each other."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from ingestor.access.keyring import KeyRing
from ingestor.access.scope import DEFAULT_TENANT
from ingestor.runtime.addresses import split_address
from ingestor.runtime.settings import Settings

_LEAST_SECRET = 32  # characters


class NetworkSettings(Settings):
    """Who can reach what needs no token."""

    auth_local_network: Literal["loopback", "private"] = Field(
        "loopback",
        description="With INGESTOR_AUTH=local. loopback: listen on loopback only. private: the network has "
        "the suite's own containers alone; whoever else is on it is an admin.",
    )


class IssuerSettings(NetworkSettings):
    """Whose tokens count. Environment variables INGESTOR_<FIELD>, the same for services and gateway."""

    oidc_issuer: str = Field("", description="Issuer of people's tokens (OpenID Connect); empty: keys only.")
    oidc_audience: str = Field("ingestor", description="Audience that a token must name.")
    oidc_jwks: str = Field(
        "",
        description="URL or file of the issuer's public keys (JWKS); empty: as its discovery document says.",
    )
    oidc_clock_skew_seconds: float = Field(
        30, ge=0, le=300, description="How far the issuer's clock may differ."
    )


class InternalSettings(NetworkSettings):
    """How services know each other: all that a service needs which nobody else calls. Environment variables
    INGESTOR_<FIELD>."""

    auth: Literal["required", "local"] = Field(
        "required",
        description="required: every call needs a token or key. local: a call without one is the local "
        "admin's; only for a service that listens on loopback.",
    )
    internal_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys by which services know each other, ID:SECRET,ID:SECRET; the first signs, all "
        "verify. The same for all services; at least 32 characters each.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        keys = self.internal_keys.get_secret_value()
        if self.auth == "required":
            if not keys:
                raise ValueError("INGESTOR_INTERNAL_KEYS is needed unless INGESTOR_AUTH is local")
            if any(len(part.partition(":")[2]) < _LEAST_SECRET for part in keys.split(",")):
                raise ValueError(f"a secret of INGESTOR_INTERNAL_KEYS is shorter than {_LEAST_SECRET}")
        elif self.auth_local_network == "loopback" and (listen := getattr(self, "listen", "")):
            host = split_address(listen)[0].strip("[]")
            if host != "localhost" and not _is_loopback(host):
                raise ValueError(
                    f"INGESTOR_AUTH is local, so INGESTOR_LISTEN must be on loopback, not {listen}: "
                    "everyone who reaches it would be an admin. On a network that nobody else is on, set "
                    "INGESTOR_AUTH_LOCAL_NETWORK=private"
                )
        if keys:
            KeyRing.parse(keys)
        return self

    def keyring(self) -> KeyRing:
        """The keys of the services. In local mode there may be none: whoever reaches a port may do anything
        there anyway."""
        keys = self.internal_keys
        return KeyRing.following(
            lambda: keys.get_secret_value() or "local:local",
            shortest=_LEAST_SECRET if self.auth == "required" else 1,
        )


class AccessSettings(IssuerSettings, InternalSettings):
    """Settings of a service that people call. Environment variables INGESTOR_<FIELD>."""

    oidc_subject_claim: str = Field("sub", description="Claim with who the person is.")
    oidc_name_claim: str = Field("name", description="Claim with the person's name.")
    oidc_tenants_claim: str = Field(
        "tenants", description="Claim with the person's tenants: a name or a list; a.b means b in a."
    )
    oidc_roles_claim: str = Field(
        "roles", description="Claim with the person's roles: a list of ROLE or TENANT/ROLE."
    )
    max_calls_per_caller: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Most calls at a time of one person, or of all API keys of a tenant, streams apart; "
        "others get UNAVAILABLE (TOO_MANY_CALLS).",
    )
    max_calls_per_tenant: int = Field(500, ge=1, le=100_000, description="The same for a whole tenant.")
    max_streams_per_caller: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Most streams at a time of one person, or of all API keys of a tenant.",
    )
    max_streams_per_tenant: int = Field(250, ge=1, le=100_000, description="The same for a whole tenant.")
    max_open_uploads: int = Field(
        1000,
        ge=0,
        le=2**63 - 1,
        description="Most open uploads of a tenant that has no quota `open_uploads` of its own.",
    )
    max_announced_bytes: int = Field(
        2**40,
        ge=0,
        le=2**63 - 1,
        description="Most bytes that open uploads of a tenant have announced and not sent, unless it has a "
        "quota `bytes_announced` of its own.",
    )
    platform_tenant: str = Field(
        DEFAULT_TENANT, description="The tenant whose admins set the quotas of all tenants."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
