"""Makes a role and a schema for each service before the services start."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

# The quoted owner of the orchestrator's schema, when pipelines must move there from the processor's, where
# earlier versions kept them.
_PIPELINES_MOVE_TO = """
SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = 'orchestrator'
AND to_regclass('processor.pipelines') IS NOT NULL AND to_regclass('orchestrator.pipelines') IS NULL
"""


class NotAllowedError(Exception):
    """The administrator's role may not create roles or schemas."""


def role_of(service: str) -> str:
    """The PostgreSQL role of a service."""
    return f"ingestor_{service}"


async def provision(admin_dsn: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Make, for each service in `passwords`, a role with that password and a schema named like the service
    that the role owns. The processor may also create tables in the schema public. Moves pipelines from where
    an earlier version kept them. Idempotent.

    Returns a DSN per service. Raises NotAllowedError when the administrator lacks the rights, OSError or
    asyncpg errors when the server cannot be reached.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        database = await connection.fetchval("SELECT current_database()")
        # Two suites that start at the same time on one server must not both create a role.
        await connection.execute("SELECT pg_advisory_lock(hashtextextended('ingestor:provision', 0))")
        await _move_pipelines(connection)
        for service, password in passwords.items():
            role = role_of(service)
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            statement = await connection.fetchval(
                "SELECT format($1::text, $2::text, $3::text)",
                ("ALTER" if exists else "CREATE") + " ROLE %I LOGIN PASSWORD %L",
                role,
                password,
            )
            await connection.execute(statement)
            # Without a superuser (RDS), the administrator must be a member of the role to give it a schema.
            await connection.execute(f"GRANT {role} TO CURRENT_USER")
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{service}" AUTHORIZATION {role}')
            await connection.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO {role}')
            if service == "processor":
                await connection.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {role}")
                await connection.execute(f'GRANT CREATE ON DATABASE "{database}" TO {role}')
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotAllowedError(str(error)) from error
    finally:
        await connection.close()
    return {
        service: _with_login(admin_dsn, role_of(service), password) for service, password in passwords.items()
    }


async def _move_pipelines(connection: asyncpg.Connection) -> None:
    """Move pipelines from the processor's schema to the orchestrator's, unless that has pipelines."""
    async with connection.transaction():
        owner = await connection.fetchval(_PIPELINES_MOVE_TO)
        if owner is None:
            return
        for table in ("pipelines", "deleted_pipelines"):
            await connection.execute(f"ALTER TABLE IF EXISTS processor.{table} SET SCHEMA orchestrator")
            await connection.execute(f"ALTER TABLE IF EXISTS orchestrator.{table} OWNER TO {owner}")


def _with_login(dsn: str, role: str, password: str) -> str:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{host}"))
