"""PostgreSQL: pools, migrations, and which errors are transient."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingestor.runtime.errors import TransientError

if TYPE_CHECKING:
    from asyncpg import Connection, Pool, Record

    PgPool = Pool[Record]
    PgConnection = Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]

log = structlog.get_logger(__name__)

# After these the same statement may succeed: lost connections, a server that stops or starts, deadlocks, too
# many connections, a full disk, a server that takes no writes for now.
TRANSIENT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)


@asynccontextmanager
async def transient_errors(
    what: str, others: Callable[[asyncpg.PostgresError], Exception] | None = None
) -> AsyncIterator[None]:
    """Turn transient errors into TransientError naming `what`. `others` maps PostgreSQL's other errors, and
    may return them unchanged; without it they pass through."""
    try:
        yield
    except TRANSIENT_ERRORS as error:
        raise TransientError(f"{what}: {type(error).__name__}: {error}") from error
    except asyncpg.PostgresError as error:
        mapped = others(error) if others else error
        if mapped is error:
            raise
        raise mapped from error


@asynccontextmanager
async def savepoint(connection: PgConnection) -> AsyncIterator[None]:
    """A part of a transaction that is rolled back alone when it raises. asyncpg's own savepoints are not
    enough: they stay open after a rollback, so a thousand of them nest a thousand deep, with as many
    locks."""
    await connection.execute("SAVEPOINT ingestor")
    try:
        yield
    except Exception:
        if not connection.is_closed():
            await connection.execute("ROLLBACK TO SAVEPOINT ingestor; RELEASE SAVEPOINT ingestor")
        raise
    await connection.execute("RELEASE SAVEPOINT ingestor")


@asynccontextmanager
async def open_pool(
    dsn: str, *, service: str, schema: str, size: int, usual_path: bool = False
) -> AsyncIterator[PgPool]:
    """A pool whose connections use `schema` as search path; closed at the end of the context. With
    `usual_path` the role's usual search path comes before it, as triggers of other people's tables expect;
    statements then name the schema of each table.

    Raises OSError or asyncpg errors when the server cannot be reached or refuses the role.
    """
    path = f'"{schema}"'
    if usual_path:
        connection = await asyncpg.connect(dsn)
        try:
            path = ", ".join(filter(None, (await connection.fetchval("SHOW search_path"), path)))
        finally:
            await connection.close()
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        server_settings={
            "search_path": path,
            "application_name": f"ingestor-{service}",
            "timezone": "UTC",
        },
        command_timeout=None,
    )
    try:
        yield pool
    finally:
        await pool.close()


async def migrate(pool: PgPool, *, schema: str, package: str) -> list[str]:
    """Apply the package's `NNNN_name.sql` files that `schema` lacks, in order, each in a transaction. An
    advisory lock lets replicas start at the same time.

    Returns the names of the files applied. Raises RuntimeError when an applied file has changed since.
    """
    scripts = sorted(
        (entry for entry in files(package).iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name
    )
    applied = []
    async with pool.acquire() as connection:
        lock = int.from_bytes(hashlib.sha256(f"ingestor:{schema}".encode()).digest()[:8], "big", signed=True)
        await connection.execute("SELECT pg_advisory_lock($1)", lock)
        try:
            exists = await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema)
            if not exists:
                await connection.execute(f'CREATE SCHEMA "{schema}"')
            await connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations ('
                "name text PRIMARY KEY, sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            known = {
                row["name"]: row["sha256"]
                for row in await connection.fetch(f'SELECT name, sha256 FROM "{schema}".schema_migrations')  # noqa: S608
            }
            for script in scripts:
                if await _apply(connection, schema, script, known):
                    applied.append(script.name)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", lock)
    if applied:
        log.info("migrated", schema=schema, applied=applied)
    return applied


async def _apply(connection: PgConnection, schema: str, script: Traversable, known: dict[str, bytes]) -> bool:
    text = script.read_text("utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    if script.name in known:
        if known[script.name] != digest:
            raise RuntimeError(f"migration {script.name} of schema {schema} has changed since it was applied")
        return False
    async with connection.transaction():
        await connection.execute(f'SET LOCAL search_path TO "{schema}"')
        await connection.execute(text)
        await connection.execute(
            f'INSERT INTO "{schema}".schema_migrations (name, sha256) VALUES ($1, $2)',  # noqa: S608
            script.name,
            digest,
        )
    return True
