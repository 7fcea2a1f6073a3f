"""PostgreSQL: pools, migrations, and which errors are transient."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from ingestor.runtime.errors import TransientError

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    PgConnection = Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]


T = TypeVar("T")

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


class PgPool:
    """A pool of connections. Statements on tables with row-level security run in its transactions, which
    begin with what `prepare` returns, such as `SET LOCAL ...`."""

    def __init__(self, connections: asyncpg.Pool[Record], prepare: Callable[[], str]) -> None:
        self.connections = connections
        self._prepare = prepare

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[PgConnection]:
        """A bare connection: it sees no row of a table with row-level security, unless in `begin`."""
        async with self.connections.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PgConnection]:
        """A transaction on a connection of its own; committed at the end, rolled back by an exception."""
        async with self.connections.acquire() as connection, self.begin(connection):
            yield connection

    @asynccontextmanager
    async def begin(self, connection: PgConnection) -> AsyncIterator[None]:
        """A transaction on a connection that was acquired before."""
        async with connection.transaction():
            if prepared := self._prepare():
                await connection.execute(prepared)
            yield

    async def check(self) -> None:
        """Raise when the server does not answer."""
        async with self.acquire() as connection:
            await connection.execute("SELECT 1")

    async def _one(self, statement: Callable[[PgConnection], Awaitable[T]]) -> T:
        """Run a statement in a transaction of its own; again when a migration has changed its table since the
        connection has prepared it."""
        for last in (False, True):
            try:
                async with self.transaction() as connection:
                    return await statement(connection)
            except asyncpg.InvalidCachedStatementError:
                if last:
                    raise
        raise AssertionError("unreachable")

    async def fetch(self, query: str, *arguments: object) -> list[Record]:
        """The rows of a statement in a transaction of its own."""
        return list(await self._one(lambda connection: connection.fetch(query, *arguments)))

    async def fetchrow(self, query: str, *arguments: object) -> Record | None:
        """The first row; None without one."""
        return await self._one(lambda connection: connection.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """The first value of the first row; None without one."""
        return await self._one(lambda connection: connection.fetchval(query, *arguments))

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement in a transaction of its own; its tag, such as `UPDATE 3`."""
        return await self._one(lambda connection: connection.execute(query, *arguments))

    async def executemany(self, query: str, arguments: Iterable[Sequence[object]]) -> None:
        """Run a statement with each of the arguments, in one transaction."""
        async with self.transaction() as connection:
            await connection.executemany(query, arguments)


@asynccontextmanager
async def open_pool(
    dsn: str,
    *,
    service: str,
    schema: str,
    size: int,
    usual_path: bool = False,
    prepare: Callable[[], str] = lambda: "",
) -> AsyncIterator[PgPool]:
    """A pool whose connections use `schema` as search path; closed at the end of the context. With
    `usual_path` the role's usual search path comes before it, as triggers of other people's tables expect;
    statements then name the schema of each table. `prepare` is of PgPool.

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
        yield PgPool(pool, prepare)
    finally:
        await pool.close()


def migrations(package: str) -> list[Traversable]:
    """The package's `NNNN_name.sql` files, in order."""
    found = (entry for entry in files(package).iterdir() if entry.name.endswith(".sql"))
    return sorted(found, key=lambda entry: entry.name)


async def migrate(connection: PgConnection, *, schema: str, package: str) -> list[str]:
    """Apply the package's migrations that `schema` lacks, in order, each in a transaction. The connection's
    role owns what they make.

    Returns the names of the files applied. Raises RuntimeError when an applied file has changed since.
    """
    applied = []
    if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    await connection.execute(
        f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations ('
        "name text PRIMARY KEY, sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    known = {
        row["name"]: row["sha256"]
        for row in await connection.fetch(f'SELECT name, sha256 FROM "{schema}".schema_migrations')  # noqa: S608
    }
    for script in migrations(package):
        if await _apply(connection, schema, script, known):
            applied.append(script.name)
    return applied


async def check_migrations(pool: PgPool, *, schema: str, package: str) -> None:
    """Raise RuntimeError unless all of the package's migrations are applied to `schema`."""
    try:
        async with pool.acquire() as connection:
            rows = await connection.fetch(f'SELECT name FROM "{schema}".schema_migrations')  # noqa: S608
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        rows = []
    if missing := {script.name for script in migrations(package)} - {row["name"] for row in rows}:
        raise RuntimeError(
            f"the database's schema {schema} lacks {', '.join(sorted(missing))}; "
            "`ingestor admin migrate` brings it up to date"
        )


async def _apply(connection: PgConnection, schema: str, script: Traversable, known: dict[str, bytes]) -> bool:
    text = script.read_text("utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    if script.name in known:
        if known[script.name] != digest:
            raise RuntimeError(f"migration {script.name} of schema {schema} has changed since it was applied")
        return False
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path TO \"{schema}\"; SET LOCAL ingestor.tenant = '*'")
        await connection.execute(text)
        await connection.execute(
            f'INSERT INTO "{schema}".schema_migrations (name, sha256) VALUES ($1, $2)',  # noqa: S608
            script.name,
            digest,
        )
    return True
