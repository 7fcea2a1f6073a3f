"""Makes the roles, schemas and tables of the services, before they start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from ingestor.access.scope import DEFAULT_TENANT
from ingestor.provisioning.names import (
    ACCESS,
    DEFAULT_ROLE,
    OWNER,
    SERVICES,
    TENANTS,
    migrations_of,
    role_of,
    tenant_role,
)
from ingestor.provisioning.table_schemas import TableSchemas, make_table_schemas
from ingestor.provisioning.tenants import create_tenant
from ingestor.runtime.postgres.migrations import migrate

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# Whether pipelines must move to the orchestrator's schema from the processor's, where earlier versions kept
# them.
_PIPELINES_MOVE = """
SELECT to_regclass('processor.pipelines') IS NOT NULL AND to_regclass('orchestrator.pipelines') IS NULL
AND EXISTS (SELECT FROM pg_namespace WHERE nspname = 'orchestrator')
"""

# What is in a schema and is not the owner's yet; sequences of columns follow their tables.
_OWNED_BY_OTHERS = """
SELECT format('ALTER %s %s OWNER TO %I', kind, name, $2::text) FROM (
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name,
           c.relowner AS owner
    FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i')
                    AND c.relkind = 'S')
    UNION ALL
    SELECT 'FUNCTION', p.oid::regprocedure::text, p.proowner FROM pg_proc p
    WHERE p.pronamespace = $1::text::regnamespace
) found WHERE owner <> $2::text::regrole
"""

# Rights of a service in its own schema.
_OWN_RIGHTS = """
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_migrations FROM {role};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role};
"""

# Rights of the services in the schema `access`.
_ACCESS_RIGHTS = """
GRANT USAGE ON SCHEMA access TO {every};
GRANT SELECT ON access.schema_migrations, access.tenants, access.quotas TO {every};
GRANT INSERT ON access.audit_log TO {every};
GRANT SELECT, INSERT, UPDATE ON access.usage TO {every};
GRANT EXECUTE ON FUNCTION access.find_key, access.note_use_of_key, access.memberships, access.tenant_exists,
    access.usage_of_upload, access.usage_of_orchestrator, access.usage_of_processor, access.running_processes
    TO {every};
GRANT SELECT, INSERT, UPDATE ON access.api_keys TO {status};
GRANT SELECT, INSERT, UPDATE, DELETE ON access.members, access.quotas TO {status};
GRANT SELECT ON access.audit_log TO {status};
GRANT EXECUTE ON FUNCTION access.expire_audit TO {status};
"""

NO_SCHEMAS = TableSchemas()

# A tenant's role marks what it has loaded, within its tenant, which its name says: a trigger that sets
# `ingestor.tenant` changes nothing.
_MARKER_TABLES = (
    "applied_batches",
    "repaired_rows",
    "closed_processes",
    "replaced_rows",
    "row_lineage",
    "rows_before",
)

_IAM = "rds_iam"  # the role of RDS whose members log in by tokens


class NotAllowedError(Exception):
    """The administrator's role may not create roles or schemas."""


