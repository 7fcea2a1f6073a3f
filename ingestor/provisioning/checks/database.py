"""Looks at the database as its administrator: version, migrations, logins and rights of the services, clock,
connections. Changes nothing."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from ingestor.provisioning.checks.report import Report, look_at_clock
from ingestor.provisioning.database import with_login
from ingestor.provisioning.names import (
    ACCESS,
    OWNER,
    SERVICES,
    TENANTS,
    is_tenant_role,
    migrations_of,
    role_of,
    tenant_role,
)
from ingestor.runtime.postgres.clock import clock_skew
from ingestor.runtime.postgres.migrations import migrations

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

LEAST_VERSION = 13
_FULL = 0.9  # of the connections
_SECONDS = 10.0

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1)"
# What is wrong with the rights of a role: each row is a sentence about it.
_RIGHTS = """
WITH me AS (SELECT * FROM pg_roles WHERE rolname = $1),
tables AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.relname = 'schema_migrations' AS is_log FROM pg_class c
    WHERE c.relnamespace = to_regnamespace($2) AND c.relkind IN ('r', 'p')),
wanted AS (
    SELECT tables.*, unnest(CASE WHEN is_log THEN '{SELECT}'::text[]
                            ELSE '{SELECT,INSERT,UPDATE,DELETE}' END) AS privilege FROM tables)
SELECT format('it may not log in') FROM me WHERE NOT rolcanlogin
UNION ALL SELECT 'it is a superuser' FROM me WHERE rolsuper
UNION ALL SELECT 'it may create roles' FROM me WHERE rolcreaterole
UNION ALL SELECT 'it may create databases' FROM me WHERE rolcreatedb
UNION ALL SELECT 'row-level security does not hold for it' FROM me WHERE rolbypassrls AND NOT rolsuper
UNION ALL SELECT format('it may not use the schema %I', $2) FROM me
    WHERE NOT has_schema_privilege(oid, $2, 'USAGE')
UNION ALL SELECT format('it may create tables in the schema %I', n.nspname) FROM me, pg_namespace n
    WHERE n.nspname = ANY ($3) AND NOT rolsuper AND has_schema_privilege(me.oid, n.oid, 'CREATE')
UNION ALL SELECT 'it may create schemas in the database' FROM me
    WHERE NOT rolsuper AND has_database_privilege(oid, current_database(), 'CREATE')
UNION ALL SELECT 'it may not make temporary tables' FROM me
    WHERE NOT has_database_privilege(oid, current_database(), 'TEMPORARY')
UNION ALL (
    SELECT format('it lacks %s on %s', string_agg(privilege, ', ' ORDER BY privilege), name) FROM me, wanted
    WHERE NOT has_table_privilege(me.oid, wanted.oid, privilege) GROUP BY name ORDER BY name)
UNION ALL (
    SELECT format('it owns %s', string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname)) FROM me
    JOIN pg_class c ON c.relowner = me.oid WHERE c.relkind IN ('r', 'p', 'S', 'v') HAVING count(*) > 0)
UNION ALL (
    SELECT format('it owns the schema %s', string_agg(n.nspname, ', ')) FROM me
    JOIN pg_namespace n ON n.nspowner = me.oid HAVING count(*) > 0)
"""
_TENANTS = """
SELECT name, to_regrole(quote_ident(CASE name WHEN $1 THEN $2 ELSE $3 || name END)) IS NOT NULL AS has_role
FROM access.tenants WHERE removed_at IS NULL ORDER BY name
"""
# What the role of a tenant can do to others: each row is a sentence, and what to do about it.
_TENANT_ROLES = f"""
SELECT format('%s may create schemas', rolname) AS problem,
       format('REVOKE CREATE ON DATABASE %I FROM %I', current_database(), rolname) AS todo
FROM pg_roles r WHERE {is_tenant_role("r.oid")} AND has_database_privilege(oid, current_database(), 'CREATE')
UNION ALL
SELECT format('the schema %s of %s has the name of a role, which sees its tables before those of public',
              nspname, pg_get_userbyid(nspowner)),
       format('move its tables and drop it, or ALTER SCHEMA %I RENAME', nspname)
