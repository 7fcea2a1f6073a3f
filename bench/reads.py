"""Measures reading: single rows, pages of rows, reports.

    python -m bench.reads --rows 1000000 --good-rows 100000000

Starts a suite, writes processes straight into its ledger, and asks for their rows: one of good rows, one
whose rows are all bad for the same reason, one whose neighbours are bad for different reasons; beside many
small ones. Prints milliseconds of calls to the status service itself and through the gateway beside those of
a bare `SELECT 1`, and rows/s of reports saved by the client beside COPY of the same records.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import psutil

from bench.figures.usage import kind_of
from bench.files.ledger_rows import write_process
from bench.options import parsed, parser
from bench.suite import running_suite
from ingestor import Client
from ingestor.access.scope import row_security, within
from ingestor.runtime.postgres.pool import open_pool
from ingestor.v1 import status_pb2, status_pb2_grpc

_ROLES = ("status", "postgres", "envoy", "client")
_TABLES = ("processes", "batches", "row_exceptions", "row_runs", "error_counts", "events")
_OWN = "SELECT * FROM status.row_exceptions WHERE process_id = '{}'"
_RUNS = "SELECT * FROM status.row_runs WHERE process_id = '{}'"


async def fill(dsn: str, bad: int, good: int, others: int) -> dict[str, str]:
    """Write the processes and say what they take; their numbers by what is wrong with their rows."""
    found: dict[str, str] = {}
    async with open_pool(dsn, service="bench", schema="status", size=1, prepare=row_security) as pool:
        with within("default"):
            for _ in range(others):
                await write_process(pool, 10, "none")
            for wrong, rows in (("same", bad), ("other", bad), ("none", good)):
                before, began = await _size(dsn), time.perf_counter()
                found[wrong] = await write_process(pool, rows, wrong)  # type: ignore[arg-type]
                seconds, size = time.perf_counter() - began, await _size(dsn) - before
                print(
                    f"ledger of {rows:>11,} rows, wrong: {wrong:<6} {size / rows:8.2f} bytes/row, "
                    f"written in {seconds:,.0f} s",
                    flush=True,
                )
    return found


async def _size(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return sum(
            [
                await connection.fetchval(f"SELECT pg_total_relation_size('status.{table}')")
                for table in _TABLES
            ]
        )
    finally:
        await connection.close()


async def timed(call: Callable[[], Awaitable[Any]], times: int) -> str:
    """Milliseconds of calls one after the other: least, median, 99th percentile."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - began) * 1e3)
    taken.sort()
    return f"{taken[0]:8.2f} {taken[times // 2]:8.2f} {taken[min(times - 1, times * 99 // 100)]:8.2f}"


async def calls(dsn: str, addresses: dict[str, str], processes: dict[str, str], rows: dict[str, int]) -> None:
    """Print how long calls take."""
    connection = await asyncpg.connect(dsn)
    print(f"\n{'ms':<52}    least   median      p99")
    print(f"{'SELECT 1':<52} {await timed(lambda: connection.fetchval('SELECT 1'), 500)}")
    await connection.close()
    for where, address in addresses.items():
        async with grpc.aio.insecure_channel(
            address, options=[("grpc.max_receive_message_length", 64 * 2**20)]
        ) as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            for wrong, process in processes.items():
                await _calls_of(stub, process, rows[wrong], f"{where}, {rows[wrong]:,} rows, wrong: {wrong}")


async def _calls_of(stub: Any, process: str, rows: int, name: str) -> None:
    def row() -> Any:
        return stub.GetRow(status_pb2.GetRowRequest(process_id=process, row_number=random.randint(1, rows)))

    def page(size: int, filter_: str = "") -> Any:
        return stub.ListRows(status_pb2.ListRowsRequest(process_id=process, page_size=size, filter=filter_))

    print(name)
    for what, call, times in (
        ("GetRow", row, 1_000),
        ("ListRows, first page of 50", lambda: page(50), 300),
        ("ListRows, page of 1,000", lambda: page(1_000), 50),
        ("ListRows status=FAILED, first page of 50", lambda: page(50, "status=FAILED"), 300),
        ("ListRows status=FAILED, page of 1,000", lambda: page(1_000, "status=FAILED"), 50),
    ):
        await call()
        print(f"    {what:<48} {await timed(call, times)}", flush=True)


async def copied(dsn: str, query: str) -> float:
    """Seconds of COPY of a query's rows to nowhere."""
    connection = await asyncpg.connect(dsn)

    async def drop(data: bytes) -> None:
        pass

    began = time.perf_counter()
    await connection.copy_from_query(query, output=drop)
    taken = time.perf_counter() - began
    await connection.close()
    return taken


def cpu_seconds(suite: psutil.Process) -> dict[str, float]:
    """CPU seconds so far of the suite's processes by name, and of this one as the client."""
    found = defaultdict(float, client=time.process_time())
    for process in suite.children(recursive=True):
        with suppress(psutil.Error):
            name, times = kind_of(process).partition(":")[0], process.cpu_times()
            found[name] += times.user + times.system
    return found


def reports(
    suite: psutil.Process,
    gateway: str,
    dsn: str,
    processes: dict[str, str],
    bad: int,
    folder: Path,
    runs: int,
) -> None:
    """Print how fast reports are saved."""
    print(f"\nreport of {bad:,} rows, best of {runs}; µs of CPU per row")
    print(f"{'':<34} rows/s  MiB/s  {'  '.join(_ROLES)}")
    with Client(gateway) as client:
        for wrong, query in (("other", _OWN), ("same", _RUNS)):
            process = processes[wrong]
            seconds = min(asyncio.run(copied(dsn, query.format(process))) for _ in range(runs))
            print(f"wrong: {wrong:<6} COPY of the records {bad / seconds:>8,.0f}")
            for format_ in ("csv", "jsonl", "xlsx"):
                path, taken = folder / f"report.{format_}", float("inf")
                used = dict.fromkeys(_ROLES, 0.0)
                for _ in range(runs):
                    before, began = cpu_seconds(suite), time.perf_counter()
                    saved = client.process(process).report(path)
                    seconds = time.perf_counter() - began
                    if seconds < taken:
                        after = cpu_seconds(suite)
                        taken, used = seconds, {role: after[role] - before[role] for role in _ROLES}
                if saved.rows != bad:
                    sys.exit(f"the report has {saved.rows:,} rows")
                shares = "  ".join(f"{used[role] / bad * 1e6:>{len(role)}.2f}" for role in _ROLES)
                print(
                    f"wrong: {wrong:<6} {format_:<19} {bad / taken:>8,.0f} "
                    f"{saved.size / 2**20 / taken:>6,.0f}  {shares}",
                    flush=True,
                )


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__, rows=1_000_000, runs=3)
    of.add_argument("--good-rows", type=int, default=10_000_000, help="of a process; --rows are bad ones")
    of.add_argument("--others", type=int, default=1_100, help="other processes of the tenant")
    options = parsed(of)
    data = (options.data / "reads").absolute()
    data.mkdir(exist_ok=True)
    with running_suite(data, options.gateway_port) as suite:
        dsn, gateway = suite["database_url"], suite["gateway"]
        processes = asyncio.run(fill(dsn, options.rows, options.good_rows, options.others))
        rows = {"same": options.rows, "other": options.rows, "none": options.good_rows}
        addresses = {"service": suite["services"]["status"]["address"], "gateway": gateway}
        asyncio.run(calls(dsn, addresses, processes, rows))
        reports(psutil.Process(suite["pid"]), gateway, dsn, processes, options.rows, data, options.runs)


if __name__ == "__main__":
    main()
