"""A database that is away, full, locked, read-only, or refuses transactions."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import suppress

import asyncpg

from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.files import TABLE
from tests.chaos.world import AWAY, World

_TABLES = ("status.batches", "status.events", "processor.applied_batches", "orchestrator.batches")


def _away(number: signal.Signals) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        await world.restart_postgres(number, draw.uniform(0, 10))

    return inject


async def _ended_sessions(world: World, draw: random.Random) -> None:
    for _ in range(draw.randint(1, 4)):
        await world.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(draw.uniform(0, 2))  # the fault


async def _read_only(world: World, draw: random.Random) -> None:
    """As after a failover: sessions end, and new ones may only read."""
    change = "ALTER SYSTEM {} ; SELECT pg_reload_conf()"
    await _each(world, change.format("SET default_transaction_read_only = on"))
    await asyncio.sleep(draw.uniform(2, 10))  # the fault
    await _each(
        world,
        "SET default_transaction_read_only = off; " + change.format("RESET default_transaction_read_only"),
    )


async def _each(world: World, script: str) -> None:
    """Statements one by one: some may not be in a transaction with others."""
    for statement in script.split(";"):
        await world.execute(statement)


async def _no_connections(world: World, draw: random.Random) -> None:
    held = [await world.connect()]
    with suppress(*AWAY):  # another fault may come at the same time
        while True:
            held.append(await asyncpg.connect(world.dsn, timeout=10))
    with suppress(*AWAY):
        await world_ended(held[-1])
    await asyncio.sleep(draw.uniform(2, 8))  # the fault
    for connection in held:
        connection.terminate()


async def world_ended(connection: asyncpg.Connection) -> None:
    """End the sessions of the suite, so that they need new ones."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename LIKE 'ingestor%' AND pid <> pg_backend_pid()"
    )


async def _locked(world: World, draw: random.Random) -> None:
    connection = await world.connect()
    try:
        with suppress(*AWAY):
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {await _where(connection)} IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(draw.uniform(2, 15))  # the fault
    finally:
        connection.terminate()


async def _where(connection: asyncpg.Connection) -> str:
    schema = await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = $1", TABLE)
    return f"{schema}.{TABLE}" if schema else TABLE


def _refusing(code: str, chance: float) -> Inject:
    """Transactions fail with a SQLSTATE, some of them."""

    async def inject(world: World, draw: random.Random) -> None:
        await world.execute(
            f"CREATE OR REPLACE FUNCTION public.chaos() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF random() < {chance} THEN RAISE EXCEPTION 'chaos' USING ERRCODE = '{code}'; END IF; "
            f"RETURN NEW; END $$"
        )
        for table in _TABLES:
            await world.execute(
                f"CREATE OR REPLACE TRIGGER chaos BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION public.chaos()"
            )
        await asyncio.sleep(draw.uniform(3, 12))  # the fault
        for table in _TABLES:
            await world.execute(f"DROP TRIGGER IF EXISTS chaos ON {table}")

    return inject


FAULTS = [
    Fault("kill PostgreSQL", _away(signal.SIGKILL), own=False),
    Fault("restart PostgreSQL", _away(signal.SIGINT), own=False),
    Fault("end all sessions", _ended_sessions),
    Fault("read-only", _read_only, own=False),
    Fault("no connections left", _no_connections, own=False),
    Fault("a locked table", _locked),
    Fault("serialization failures", _refusing("40001", 0.5)),
    Fault("deadlocks", _refusing("40P01", 0.5)),
    Fault("disk full", _refusing("53100", 1.0)),
]
