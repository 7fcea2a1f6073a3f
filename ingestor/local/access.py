"""Who may call a suite on this machine: anybody here, or whoever signs in (`ingestor up --auth`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import ValidationError

from ingestor.gateway.settings import GatewaySettings
from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.oidc import provider as demo
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.provisioning.tenants import RemovedTenantError, TenantError, create_tenant

TENANTS = ("acme", "globex")  # of the demonstration
_DEMO_PORT = 4455
_VITE_PORT = 5173  # a page in development


@dataclass(frozen=True)
class Access:
    """How the parts of a suite find out who calls."""

    environment: Mapping[str, str]  # settings of the services and of the page
    internal_keys: str  # by which the services know each other
    gateway: GatewaySettings
    provider: demo.DemoProvider | None = None
    tenants: tuple[str, ...] = ()  # to be made

    @property
    def state(self) -> dict[str, Any] | None:
        """What `ingestor env` prints of it; None when nobody signs in."""
        if self.gateway.auth == "local":
            return None
        return {
            "issuer": self.gateway.oidc_issuer,
            "pid": self.provider.process.pid if self.provider and self.provider.process else None,
            "users": [user["id"] for user in demo.users()] if self.provider else [],
        }


def open_access(
    folder: Folder,
    ports: dict[str, int],
    stack: ExitStack,
    say: Callable[[str], None],
    *,
    gateway_port: int,
    auth: bool,
) -> Access:
    """Settings for a suite in `folder`. With `auth` people sign in at the provider of INGESTOR_OIDC_ISSUER,
    else at one that is started for them. Raises SuiteError."""
    keys = f"local:{folder.password('internal')}"
    if not auth:
        return Access({"INGESTOR_AUTH": "local"}, keys, _gateway(auth="local"))
    required = {"INGESTOR_AUTH": "required"}
    if os.environ.get("INGESTOR_OIDC_ISSUER"):
        return Access(required, keys, _gateway(auth="required"))
    ports["oidc"] = free_port(ports.get("oidc", _DEMO_PORT))
    provider = demo.DemoProvider(
        folder.path / "oidc",
        ports["oidc"],
        [
            f"{scheme}://{host}:{port}"
            for scheme, port in (("http", gateway_port), ("https", gateway_port), ("http", _VITE_PORT))
            for host in (LOOPBACK, "localhost")
        ],
        folder.logs / "oidc.log",
        demo.token_seconds(),
    )
    say("starting the OpenID provider")
    stack.callback(provider.stop)
    provider.start()
    provider.wait()
    gateway = _gateway(
        auth="required",
        oidc_issuer=provider.issuer,
        oidc_audience=demo.AUDIENCE,
        oidc_jwks=f"{provider.issuer}/jwks",
    )
    environment = {
        **required,
        "INGESTOR_OIDC_ISSUER": gateway.oidc_issuer,
        "INGESTOR_OIDC_AUDIENCE": gateway.oidc_audience,
        "INGESTOR_OIDC_JWKS": gateway.oidc_jwks,
        "INGESTOR_PAGE_CLIENT_ID": demo.PAGE_CLIENT,
        "INGESTOR_PAGE_SCOPE": demo.SCOPE,
        "INGESTOR_PAGE_RESOURCE": demo.RESOURCE,
        "INGESTOR_CLI_CLIENT_ID": demo.COMMAND_LINE_CLIENT,
    }
    return Access(environment, keys, gateway, provider, TENANTS)


def make_tenants(admin_dsn: str, names: Sequence[str]) -> None:
    """Make the tenants that are missing, those that were removed apart. Raises SuiteError."""

    async def make() -> None:
        connection = await asyncpg.connect(admin_dsn)
        try:
            for name in names:
                with suppress(RemovedTenantError):
                    await create_tenant(connection, name)
        finally:
            await connection.close()

    try:
        asyncio.run(make())
    except asyncpg.InsufficientPrivilegeError as error:
        raise SuiteError(
            "INGESTOR_DATABASE_URL: tenants need a role of PostgreSQL that may create roles and schemas"
        ) from error
    except TenantError as error:
        raise SuiteError(str(error)) from error


def _gateway(**known: Any) -> GatewaySettings:
    try:
        return GatewaySettings(**known)
    except ValidationError as error:
        (problem, *_) = error.errors(include_input=False, include_url=False)
        name = "".join(f"_{part}" for part in problem["loc"]).upper()
        where = f"INGESTOR{name}: " if name else ""  # the message names several settings itself
        raise SuiteError(f"{where}{problem['msg'].removeprefix('Value error, ')}") from error
