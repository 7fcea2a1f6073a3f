"""Compares files of other shapes with COPY: one column, many columns, newlines, bad rows, other formats.

    python -m bench.ways.shapes --rows 1000000 --runs 3 [--only "200 columns"]

The suite loads each file into a new table, alternating with a bare COPY of the same rows as plain CSV into
a table of the same columns; of bad rows COPY gets right ones, since it takes no others. Prints the median
rows/s of both and their ratio, and checks ledger and table against what was written: the exit status is 1
when a row is missing, is there twice, or failed without being bad.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
from pyarrow import csv, parquet

from bench.files.bad import write_bad
from bench.files.data import SEED, made, pipeline, write_csv
from bench.options import parsed, parser
from bench.suite import empty_suite_table, ingest, running_suite
from ingestor import Client, Process

_SQL = {
    "integer": "bigint", "string": "text", "number": "numeric", "date": "date", "datetime": "timestamptz",
    "boolean": "boolean",
}  # fmt: skip
Write = Callable[[Path, int], None]
Convert = Callable[[Path, Path], object]


@dataclass(frozen=True)
class Shape:
    """A file for the suite and one for COPY, of `rows` rows for each million of the run."""

    name: str
    fields: list[dict[str, Any]]
    plain: Write
    file: Convert | None = None  # of the plain file; None: the suite reads that
    suffix: str = ".csv"
    rows: int = 1_000_000
    bad_every: int = 0  # each so many rows one is bad; 0: none
    dialect: dict[str, Any] = field(default_factory=dict)


def _one_column(path: Path, rows: int) -> None:
    path.write_text("id\n" + "\n".join(map(str, range(1, rows + 1))) + "\n")


def _wide(path: Path, rows: int) -> None:
    rng = random.Random(SEED)
    with path.open("w") as file:
        file.write(",".join(f"c{at}" for at in range(200)) + "\n")
        for number in range(1, rows + 1):
            texts = [str(number), *(str(rng.randrange(10_000)) for _ in range(99))]
            file.write(",".join([*texts, *(f"w{rng.randrange(1_000)}" for _ in range(100))]) + "\n")


def _newlines(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(
            f'{number},"{number % 97} said:\n""so, it is {number}""\nand left"\n'
            for number in range(1, rows + 1)
        )


def _bad(every: int) -> Convert:
    return lambda plain, path: write_bad(plain, path, every)


def _gzip(plain: Path, path: Path) -> None:
    with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=6) as file:
        shutil.copyfileobj(source, file, 2**20)


def _parquet(plain: Path, path: Path) -> None:
    parquet.write_table(csv.read_csv(plain), path)


def _other_dialect(plain: Path, path: Path) -> None:
    """Two characters as delimiter, a backslash before quotes, comments."""
    texts = csv.ConvertOptions(column_types={one["name"]: pa.string() for one in _MAIN})
    table = csv.read_csv(plain, convert_options=texts)
    with path.open("w", encoding="utf-8") as file:
        file.write("||".join(table.column_names) + "\n")
        columns = [column.to_pylist() for column in table.columns]
        for number, (first, name, *rest) in enumerate(zip(*columns, strict=True)):
            if number % 10_000 == 0:
                file.write("# a comment\n")
            file.write("||".join([first, f'"{name}"', *rest]) + "\n")


_MAIN = pipeline("bench_suite")["schema"]["fields"]
_OTHER = {"delimiter": "||", "escapeChar": "\\", "doubleQuote": False, "commentChar": "#"}
_WIDE = [{"name": f"c{at}", "type": "integer" if at < 100 else "string"} for at in range(200)]
_NEWLINES = [{"name": "id", "type": "integer"}, {"name": "text", "type": "string"}]

SHAPES = [
    Shape("one column", [{"name": "id", "type": "integer"}], _one_column),
    Shape("200 columns", _WIDE, _wide, rows=50_000),
    Shape("newlines in quotes", _NEWLINES, _newlines),
    Shape("1 % bad rows", _MAIN, write_csv, _bad(100), bad_every=100),
    Shape("50 % bad rows", _MAIN, write_csv, _bad(2), bad_every=2),
    Shape("gzip", _MAIN, write_csv, _gzip, ".csv.gz"),
    Shape("Parquet", _MAIN, write_csv, _parquet, ".parquet"),
    Shape("other dialect", _MAIN, write_csv, _other_dialect, dialect=_OTHER),
]


def document(shape: Shape, path: Path) -> Path:
    """The pipeline of a shape, written to `path`."""
    made_of: dict[str, Any] = {
        "name": "bench-" + re.sub("[^a-z0-9]+", "-", shape.name.lower()).strip("-"),
        "schema": {"fields": shape.fields},
        "sink": {"table": "bench_suite", "mode": "append"},
    }
    if shape.dialect:
        made_of["dialect"] = shape.dialect
    if shape.fields is _MAIN:
        made_of["schema"]["primaryKey"] = "id"
    path.write_text(json.dumps(made_of, ensure_ascii=False), "utf-8")
    return path


async def copied(dsn: str, shape: Shape, path: Path) -> float:
    """Seconds of a COPY of the plain file into an empty table of the shape's columns."""
    columns = ", ".join(f'"{one["name"]}" {_SQL[one["type"]]}' for one in shape.fields)
    key = ", PRIMARY KEY (id)" if shape.fields is _MAIN else ""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy ({columns}{key})")
        await connection.execute("CHECKPOINT")
        began = time.perf_counter()
        await connection.copy_to_table("bench_copy", source=path, format="csv", header=True)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def checked(dsn: str, shape: Shape, rows: int, process: Process) -> list[str]:
    """Where ledger or table differ from what was written."""
    bad = rows // shape.bad_every if shape.bad_every else 0
    counts = process.counts
    wrong = []
    if (counts.read - counts.skipped, counts.succeeded, counts.failed) != (rows, rows - bad, bad):
        wrong.append(f"{shape.name}: {process.state} {counts}, not {rows - bad} loaded and {bad} failed")
    name = shape.fields[0]["name"]
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetchrow(f'SELECT count(*), count(DISTINCT "{name}") FROM bench_suite')
        if found is None or tuple(found) != (rows - bad, rows - bad):
            wrong.append(f"{shape.name}: the table has {found}, not {rows - bad} rows")
    finally:
        await connection.close()
    return wrong


