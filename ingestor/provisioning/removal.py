"""Removes a tenant, and everything of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access.scope import DEFAULT_TENANT, TENANT_NAME
from ingestor.provisioning.names import ACCESS, OWNER, SERVICES, tenant_role, tenant_schema
from ingestor.provisioning.tenants import TenantError, note
from ingestor.states import TERMINAL
from ingestor.stores.port import TenantFiles

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

LATE_SECONDS = 40.0
"""How long services may still write files of a removed tenant: they remember for ten seconds who may call,
look at a stream every ten, and notice within ten that a delivery is no longer theirs."""

# Tables with a tenant, those first that refer to others.
_TABLES = """
WITH RECURSIVE mine AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND a.attname = 'tenant' AND NOT a.attisdropped
), above AS (
    SELECT oid, 0 AS height FROM mine
    UNION
    SELECT f.confrelid, above.height + 1 FROM above JOIN pg_constraint f ON f.conrelid = above.oid
    WHERE f.contype = 'f' AND f.confrelid <> f.conrelid AND f.confrelid IN (SELECT oid FROM mine)
)
SELECT name FROM mine JOIN above USING (oid) GROUP BY name ORDER BY max(height), name
"""
_KEPT = "access.audit_log"  # until its retention
_SINK_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_AT_ONCE = 100  # tables in one transaction: each needs locks


@dataclass
class Findings:
    """What a tenant has, or had."""

    processes: int = 0  # that had not ended
    rows: dict[str, int] = field(default_factory=dict)  # by table of the suite, those that have any
    tables: list[str] = field(default_factory=list)  # of its own schema
    files: int = 0
    file_bytes: int = 0
    role: bool = False  # in PostgreSQL
    role_stays: bool = False  # since other databases of the server use it


async def find_tenant(connection: PgConnection, name: str, files: TenantFiles | None) -> Findings:
    """What there is of a tenant; changes nothing. `connection` is an administrator's.

    Raises TenantError when there never was such a tenant, TransientError when the file store does not answer.
    """
    _check_name(name)
    found = Findings()
    async with _as_owner(connection, name):
        await _check(connection, name)
        found.processes = await _running(connection, name)
        for table in await _tables(connection):
            count = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", name)  # noqa: S608
            if count:
                found.rows[table] = count
    found.tables = [row[0] for row in await connection.fetch(_SINK_TABLES, tenant_schema(name))]
    found.role = await _has_role(connection, name)
    if files is not None:
        found.files, found.file_bytes = await files.files_of(name)
    return found


async def remove_tenant(
    connection: PgConnection,
    name: str,
    files: TenantFiles | None,
    *,
    late_seconds: float = LATE_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Remove a tenant: from its mark on, which comes first, services accept neither its tokens and keys nor
    rows of it. Then go its tables with its schema and role, its rows in the schemas of the suite, its files.
    Files that services write meanwhile go `late_seconds` later. Its name stays taken, its audit log is kept.

    `connection` is an administrator's; `files` None: there are none. Run again it finishes what was
    interrupted. Raises TenantError when there never was such a tenant or it cannot be removed, TransientError
    when the file store does not answer, asyncpg errors.
    """
    if name == DEFAULT_TENANT:
        raise TenantError(f"the tenant {name} cannot be removed: a suite has at least that one")
    _check_name(name)
    async with _alone(connection, name):
        async with _as_owner(connection, name):
            await _check(connection, name)
            if await connection.fetchval(
                "UPDATE access.tenants SET removed_at = now() WHERE name = $1 AND removed_at IS NULL "
                "RETURNING true",
                name,
            ):
                await note(connection, name, "admin tenants remove")
        say("the tenant is marked as removed; waiting for transactions in work")
        async with connection.transaction():  # see access/migrations/0004_removed_tenants.sql
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('ingestor:tenant:' || $1, 0))", name
            )
        found = await find_tenant(connection, name, files)
        await _drop_tables(connection, name, found, say)
        await _delete_rows(connection, name, found, say)
        if files is not None:
            say(f"deleting {found.files:,} files")
            await files.delete_files_of(name)
            if late_seconds:
                say(f"waiting {late_seconds:.0f} s for files that services still write")
                await asyncio.sleep(late_seconds)
                await files.delete_files_of(name)
    return found


async def _drop_tables(
    connection: PgConnection, name: str, found: Findings, say: Callable[[str], None]
) -> None:
    """Drop the tenant's schema and role, with all that the role owns in this database."""
    role, schema = tenant_role(name), tenant_schema(name)
    say(f"dropping the schema {schema} with {len(found.tables):,} tables")
    if found.role:
        await connection.execute(f'GRANT "{role}" TO CURRENT_USER')
    for at in range(0, len(found.tables), _AT_ONCE):
        await connection.execute(
            f"DROP TABLE IF EXISTS {', '.join(found.tables[at : at + _AT_ONCE])} CASCADE"
        )
    await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    if not found.role:
        return
    await connection.execute(f'DROP OWNED BY "{role}" CASCADE')
    try:
        await connection.execute(f'DROP ROLE "{role}"')
    except asyncpg.DependentObjectsStillExistError:
        found.role_stays = True


async def _delete_rows(
    connection: PgConnection, name: str, found: Findings, say: Callable[[str], None]
) -> None:
    async with _as_owner(connection, name):
        tables = await _tables(connection)
    for table in tables:
        if table in found.rows:
            say(f"deleting {found.rows[table]:,} rows of {table}")
        async with _as_owner(connection, name):
            await connection.execute(f"DELETE FROM {table} WHERE tenant = $1", name)  # noqa: S608


def _check_name(name: str) -> None:
    if not TENANT_NAME.fullmatch(name):  # it becomes a part of statements
        raise TenantError(f"there is no tenant {name!r}")


async def _check(connection: PgConnection, name: str) -> None:
    if not await connection.fetchval("SELECT true FROM access.tenants WHERE name = $1", name):
        raise TenantError(f"there is no tenant {name}")


async def _tables(connection: PgConnection) -> list[str]:
    return [row[0] for row in await connection.fetch(_TABLES, [ACCESS, *SERVICES]) if row[0] != _KEPT]


async def _running(connection: PgConnection, name: str) -> int:
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM status.processes WHERE tenant = $1 AND deleted_at IS NULL "
            "AND state <> ALL ($2::smallint[])",
            name,
            sorted(TERMINAL),
        )
    )


async def _has_role(connection: PgConnection, name: str) -> bool:
    return bool(await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", tenant_role(name)))


@asynccontextmanager
async def _as_owner(connection: PgConnection, name: str) -> AsyncIterator[None]:
    """A transaction as the owner of the tables, within the tenant."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {OWNER}; SET LOCAL ingestor.tenant = '{name}'")
        yield


@asynccontextmanager
async def _alone(connection: PgConnection, name: str) -> AsyncIterator[None]:
    """Two removals of a tenant at the same time work one after the other."""
    lock = f"ingestor:remove:{name}"
    await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", lock)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)
