"""What PostgreSQL alone needs for the benchmark's table: COPY of the file, as CSV and in binary form."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg
import psutil

from bench.files.data import COLUMNS_SQL


@dataclass(frozen=True)
class Copied:
    """One COPY: seconds, CPU seconds of the backend, bytes written to the log of the database."""

    seconds: float
    cpu: float
    wal: int


async def prepare(dsn: str) -> None:
    """Make the table of the bare COPY; the suite makes its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("DROP TABLE IF EXISTS bench_copy, bench_suite")
        await connection.execute(f"CREATE TABLE bench_copy ({COLUMNS_SQL}, PRIMARY KEY (id))")
    finally:
        await connection.close()


async def copy(dsn: str, path: Path, form: Literal["csv", "binary"] = "csv") -> Copied:
    """COPY the file, which is in this form, into an empty typed table with a primary key."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("TRUNCATE bench_copy")
        await connection.execute("CHECKPOINT")
        backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        lsn, cpu = await log_position(connection), _cpu(backend)
        started = time.perf_counter()
        header = True if form == "csv" else None
        await connection.copy_to_table("bench_copy", source=path, format=form, header=header)
        seconds = time.perf_counter() - started
        return Copied(seconds, _cpu(backend) - cpu, await log_position(connection) - lsn)
    finally:
        await connection.close()


async def write_binary(dsn: str, path: Path) -> None:
    """Write what the table of the bare COPY has as a file in binary form."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_from_query("SELECT * FROM bench_copy ORDER BY id", output=path, format="binary")
    finally:
        await connection.close()


async def log_position(connection: asyncpg.Connection) -> int:
    """How many bytes have ever been written to the log of the database."""
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
