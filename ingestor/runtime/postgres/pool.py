"""Pools of connections to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from ingestor.runtime.postgres.login import Database

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    PgConnection = Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]


T = TypeVar("T")

_PASSWORD_PATIENCE = 10.0  # seconds
_BETWEEN_LOGINS = 0.5


@asynccontextmanager
async def savepoint(connection: PgConnection, closing: str = "") -> AsyncIterator[None]:
    """A part of a transaction that ends with the statements `closing`, and is rolled back alone when it
    raises. asyncpg's own savepoints are not enough: they stay open after a rollback, so a thousand of them
    nest a thousand deep, with as many locks."""
    await connection.execute("SAVEPOINT ingestor")
    try:
        yield
        await connection.execute(f"{closing}; RELEASE SAVEPOINT ingestor")
    except Exception:
        if not connection.is_closed():
            await connection.execute("ROLLBACK TO SAVEPOINT ingestor; RELEASE SAVEPOINT ingestor")
        raise


@asynccontextmanager
async def transaction(connection: PgConnection, opening: str = "") -> AsyncIterator[None]:
    """A transaction of a connection, which begins with the statements `opening`; committed at the end, rolled
    back by an exception. They go to the server together with BEGIN: on a short read every round trip
    counts."""
    try:
        await connection.execute(f"BEGIN; {opening}")
        yield
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


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


@dataclass(frozen=True)
class Connections:
    """Where a PgPool has its connections from."""

    pool: asyncpg.Pool[Record]
    sessions: asyncpg.Pool[Record]  # the same, or one around a pooler
    first: str = ""  # the statement with which a transaction begins; empty when there is no pooler
    waits: Waits = field(default_factory=Waits)
    in_session: set[int] = field(default_factory=set)  # backends to be reset when they are given back

    @property
    def pooled(self) -> bool:
        """Whether a pooler is in front, so that a session lasts for a transaction only."""
        return self.pool is not self.sessions

    def opening(self, *statements: str) -> str:
        """With what a transaction begins that begins with these statements."""
        return "; ".join(filter(None, (self.first, *statements)))

    @asynccontextmanager
    async def one(self, pool: asyncpg.Pool[Record]) -> AsyncIterator[PgConnection]:
        """A connection of one of the two pools."""
        with self.waits.one():
            connection = await pool.acquire()
        try:
            yield connection
        finally:
            await pool.release(connection)


class PgPool:
    """A pool of connections. Statements on tables with row-level security run in its transactions, which
    begin with what `prepare` returns, such as `SET LOCAL ...`."""

    def __init__(self, connections: Connections, prepare: Callable[[], str]) -> None:
        self.connections = connections
        self._prepare = prepare

    def beginning(self, statements: str) -> PgPool:
        """The same connections; transactions begin with these statements, too."""
        return PgPool(self.connections, lambda: f"{self._prepare()}; {statements}")

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[PgConnection]:
        """A bare connection for some statements: it sees no row of a table with row-level security."""
        async with self.connections.one(self.connections.pool) as connection:
            if not self.connections.pooled:
                yield connection
                return
            async with transaction(connection, self.connections.first):
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PgConnection]:
        """A bare connection with a session of its own, also behind a pooler: for session locks and temporary
        tables. It sees no row of a table with row-level security, unless in `begin`."""
        async with self.connections.one(self.connections.sessions) as connection:
            self.connections.in_session.add(connection.get_server_pid())
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PgConnection]:
        """A transaction on a connection of its own; committed at the end, rolled back by an exception."""
        async with self.connections.one(self.connections.pool) as connection, self.begin(connection):
            yield connection

    @asynccontextmanager
    async def begin(self, connection: PgConnection) -> AsyncIterator[None]:
        """A transaction in a session."""
        async with transaction(connection, self.connections.opening(self._prepare())):
            yield

    async def check(self) -> None:
        """Raise when the server does not answer."""
        async with self.connections.pool.acquire() as connection:
            await connection.execute("SELECT 1")

    async def run(self, statements: Callable[[PgConnection], Awaitable[T]]) -> T:
        """Run statements in a transaction of their own; again when a migration has changed a table since the
        connection has prepared one of them."""
        for last in (False, True):
            try:
                async with self.transaction() as connection:
                    return await statements(connection)
            except asyncpg.InvalidCachedStatementError:
                if last:
                    raise
        raise AssertionError("unreachable")

    async def fetch(self, query: str, *arguments: object) -> list[Record]:
        """The rows of a statement in a transaction of its own."""
        return list(await self.run(lambda connection: connection.fetch(query, *arguments)))

    async def fetchrow(self, query: str, *arguments: object) -> Record | None:
        """The first row; None without one."""
        return await self.run(lambda connection: connection.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """The first value of the first row; None without one."""
        return await self.run(lambda connection: connection.fetchval(query, *arguments))

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement in a transaction of its own; its tag, such as `UPDATE 3`."""
        return await self.run(lambda connection: connection.execute(query, *arguments))

    async def executemany(self, query: str, arguments: Iterable[Sequence[object]]) -> None:
        """Run a statement with each of the arguments, in one transaction."""
        async with self.transaction() as connection:
            await connection.executemany(query, arguments)


