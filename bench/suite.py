"""Compares the whole suite with a bare COPY of the same file, on the same machine, in the same run.

    python -m bench.suite --rows 1000000
    python -m bench.suite --upsert

Alternates between them and a bare COPY in binary form, `--runs` times each. One in `--bad-every` rows of the
suite's file is bad; COPY gets right ones in their place. Prints rows/s and ratios with their least and most,
CPU seconds of each process (the backends of PostgreSQL by the service that uses them) and of each stage, peak
memory, bytes of log, ledger and table, what AWS would ask, and whether ledger and table agree with the file.
Writes them as Markdown and JSON to bench/results. A second suite, where every call needs a key, shows what
access costs.
The exit status is 1 when a run lost, duplicated or changed a row.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.bare import copy, log_position, prepare, write_binary
from bench.figures.results import Run, write_results
from bench.figures.stages import counted, stages
from bench.figures.usage import Sampler
from bench.files.bad import EVERY, write_bad
from bench.files.data import made, write_csv, write_jsonl, write_pipeline, write_xlsx
from bench.options import parsed, parser
from bench.ways.upserts import measure as measure_upserts
from ingestor import Client, Process

RESULTS = Path("bench/results")
INGESTOR = Path(sys.executable).with_name("ingestor")
# One number for the whole content of a table, independent of the order of its rows.
CHECKSUM = (
    "SELECT count(*), sum(hashtextextended(concat_ws('|', id, name, email, city, amount, rate, born, "
    "extract(epoch FROM seen), active, visits), 0)::numeric) FROM {table} WHERE {right}"
)


_SIZES = """
SELECT (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        WHERE c.relnamespace = 'status'::regnamespace AND c.relkind = 'r')::bigint,
       coalesce(pg_total_relation_size(to_regclass('bench_suite')), 0)
"""


@dataclass(frozen=True)
class Files:
    """What is loaded: `plain` by COPY, `file` by the suite, where one in `bad_every` is bad (0: none)."""

    plain: Path
    file: Path
    rows: int
    bad_every: int

    @property
    def bad(self) -> int:
        """Rows that must fail."""
        return self.rows // self.bad_every if self.bad_every else 0

    @property
    def right(self) -> int:
        """Rows that must be in the table."""
        return self.rows - self.bad


@dataclass(frozen=True)
class Kept:
    """Bytes: ever written to the log of the database, of the ledger, of the suite's table."""

    wal: int
    ledger: int
    table: int


@dataclass(frozen=True)
class Ingested:
    """A process that has ended, and the seconds from the upload's beginning on."""

    process: Process
    seconds: float


