"""Makes tenants: a role as which rows are loaded, and a schema that it owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ingestor.access.api_keys import hash_of, new_key
from ingestor.access.limits import pg_quotas
from ingestor.access.limits.quotas import QUOTAS
from ingestor.access.scope import DEFAULT_TENANT, EVERYTHING, TENANT_NAME
from ingestor.provisioning.names import TENANTS, role_of, tenant_role, tenant_schema

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection


class TenantError(Exception):
    """A tenant cannot be made or removed; the text says why."""


class RemovedTenantError(TenantError):
    """A tenant of this name was removed."""


async def create_tenant(connection: PgConnection, name: str) -> bool:
    """Make a tenant, as an administrator of the database; whether it is new. Idempotent.

    Raises TenantError when the name is not one, RemovedTenantError, asyncpg errors when the
    administrator lacks the rights.
    """
    if not TENANT_NAME.fullmatch(name):
        raise TenantError(
            f"{name!r} cannot be a tenant's name: it needs a lower-case letter first, then up to 30 "
            "lower-case letters, digits, - or _"
        )
    async with connection.transaction():
        await connection.execute("SET LOCAL ingestor.tenant = '*'")
        made = await connection.fetchval(
            "INSERT INTO access.tenants (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", name
        )
        if await connection.fetchval(
            "SELECT removed_at IS NOT NULL FROM access.tenants WHERE name = $1", name
        ):
            raise RemovedTenantError(f"the tenant {name} was removed; its name is not used again")
        await _make_role(connection, name)
        if made:
            await note(connection, name, "admin tenants create")
    return bool(made)


@dataclass(frozen=True)
class TenantFacts:
    """A tenant as the database knows it."""

    name: str
    created: datetime
    removed: datetime | None
    limits: dict[str, int]  # by quota; one that is not here has none


async def list_tenants(connection: PgConnection) -> list[TenantFacts]:
    """All tenants by name, also removed ones. Raises asyncpg errors."""
    async with _within(connection, EVERYTHING):
        limits = await connection.fetch("SELECT tenant, name, max_value FROM access.quotas ORDER BY 1, 2")
        rows = await connection.fetch("SELECT name, created_at, removed_at FROM access.tenants ORDER BY 1")
    return [
        TenantFacts(
            row["name"], row["created_at"], row["removed_at"],
            {each["name"]: each["max_value"] for each in limits if each["tenant"] == row["name"]},
        )
        for row in rows
    ]  # fmt: skip


async def set_limits(connection: PgConnection, name: str, limits: Mapping[str, int | None]) -> None:
    """Set limits of a tenant; None takes a limit away, and those that are not named stay. Services follow
    within ten seconds. Raises TenantError for a tenant or a quota that does not exist."""
    for quota, limit in limits.items():
        if quota not in QUOTAS:
            raise TenantError(f"there is no quota {quota!r}; there are {', '.join(QUOTAS)}")
        if limit is not None and not 0 <= limit < 2**63:
            raise TenantError(f"the limit of {quota} must be from 0 to {2**63 - 1}")
    async with _within(connection, name):
        await _check_is_there(connection, name)
        await pg_quotas.set_limits(connection, name, limits)
        await note(connection, name, "admin tenants quotas")


async def add_admin(connection: PgConnection, name: str, subject: str) -> None:
    """Make a person (the subject of its tokens, or its verified e-mail address) an admin of a tenant, beside
    the roles that it has. Raises TenantError."""
    if not 1 <= len(subject) <= 200 or "\0" in subject:
        raise TenantError("a subject has 1 to 200 characters, none of them NUL")
    async with _within(connection, name):
        await _check_is_there(connection, name)
        await connection.execute(
            "INSERT INTO access.members AS m (tenant, subject, roles, creator) "
            "VALUES ($1, $2, ARRAY['admin'], 'database:' || session_user) "
            "ON CONFLICT (tenant, subject) DO UPDATE SET roles = array_append(m.roles, 'admin'), "
            "creator = excluded.creator, updated_at = now() WHERE 'admin' <> ALL (m.roles)",
            name,
            subject,
        )
        await note(connection, name, "admin tenants create --admin")


async def add_admin_key(connection: PgConnection, name: str) -> str:
    """Create an API key with the role admin; the whole key, which is stored nowhere. Raises TenantError."""
    prefix, token = new_key()
    async with _within(connection, name):
        await _check_is_there(connection, name)
        await connection.execute(
            "INSERT INTO access.api_keys (prefix, tenant, name, sha256, roles, creator) "
            "VALUES ($1, $2, 'first key', $3, ARRAY['admin'], 'database:' || session_user)",
            prefix, name, hash_of(token),
        )  # fmt: skip
        await note(connection, name, "admin tenants create --key")
    return token


@asynccontextmanager
async def _within(connection: PgConnection, name: str) -> AsyncIterator[None]:
    if name != EVERYTHING and not TENANT_NAME.fullmatch(name):  # it becomes a part of a statement
        raise TenantError(f"there is no tenant {name!r}")
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ingestor.tenant = '{name}'")
        yield


async def _check_is_there(connection: PgConnection, name: str) -> None:
    if not await connection.fetchval(
        "SELECT true FROM access.tenants WHERE name = $1 AND removed_at IS NULL", name
    ):
        raise TenantError(f"there is no tenant {name}, or it was removed")


async def note(connection: PgConnection, name: str, what: str) -> None:
    """Write into a tenant's audit log what an administrator of the database does to it, in the transaction
    that does it."""
    await connection.execute(
        "INSERT INTO access.audit_log (tenant, subject, roles, method, object, outcome, reason, address, "
        "trace_id) VALUES ($1, 'database:' || session_user, '{}', $2, $1, 'OK', '', '', '')",
        name,
        what,
    )


async def _make_role(connection: PgConnection, name: str) -> None:
    role, schema = tenant_role(name), tenant_schema(name)
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    # Before there were tenants the processor logged in as the role of `default`.
    await connection.execute(f'{"ALTER" if exists else "CREATE"} ROLE "{role}" NOLOGIN INHERIT PASSWORD NULL')
    await connection.execute(f'GRANT "{role}" TO CURRENT_USER')
    await connection.execute(f'GRANT {TENANTS} TO "{role}"')
    await connection.execute(f'GRANT "{role}" TO {role_of("processor")}')
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO "{role}"')
    if name == DEFAULT_TENANT:
        await connection.execute(f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"')
        # Earlier versions let pipelines make schemas, also one that others see before `public`.
        await connection.execute(f'REVOKE CREATE ON DATABASE "{database}" FROM "{role}"')
    else:
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", schema
        )
        if owner is None:
            await connection.execute(f'CREATE SCHEMA "{schema}" AUTHORIZATION "{role}"')
        elif owner != role:
            raise TenantError(
                f"the schema {schema} exists and belongs to {owner}: rename it, or "
                f'ALTER SCHEMA "{schema}" OWNER TO "{role}"'
            )
