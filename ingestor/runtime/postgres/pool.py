"""Pools of connections to PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    PgConnection = Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]


T = TypeVar("T")


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


class Waits:
    """Who waits for a connection: how many, and what hears for how many seconds each has waited."""

    def __init__(self) -> None:
        self.waiting = 0
        self.ended: Callable[[float], None] = lambda seconds: None

    @contextmanager
    def one(self) -> Iterator[None]:
        """One more, while the context lasts."""
        began = time.perf_counter()
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self.ended(time.perf_counter() - began)


class PgPool:
    """A pool of connections. Statements on tables with row-level security run in its transactions, which
    begin with what `prepare` returns, such as `SET LOCAL ...`."""

    def __init__(
        self, connections: asyncpg.Pool[Record], prepare: Callable[[], str], waits: Waits | None = None
    ) -> None:
        """`waits`: of another object for the same connections."""
        self.connections = connections
        self.waits = waits or Waits()
        self._prepare = prepare

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[PgConnection]:
        """A bare connection: it sees no row of a table with row-level security, unless in `begin`."""
        with self.waits.one():
            connection = await self.connections.acquire()
        try:
            yield connection
        finally:
            await self.connections.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PgConnection]:
        """A transaction on a connection of its own; committed at the end, rolled back by an exception."""
        async with self.acquire() as connection, self.begin(connection):
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
