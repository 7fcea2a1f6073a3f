"""Makes tenants: a role as which rows are loaded, and a schema that it owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestor.access.scope import DEFAULT_TENANT, TENANT_NAME
from ingestor.provisioning.names import TENANTS, role_of, tenant_role, tenant_schema

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection


class TenantError(Exception):
    """A tenant cannot be made or removed; the text says why."""


async def create_tenant(connection: PgConnection, name: str) -> bool:
    """Make a tenant, as an administrator of the database; whether it is new. Idempotent.

    Raises TenantError when the name is not one or belonged to a removed tenant, asyncpg errors when the
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
            raise TenantError(f"the tenant {name} was removed; its name is not used again")
        await _make_role(connection, name)
        if made:
            await note(connection, name, "admin tenants create")
    return bool(made)


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
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f'CREATE ROLE "{role}" NOLOGIN')
    await connection.execute(f'GRANT "{role}" TO CURRENT_USER')
    await connection.execute(f'GRANT {TENANTS} TO "{role}"')
    await connection.execute(f'GRANT "{role}" TO {role_of("processor")}')
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO "{role}"')
    if name == DEFAULT_TENANT:  # as before there were tenants: it may use any schema that lets it
        await connection.execute(f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"')
        await connection.execute(f'GRANT CREATE ON DATABASE "{database}" TO "{role}"')
    else:
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION "{role}"')