FROM pg_namespace n JOIN pg_roles r ON r.rolname = nspname
WHERE {is_tenant_role("nspowner")} AND rolcanlogin
"""  # noqa: S608


async def check_database(
    report: Report, admin_dsn: str, passwords: Mapping[str, str], *, one_role: bool = False
) -> None:
    """Look at the database of `admin_dsn`. `passwords` by service are tried. With `one_role` the
    administrator serves all services, and there are no others. Adds to the report; raises nothing for what
    is wrong with the database."""
    where = _where(admin_dsn)
    try:
        connection = await asyncpg.connect(admin_dsn, timeout=_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        report.bad(
            "database",
            f"{where} refuses the administrator: {_first_line(error)}",
            "mend its role or password",
        )
        return
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = _first_line(error)
        report.bad(
            "database", f"{where} cannot be reached: {reason}", "mend the DSN, the network or the server"
        )
        return
    try:
        await _version(report, connection, where)
        await _clock(report, connection)
        await _connections(report, connection)
        found = {row[0] for row in await connection.fetch(_SCHEMAS, [ACCESS, *SERVICES])}
        for schema in (ACCESS, *SERVICES):
            await _migrations(report, connection, schema, exists=schema in found)
        if one_role:
            report.good("roles", "one role serves all services")
            return
        for service in SERVICES:
            await _rights(report, connection, service, exists=service in found)
        await _tenants(report, connection, exists=ACCESS in found)
    finally:
        await connection.close()
    for service, password in passwords.items():
        await _login(report, with_login(admin_dsn, role_of(service), password), service)


async def _version(report: Report, connection: PgConnection, where: str) -> None:
    version = connection.get_server_version()
    text = f"PostgreSQL {version.major}.{version.minor} at {where}"
    if version.major < LEAST_VERSION:
        report.bad("database", f"{text} is too old", f"use PostgreSQL {LEAST_VERSION} or later")
        return
    transport = connection._transport  # type: ignore[union-attr]  # asyncpg does not tell it otherwise
    secure = isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
    report.good("database", f"{text}, {'TLS' if secure else 'no TLS'}")


async def _clock(report: Report, connection: PgConnection) -> None:
    look_at_clock(report, "clock of the database", -await clock_skew(connection))


async def _connections(report: Report, connection: PgConnection) -> None:
    used, most = await connection.fetchrow(
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity "
        "WHERE backend_type = 'client backend'"
    ) or (0, 0)
    if used > most * _FULL:
        report.bad(
            "connections",
            f"{used} of {most} are in use",
            "raise max_connections, or have fewer or smaller pools: see the connection budget",
        )
    else:
        report.good("connections", f"{used} of {most} in use")


async def _migrations(report: Report, connection: PgConnection, schema: str, *, exists: bool) -> None:
    name = f"schema {schema}"
    ours = {script.name: script for script in migrations(migrations_of(schema))}
    applied: dict[str, bytes] = {}
    if exists and await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_migrations"):
        rows = await connection.fetch(f'SELECT name, sha256 FROM "{schema}".schema_migrations')  # noqa: S608
        applied = {row["name"]: row["sha256"] for row in rows}
    changed = [
        script
        for script in sorted(ours.keys() & applied.keys())
        if hashlib.sha256(ours[script].read_bytes()).digest() != applied[script]
    ]
    if missing := sorted(ours.keys() - applied.keys()):
        what = f"it lacks {', '.join(missing)}" if applied else "it is missing"
        report.bad(name, what, "run `ingestor admin migrate`")
    elif changed:
        report.bad(
            name, f"{', '.join(changed)} has changed since it was applied", "use the release as it came"
        )
    elif newer := sorted(applied.keys() - ours.keys()):
        report.bad(
            name,
            f"it is newer than this release: {', '.join(newer)}",
            "use the release that made it, or check with that",
        )
    else:
        report.good(name, f"all {len(ours)} migrations")


async def _rights(report: Report, connection: PgConnection, service: str, *, exists: bool) -> None:
    name, role = f"role of {service}", role_of(service)
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        report.bad(name, f"there is no role {role}", "run `ingestor admin provision`")
        return
    if not exists:
        return  # was told with its schema
    schemas = ["public", ACCESS, *SERVICES]
    problems = [row[0] for row in await connection.fetch(_RIGHTS, role, service, schemas)]
    if service == "processor" and not await connection.fetchval(
        "SELECT pg_has_role($1, $2, 'MEMBER')", role, tenant_role("default")
    ):
        problems.append(f"it cannot become {tenant_role('default')}, as which rows are loaded")
    if problems:
        todo = "run `ingestor admin migrate`"
        if any("may create" in p or "owns" in p or "superuser" in p for p in problems):
            todo = f"take that away from {role}, then run `ingestor admin migrate`"
        report.bad(name, "; ".join(problems), todo)
    else:
        report.good(name, f"{role} reads and writes its rows, owns nothing, and can create nothing")


async def _tenants(report: Report, connection: PgConnection, *, exists: bool) -> None:
    if not exists or not await connection.fetchval(
        "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = $1", OWNER
    ):
        return
    async with connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL ROLE {OWNER}; SET LOCAL ingestor.tenant = '*'")
        rows = await connection.fetch(_TENANTS, "default", tenant_role("default"), tenant_role(""))
    lacking = [row["name"] for row in rows if not row["has_role"]]
    if lacking or not rows:
        who = ", ".join(lacking) or "default"
        report.bad(
            "tenants", f"{who}: no role in PostgreSQL", "run `ingestor admin tenants create NAME` for each"
        )
    else:
        report.good("tenants", f"{len(rows)}, each with its role in {TENANTS}")
    for row in await connection.fetch(_TENANT_ROLES):
        report.bad("tenants", row["problem"], row["todo"])


async def _login(report: Report, dsn: str, service: str) -> None:
    name = f"login of {service}"
    try:
        connection = await asyncpg.connect(dsn, timeout=_SECONDS)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        report.bad(
            name, _first_line(error), "run `ingestor admin provision` with the password that the service has"
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        report.bad(name, _first_line(error), "mend network or server")
    else:
        await connection.close()
        report.good(name, "its password is right")


def _where(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.netloc.rpartition('@')[2] or 'localhost'}{parts.path}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
