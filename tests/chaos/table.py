"""python -m tests.chaos.table docs/operations/faults.md results.json ...: writes what runs have measured
(python -m tests.chaos --json) between the marks of a page of documentation."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.figures import FIGURES
from tests.chaos.run import FAULTS

BEGIN, END = "<!-- chaos: begin, by python -m tests.chaos.table -->", "<!-- chaos: end -->"

Run = Mapping[str, Any]


def region(runs: Sequence[Run]) -> str:
    """The text between the marks."""
    return "\n".join(
        (*_about(runs), "", *_figures(runs), "", *_faults(runs)),
    )


def _about(runs: Sequence[Run]) -> Iterator[str]:
    for run in sorted(runs, key=lambda one: int(one["seed"])):
        rows = run["rows"]
        yield (
            f"- seed {run['seed']}, commit {run['commit']}, {run['minutes']:g} minutes: "
            f"{rows['attempted']:,} rows sent, {rows['lost']:,} lost, {rows['doubled']:,} doubled, "
            f"{rows['unexpected']:,} unexpected, {len(run['problems'])} other findings"
        )


def _figures(runs: Sequence[Run]) -> Iterator[str]:
    yield "| what is promised | bound | median | worst | times |"
    yield "|---|---|---|---|---|"
    for name, bound in FIGURES.items():
        values = [value for run in runs for value in run["figures"].get(name, ())]
        told = f"{statistics.median(values):.1f} | {max(values):.1f}" if values else "– | –"
        yield f"| {name} | {bound:g} | {told} | {len(values)} |"


def _faults(runs: Sequence[Run]) -> Iterator[str]:
    yield "| fault | times | recovery: median | slowest | what a client saw |"
    yield "|---|---|---|---|---|"
    for fault in FAULTS:
        found = [one for run in runs for one in run["faults"].get(fault.name, ())]
        if not found:
            yield f"| {fault.name} | 0 | – | – | – |"
            continue
        seconds = [one["recovery_seconds"] for one in found]
        yield (
            f"| {fault.name} | {len(found)} | {statistics.median(seconds):.1f} s | {max(seconds):.1f} s "
            f"| {_seen(found)} |"
        )


def _seen(found: Sequence[Mapping[str, Any]]) -> str:
    calls = sum(one["calls"] for one in found)
    failed = Counter[str]()
    for one in found:
        failed.update(one["failed"])
    slowest = max(one["slowest_call_seconds"] for one in found)
    told = ", ".join(f"{count} {code}" for code, count in sorted(failed.items())) or "none failed"
    return f"of {calls:,} calls {told}; the slowest took {slowest:.1f} s"


def written(page: str, runs: Sequence[Run]) -> str:
    """The page with the region of these runs. Raises ValueError when the marks are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{region(runs)}\n\n{END}{after}"


def main() -> None:
    """Write the page."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    page, *results = map(Path, sys.argv[1:])
    runs = [json.loads(path.read_text("utf-8")) for path in results]
    page.write_text(written(page.read_text("utf-8"), runs), "utf-8")


if __name__ == "__main__":
    main()