async def provision(
    admin_dsn: str, passwords: Mapping[str, str], *, iam: bool = False, schemas: TableSchemas = NO_SCHEMAS
) -> dict[str, str]:
    """Make all that the services need in a database. For each service in `passwords` a role with that
    password, or with `iam` for all of them roles that log in by tokens of AWS IAM; these own nothing. The
    schemas of all services and `access`, with their tables as the migrations have them, owned by a role that
    cannot log in; the tenant `default`, whose tables are in the schema public; the `schemas` that pipelines
    may name beside those of their tenants. Brings a database of an earlier version up to date. Idempotent;
    several at a time wait for each other.

    Returns a DSN per service in `passwords`. Raises NotAllowedError when the administrator lacks the
    rights, OSError or asyncpg errors when the server cannot be reached.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        async with _alone(connection):
            await _make_roles(connection, passwords, iam=iam)
            await _make_schemas(connection)
            await _grant(connection, [role_of(service) for service in SERVICES])
            await create_tenant(connection, DEFAULT_TENANT)
            await make_table_schemas(connection, schemas)
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotAllowedError(str(error)) from error
    finally:
        await connection.close()
    return {
        service: with_login(admin_dsn, role_of(service), password) for service, password in passwords.items()
    }


async def provision_without_roles(dsn: str, *, schemas: TableSchemas = NO_SCHEMAS) -> None:
    """Make the schemas and tables as one role, which then serves all services: for a role that may not create
    others. There is one tenant, `default`, and no second wall around it. Idempotent."""
    connection = await asyncpg.connect(dsn)
    try:
        async with _alone(connection):
            await _move_pipelines(connection)
            for schema in (ACCESS, *SERVICES):
                await migrate(connection, schema=schema, package=migrations_of(schema))
            await connection.execute(
                "SELECT set_config('ingestor.tenant', '*', false);"
                "INSERT INTO access.tenants (name) VALUES ('default') ON CONFLICT DO NOTHING"
            )
            await make_table_schemas(connection, schemas, roles=False)
    finally:
        await connection.close()


@asynccontextmanager
async def _alone(connection: PgConnection) -> AsyncIterator[None]:
    """Suites that start at the same time on one server wait for each other."""
    await connection.execute("SELECT pg_advisory_lock(hashtextextended('ingestor:provision', 0))")
    yield


async def _make_roles(connection: PgConnection, passwords: Mapping[str, str], *, iam: bool) -> None:
    if iam and not await _role_exists(connection, _IAM):
        raise NotAllowedError(f"there is no role {_IAM}: this PostgreSQL is not of RDS or Aurora")
    for group in (OWNER, TENANTS):
        if not await _role_exists(connection, group):
            await connection.execute(f"CREATE ROLE {group} NOLOGIN")
    # Without a superuser (RDS), the administrator must be a member of a role to give it anything.
    await connection.execute(f"GRANT {OWNER} TO CURRENT_USER")
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'GRANT CREATE ON DATABASE "{database}" TO {OWNER}')
    for service in SERVICES:
        role = role_of(service)
        exists = await _role_exists(connection, role)
        if service in passwords:
            # Being a member of the tenants' roles gives the processor no right: it has to become one of them.
            statement = await connection.fetchval(
                "SELECT format($1::text, $2::text, $3::text)",
                ("ALTER" if exists else "CREATE") + " ROLE %I LOGIN NOINHERIT PASSWORD %L",
                role,
                passwords[service],
            )
            await connection.execute(statement)
        elif iam:
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE {role} LOGIN NOINHERIT PASSWORD NULL")
            await connection.execute(f"GRANT {_IAM} TO {role}")
        elif not exists:
            await connection.execute(f"CREATE ROLE {role} NOLOGIN NOINHERIT")
        await connection.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO {role}')


async def _role_exists(connection: PgConnection, role: str) -> bool:
    return bool(await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role))


async def _make_schemas(connection: PgConnection) -> None:
    await _move_pipelines(connection)
    for schema in (ACCESS, *SERVICES):
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION {OWNER}')
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", schema
        )
        if owner != OWNER:
            await connection.execute(f'GRANT "{owner}" TO CURRENT_USER')
            await connection.execute(f'ALTER SCHEMA "{schema}" OWNER TO {OWNER}')
        for row in await connection.fetch(_OWNED_BY_OTHERS, schema, OWNER):
            await connection.execute(row[0])
    await connection.execute(f"SET ROLE {OWNER}")
    try:
        for schema in (ACCESS, *SERVICES):
            await migrate(connection, schema=schema, package=migrations_of(schema))
    finally:
        await connection.execute("RESET ROLE")


async def _grant(connection: PgConnection, roles: list[str]) -> None:
    """Give the services their rights; as the owner, since these are its tables."""
    await connection.execute(f"SET ROLE {OWNER}")
    try:
        for service in SERVICES:
            role = role_of(service)
            await connection.execute(_OWN_RIGHTS.format(schema=service, role=role))
        await connection.execute(_ACCESS_RIGHTS.format(every=", ".join(roles), status=role_of("status")))
        await connection.execute(
            f"GRANT USAGE ON SCHEMA processor TO {TENANTS};"
            f"GRANT EXECUTE ON FUNCTION processor.tables_left TO {TENANTS}"
        )
        for table in _MARKER_TABLES:
            await connection.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON processor.{table} TO {TENANTS};"
                f"DROP POLICY IF EXISTS own_tenant ON processor.{table};"
                f"CREATE POLICY own_tenant ON processor.{table} AS RESTRICTIVE TO {TENANTS} "
                f"USING (current_user = CASE tenant WHEN '{DEFAULT_TENANT}' THEN '{DEFAULT_ROLE}' "
                f"ELSE '{tenant_role('')}' || tenant END)"
            )
        await connection.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA processor TO {TENANTS}")
    finally:
        await connection.execute("RESET ROLE")


async def _move_pipelines(connection: PgConnection) -> None:
    """Move pipelines from the processor's schema to the orchestrator's, unless that has pipelines."""
    if await connection.fetchval(_PIPELINES_MOVE):
        async with connection.transaction():
            for table in ("pipelines", "deleted_pipelines"):
                await connection.execute(f"ALTER TABLE IF EXISTS processor.{table} SET SCHEMA orchestrator")


def with_login(dsn: str, role: str, password: str) -> str:
    """The same database, for a role."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{host}"))