def facts(data: Path) -> dict[str, Any]:
    """What `ingestor env --secrets --json` says of the running suite; exits when it fails."""
    done = subprocess.run(
        [INGESTOR, "env", "--secrets", "--json"],
        env={**os.environ, "INGESTOR_DATA": str(data)},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"ingestor env failed with status {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ingest(client: Client, path: Path, document: Path | None) -> Ingested:
    """Ingest a file and wait for its end."""
    pipeline = client.pipelines.apply(document).reference if document else None
    started = time.perf_counter()
    process = client.ingest(path, pipeline).wait()
    return Ingested(process, time.perf_counter() - started)


async def empty_suite_table(dsn: str, *, drop: bool = False) -> None:
    """Empty the suite's table, so that all runs start alike; `drop`: the next one has other columns."""
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT to_regclass('bench_suite')"):
            await connection.execute(f"{'DROP' if drop else 'TRUNCATE'} TABLE bench_suite")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def empty_tables(dsn: str) -> None:
    """Empty the tables of all tenants but `default`."""
    connection = await asyncpg.connect(dsn)
    try:
        for row in await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname ^@ 'tenant_'"
        ):
            await connection.execute(f"TRUNCATE {row[0]}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def check(dsn: str, files: Files, process: Process) -> list[str]:
    """Where ledger or table differ from the file; empty when they agree."""
    wrong = []
    expected = {
        "read": files.rows,
        "succeeded": files.right,
        "failed": files.bad,
        "skipped": 0,
        "unprocessed": 0,
    }
    counts = {name: getattr(process.counts, name) for name in expected}
    state = "COMPLETED_WITH_ERRORS" if files.bad else "COMPLETED"
    if process.state != state or counts != expected:
        wrong.append(f"ledger says {process.state} {counts}, not {state} {expected}")
    right = f"id % {files.bad_every} <> 0" if files.bad_every else "true"
    connection = await asyncpg.connect(dsn)
    try:
        bare = tuple(await connection.fetchrow(CHECKSUM.format(table="bench_copy", right=right)) or ())
        suite = tuple(await connection.fetchrow(CHECKSUM.format(table="bench_suite", right="true")) or ())
        if bare != suite or bare[0] != files.right:
            wrong.append(
                f"the tables differ: COPY has {bare}, the suite {suite}, the file {files.right} rows"
            )
        numbers = await connection.fetchrow(
            "SELECT count(DISTINCT _row_number), bool_and(_row_number = id) FROM bench_suite"
        )
        if numbers is None or tuple(numbers) != (files.right, True):
            wrong.append(f"row numbers in the table are {numbers}")
    finally:
        await connection.close()
    return wrong


def megabytes(count: int) -> str:
    """Bytes as MiB."""
    return f"{count / 2**20:.0f} MiB"


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__, rows=1_000_000, runs=3)
    of.add_argument("--other-rows", type=int, default=250_000, help="of upsert, JSON rows, JSONL, XLSX")
    of.add_argument("--bad-every", type=int, default=EVERY, help="one in so many rows is bad; 0: none")
    of.add_argument("--processors", type=int, default=1)
    of.add_argument("--main-only", action="store_true", help="only CSV into a table, without access")
    of.add_argument("--upsert", action="store_true", help="only upserts of new and of known keys")
    options = parsed(of)
    data = (options.data / "suite").absolute()
    table = options.data / f"table-{options.rows}.csv"
    document = options.data / "pipeline.json"
    if not table.exists():
        print(f"making {options.rows:,} rows ...", flush=True)
    made(table, options.rows)
    file = table
    if options.bad_every:
        file = options.data / f"table-{options.rows}-bad-{options.bad_every}.csv"
        made(file, options.rows, lambda part, _: write_bad(table, part, options.bad_every))
    files = Files(table, file, options.rows, options.bad_every)
    write_pipeline(document, "bench_suite")
    print(f"{table}: {options.rows:,} rows, {megabytes(table.stat().st_size)}", flush=True)
    processors = ("--processors", str(options.processors))
    with (
        running_suite(data, options.gateway_port, *processors) as suite,
        Client(suite["gateway"]) as client,
    ):
        if options.upsert:
            dsn = suite["database_url"]
            good = Files(table, table, options.rows, 0)
            failed = measure_upserts(
                suite,
                table,
                document,
                options.rows,
                options.runs,
                lambda: ingest(client, table, document),
                lambda: asyncio.run(empty_suite_table(dsn)),
                lambda process: asyncio.run(check(dsn, good, process)),
            )
        elif options.main_only:
            failed = run(client, suite, None, files, document, options.runs)
        else:
            with (
                running_suite(
                    (options.data / "access").absolute(),
                    options.gateway_port + 1,
                    "--auth",
                    *processors,
                    **no_issuer(options.data),
                ) as guarded,
                Client(
                    guarded["gateway"], token=tenant_key(guarded, f"bench-{secrets.token_hex(4)}")
                ) as with_key,
            ):
                failed = run(client, suite, (with_key, guarded), files, document, options.runs)
                rows = min(options.rows, options.other_rows)
                failed |= other_ways(client, suite["database_url"], options.data, rows)
    sys.exit(1 if failed else 0)


@contextmanager
def running_suite(data: Path, port: int, *arguments: str, **env: str) -> Iterator[dict[str, Any]]:
    """A suite in `data` while the context lasts; what `ingestor env --secrets --json` says of it."""
    command = [str(INGESTOR), "up", "--detach", "--data", str(data), "--gateway-port", str(port), *arguments]
    subprocess.run(command, env={**os.environ, **env}, check=True)
    try:
        yield facts(data)
    finally:
        subprocess.run([INGESTOR, "down", "--data", str(data)], check=True)


