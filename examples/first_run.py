"""Starts the suite, ingests the sample, and says where to look next; `make run` runs it.

python examples/first_run.py          runs until Ctrl-C
python examples/first_run.py --once   stops after the summary; exit status 0 when the counts are right
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from ingestor import Client

SAMPLE = Path(__file__).parent / "sample"
PIPELINE = SAMPLE / "customers.pipeline.json"
INGESTOR = Path(sys.executable).with_name("ingestor")
EXPECTED = {"read": 1000, "succeeded": 979, "failed": 20, "skipped": 1, "unprocessed": 0}


async def empty_table(dsn: str, table: str) -> None:
    """Empty the sample's table, so that every run gives the same counts in spite of the unique key."""
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", table):
            await connection.execute(f'TRUNCATE "{table}"')
    finally:
        await connection.close()


def facts() -> dict[str, Any]:
    """The output of `ingestor env --secrets --json` for the running suite."""
    done = subprocess.run([INGESTOR, "env", "--secrets", "--json"], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ingest_sample(gateway: str) -> bool:
    """Ingest the sample and print what became of it; whether its counts are the expected ones."""
    with Client(gateway) as client:
        process = client.ingest(SAMPLE / "customers.csv", pipeline=PIPELINE).wait()
        counts = {name: getattr(process.counts, name) for name in EXPECTED}
        print(f"{process.file_name}: {process.state}\nprocess {process.id}")
        print("  ".join(f"{name} {count:,}" for name, count in counts.items()))
        if process.failure:
            print(f"{process.failure.message} ({process.failure.reason})")
        print("\nthe first errors:")
        for row in process.rows("status=FAILED", limit=3):
            print(f"  row {row.number}, line {row.line}: {row.errors[0].message} [{row.errors[0].code}]")
        print(
            f"\nall of them:   ingestor rows {process.id} --filter status=FAILED\n"
            f"by kind:       ingestor errors {process.id}\n"
            f"as a file:     ingestor report {process.id} -o rejected.csv\n"
            f"corrected:     ingestor ingest rejected.csv --repair {process.id}"
        )
    if counts != EXPECTED:
        print(f"the sample should give {EXPECTED}, not {counts}", file=sys.stderr)
    return counts == EXPECTED


def wait_for_signal() -> None:
    """Wait for Ctrl-C or SIGTERM, which are blocked so that sigwait gets them."""
    wanted = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    signal.sigwait(wanted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, wanted)


def main() -> int:
    """Run the example; return 0 when the sample's counts are as expected."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true")
    once = parser.parse_args().once
    if subprocess.run([INGESTOR, "up", "--detach"], check=False).returncode != 0:
        return 1
    try:
        found = facts()
        table = json.loads(PIPELINE.read_text("utf-8"))["sink"]["table"]
        asyncio.run(empty_table(found["database_url"], table))
        print("\ningesting examples/sample/customers.csv (some rows are bad on purpose)\n", flush=True)
        if not ingest_sample(found["gateway"]):
            return 1
        look = found["look_url"]  # of a role that changes nothing
        query = f"SELECT * FROM {table} LIMIT 5"  # noqa: S608 - a hint for the reader
        print(
            f"\nThe suite is up:\n"
            f"  the page           {found['page']['url'] if found['page'] else 'is not built'}\n"
            f"  gRPC and gRPC-web  http://{found['gateway']}\n"
            f"  PostgreSQL         {look or 'your own'}\n"
            f"  loaded rows        psql '{look or '$INGESTOR_DATABASE_URL'}' -c '{query}'\n"
            f"  your own file      .venv/bin/ingestor ingest FILE.csv\n"
            f"  everything else    .venv/bin/ingestor --help\n",
            flush=True,
        )
        if not once:
            print("Ctrl-C stops it; the data stays in .ingestor", flush=True)
            wait_for_signal()
        return 0
    finally:
        subprocess.run([INGESTOR, "down"], check=False)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
