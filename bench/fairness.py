"""Measures how long a small file of one tenant takes alone, and beside a large file of another.

    python -m bench.fairness --rows 2000000

Prints the times from the opening of the upload to the end of the process, and the ratio of the medians; the
exit status is 1 when it is above 3.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from bench.files.data import made, write_pipeline
from bench.options import parsed, parser
from bench.suite import ingest, running_suite, tenant_key
from ingestor import Client, Process

_MOST = 3.0  # times as long as alone
_SMALL = 1_000  # rows


def small_times(client: Client, path: Path, document: Path, runs: int, beside: Process | None) -> list[float]:
    """Seconds of each run, as long as the process beside it runs."""
    found: list[float] = []
    for _ in range(runs):
        done = ingest(client, path, document)
        if beside and beside.refresh().state not in ("DISPATCHING", "PROCESSING"):
            break
        if done.process.state != "COMPLETED":
            sys.exit(f"the small file ended {done.process.state}: {done.process.failure}")
        found.append(done.seconds)
    return found


def main() -> None:
    """Run the benchmark."""
    options = parsed(parser(__doc__, rows=2_000_000, runs=10))
    large = made(options.data / f"table-{options.rows}.csv", options.rows)
    small = made(options.data / f"table-{_SMALL}.csv", _SMALL)
    # The small file's rows are loaded again and again, so their table has no key.
    upsert, append = options.data / "small.json", options.data / "large.json"
    write_pipeline(upsert, "fairness_small", "upsert")
    write_pipeline(append, f"fairness_{time.time_ns()}")
    with (
        running_suite((options.data / "fairness").absolute(), options.gateway_port) as suite,
        Client(suite["gateway"], token=tenant_key(suite, "crowd")) as crowd,
        Client(suite["gateway"], token=tenant_key(suite, "single")) as single,
    ):
        failed = compare(crowd, single, large, small, append, upsert, options.rows, options.runs)
    sys.exit(1 if failed else 0)


def compare(
    crowd: Client, single: Client, large: Path, small: Path, append: Path, upsert: Path, rows: int, runs: int
) -> bool:
    """Print the figures; return True when the small file took too long."""
    small_times(single, small, upsert, 2, None)  # warm
    alone = small_times(single, small, upsert, runs, None)
    started = time.perf_counter()
    process = crowd.ingest(large, crowd.pipelines.apply(append).reference)
    while process.refresh().counts.succeeded < rows / 20:
        time.sleep(0.1)
    beside = small_times(single, small, upsert, 10_000, process)
    done = process.wait()
    seconds = time.perf_counter() - started
    for name, times in (("alone", alone), (f"beside {rows:,} rows", beside)):
        print(
            f"{_SMALL:,} rows {name:<22} median {statistics.median(times):.2f} s "
            f"(min {min(times):.2f}, max {max(times):.2f}, {len(times)} runs)"
        )
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"ratio of the medians {ratio:.2f}; the large file {rows / seconds:,.0f} rows/s")
    if done.state != "COMPLETED":
        sys.exit(f"the large file ended {done.state}: {done.failure}")
    return ratio > _MOST


if __name__ == "__main__":
    main()