def no_issuer(folder: Path) -> dict[str, str]:
    """Settings of a suite where only API keys count: nobody has the private key of its issuer."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    keys = folder / "issuer.json"
    keys.write_text(json.dumps({"keys": [{**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": "nobody's"}]}))
    return {"INGESTOR_OIDC_ISSUER": "https://issuer.invalid", "INGESTOR_OIDC_JWKS": str(keys.absolute())}


def tenant_key(suite: dict[str, Any], name: str) -> str:
    """An API key of an admin of a tenant, which is made if it is not there."""
    done = subprocess.run(
        [INGESTOR, "admin", "tenants", "create", name, "--key", "--json", "--data", suite["data"]],
        stdout=subprocess.PIPE,
        check=True,
    )
    return str(json.loads(done.stdout)["token"])


def run(
    client: Client,
    suite: dict[str, Any],
    guarded: tuple[Client, dict[str, Any]] | None,
    files: Files,
    document: Path,
    runs: int,
) -> bool:
    """Alternate between all, print the figures and write them down; return True when a check failed."""
    dsn, pid, rows = suite["database_url"], int(suite["pid"]), files.rows
    asyncio.run(prepare(dsn))
    turns: list[Run] = []
    keyed: list[float] = []
    wrong: list[str] = []
    binary = files.plain.with_suffix(".binary")
    for number in range(1, runs + 1):
        csv = asyncio.run(copy(dsn, files.plain))
        if number == 1:
            asyncio.run(write_binary(dsn, binary))
        plain = asyncio.run(copy(dsn, binary, "binary"))
        asyncio.run(empty_suite_table(dsn))
        before, counters = asyncio.run(kept(dsn)), counted(suite)
        sampler = Sampler(pid)
        with sampler.watching():
            done = ingest(client, files.file, document)
        after = asyncio.run(kept(dsn))
        turns.append(
            Run(
                csv, plain, done.seconds, after.wal - before.wal, after.ledger - before.ledger,
                after.table, sampler.usage, stages(sampler.usage, counters, counted(suite)),
                done.process.raw.cost.dollars_per_million_rows,
            )
        )  # fmt: skip
        wrong += asyncio.run(check(dsn, files, done.process))
        print(
            f"run {number}: COPY {rows / csv.seconds:>10,.0f} rows/s, binary {rows / plain.seconds:>10,.0f} "
            f"  suite {rows / done.seconds:>10,.0f} rows/s   ratio {csv.seconds / done.seconds:.2f}",
            flush=True,
        )
        if guarded:
            with_key, other = guarded
            asyncio.run(empty_tables(other["database_url"]))
            done = ingest(with_key, files.file, document)
            keyed.append(done.seconds)
            if done.process.counts.succeeded != files.right:
                wrong.append(f"with access: {done.process.counts}")
    print(f"\n{write_results(RESULTS, rows, turns, not wrong)}")
    if keyed:
        ours = statistics.median(turn.suite_seconds for turn in turns)
        print(
            f"with access: {rows / statistics.median(keyed):,.0f} rows/s, "
            f"{statistics.median(keyed) / ours - 1:+.1%} time of the suite without"
        )
    if wrong:
        print("WRONG:\n" + "\n".join(wrong))
    return bool(wrong)


async def kept(dsn: str) -> Kept:
    """What the database has now."""
    connection = await asyncpg.connect(dsn)
    try:
        ledger, table = await connection.fetchrow(_SIZES) or (0, 0)
        return Kept(await log_position(connection), ledger, table)
    finally:
        await connection.close()


def other_ways(client: Client, dsn: str, folder: Path, rows: int) -> bool:
    """Compare upsert, JSON rows and other formats, once each, with COPY of as many rows of CSV; return True
    when a check failed."""
    document = folder / "other.json"
    table = folder / f"table-{rows}.csv"
    lines, book = folder / f"table-{rows}.jsonl", folder / f"table-{rows}.xlsx"
    for path, write in ((table, write_csv), (lines, write_jsonl), (book, write_xlsx)):
        made(path, rows, write)
    seconds = asyncio.run(copy(dsn, table)).seconds
    print(f"\n{rows:,} rows              rows/s   ratio to COPY ({rows / seconds:,.0f} rows/s)")
    failed = False
    ways: list[tuple[str, Path, str | None]] = [
        ("CSV, append", table, "append"),
        ("CSV, upsert, new keys", table, "upsert"),
        ("CSV, upsert, known keys", table, None),
        ("CSV, JSON rows", table, ""),
        ("JSONL, append", lines, "append"),
        ("XLSX, append", book, "append"),
    ]
    for name, path, mode in ways:
        if mode:
            write_pipeline(document, "bench_suite", mode)
        if mode is not None:
            asyncio.run(empty_suite_table(dsn))
        done = ingest(client, path, document if mode != "" else None)
        failed |= done.process.counts.succeeded != rows
        taken = done.seconds
        print(f"{name:<26} {rows / taken:>10,.0f}   {seconds / taken:.2f}", flush=True)
    return failed


if __name__ == "__main__":
    main()