@asynccontextmanager
async def open_pool(
    database: Database | str,
    *,
    service: str,
    schema: str,
    size: int,
    sessions: int = 0,
    usual_path: bool = False,
    prepare: Callable[[], str] = lambda: "",
) -> AsyncIterator[PgPool]:
    """A pool of at most `size` connections which use `schema` as search path; closed at the end of the
    context. With `usual_path` the role's usual search path comes before it, as triggers of other people's
    tables expect; statements then name the schema of each table. `prepare` is of PgPool. Behind a pooler, at
    most `sessions` further connections go around it. `database` may be a DSN.

    Raises OSError or asyncpg errors when the server cannot be reached or refuses the role.
    """
    if isinstance(database, str):
        dsn = database
        database = Database(lambda: dsn)
    path = f'"{schema}"'
    if usual_path:
        connection = await database.connect(direct=True)
        try:
            path = ", ".join(filter(None, (await connection.fetchval("SHOW search_path"), path)))
        finally:
            await connection.close()
    # A pooler in transaction mode knows these two; the search path would be lost with the connection.
    settings = {"application_name": f"ingestor-{service}", "timezone": "UTC"}
    own_session = {**settings, "search_path": path}
    in_session = set[int]()
    reset = partial(_reset, in_session)
    async with AsyncExitStack() as stack:
        if not database.pooled:
            pool = await stack.enter_async_context(_pool(database, size, own_session, reset))
            yield PgPool(Connections(pool, pool, in_session=in_session), prepare)
            return
        pool = await stack.enter_async_context(_pool(database, size, settings, _keep))
        around = await stack.enter_async_context(
            _pool(database, max(1, sessions), own_session, reset, direct=True)
        )
        first = f"SET LOCAL search_path = {path}"
        yield PgPool(Connections(pool, around, first, in_session=in_session), prepare)


@asynccontextmanager
async def _pool(
    database: Database,
    size: int,
    settings: Mapping[str, str],
    reset: Callable[[Connection[Record]], Awaitable[None]],
    *,
    direct: bool = False,
) -> AsyncIterator[asyncpg.Pool[Record]]:
    patience = 0.0  # a wrong password is told at once when a service starts

    async def connect(*_: Any, **options: Any) -> Connection[Record]:
        return await _with_patience(partial(database.connect, direct=direct, **options), patience)

    pool = await asyncpg.create_pool(
        connect=connect,
        reset=reset,
        min_size=0 if direct else 1,
        max_size=size,
        server_settings=dict(settings),
        command_timeout=None,
    )
    patience = _PASSWORD_PATIENCE
    try:
        yield pool
    finally:
        await pool.close()


async def _keep(_: Connection[Record]) -> None:
    """A pooler's connections have nothing to reset."""


async def _reset(in_session: set[int], connection: Connection[Record]) -> None:
    """Reset what a session has set, such as locks; what a transaction sets ends with it."""
    if (backend := connection.get_server_pid()) in in_session:
        in_session.remove(backend)
        await connection.reset()


async def _with_patience(
    connect: Callable[[], Awaitable[Connection[Record]]], seconds: float
) -> Connection[Record]:
    """Connect. A wrong password is tried again for some seconds: in the database and in a file it cannot
    change at the same moment."""
    until = time.monotonic() + seconds
    while True:
        try:
            return await connect()
        except asyncpg.InvalidAuthorizationSpecificationError:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_BETWEEN_LOGINS)