def measure(client: Client, dsn: str, shape: Shape, folder: Path, rows: int, runs: int) -> list[str]:
    """Alternate between COPY and the suite, print the medians; what is wrong."""
    plain = made(folder / f"{shape.plain.__name__}-{rows}.csv", rows, shape.plain)
    path = plain
    if convert := shape.file:
        slug = shape.name.replace(" ", "-").replace("%", "percent")
        path = made(folder / f"{slug}-{rows}{shape.suffix}", rows, lambda part, _: convert(plain, part))
    pipeline_of = document(shape, folder / "shape.json")
    bare, ours, wrong = [], [], []
    for _ in range(runs):
        bare.append(asyncio.run(copied(dsn, shape, plain)))
        asyncio.run(empty_suite_table(dsn, drop=True))
        done = ingest(client, path, pipeline_of)
        ours.append(done.seconds)
        wrong += asyncio.run(checked(dsn, shape, rows, done.process))
    ratios = sorted(one / other for one, other in zip(bare, ours, strict=True))
    print(
        f"{shape.name:<20} {rows:>10,} {rows / statistics.median(bare):>12,.0f} "
        f"{rows / statistics.median(ours):>12,.0f} {statistics.median(ratios):>7.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )
    return wrong


def main() -> None:
    """Run the benchmark."""
    of = parser(__doc__, rows=1_000_000, runs=3)
    of.add_argument("--only", choices=[shape.name for shape in SHAPES], action="append")
    options = parsed(of)
    wrong: list[str] = []
    print(f"{'':<20} {'rows':>10} {'COPY, rows/s':>12} {'suite, rows/s':>12} {'ratio':>7}")
    with (
        running_suite((options.data / "suite").absolute(), options.gateway_port) as suite,
        Client(suite["gateway"]) as client,
    ):
        for shape in SHAPES:
            if not options.only or shape.name in options.only:
                rows = max(1, options.rows * shape.rows // 1_000_000)
                dsn = suite["database_url"]
                wrong += measure(client, dsn, shape, options.data, rows, options.runs)
    print("\n".join(["WRONG:", *wrong]) if wrong else "Ledger and table agree with the files.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
