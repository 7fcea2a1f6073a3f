"""Draws where the CPU seconds of a million rows go.

    python -m bench.pictures.stages bench/results/csv-1000000.json docs/images/stages.svg

The medians of the runs that `bench.suite` has written, in the order of the way of rows, beside what the
backend of a bare COPY takes.
"""

from __future__ import annotations

import json
import statistics
import sys
from html import escape
from pathlib import Path
from typing import Any

_COLOURS = {
    "client": "#868e96",
    "gateway": "#7048e8",
    "upload": "#1971c2",
    "delimit": "#2f9e44",
    "pack": "#2f9e44",
    "orchestrator, the rest": "#8ce99a",
    "queue": "#f08c00",
    "unpack": "#e8590c",
    "parse": "#e8590c",
    "check": "#e8590c",
    "encode": "#e8590c",
    "processor, the rest": "#ffc078",
    "COPY": "#0b7285",
    "ledger": "#c2255c",
    "other": "#ced4da",
}
_LEFT, _WIDE, _LINE = 180, 560, 22


def draw(found: dict[str, Any]) -> str:
    """The picture of what `bench.suite` has written as JSON."""
    rows, runs = found["rows"], found["runs"]

    def median(of: list[float]) -> float:
        return float(statistics.median(of) * 1e6 / rows)

    bars = [
        (stage, median([run["stages"][stage] for run in runs]), colour) for stage, colour in _COLOURS.items()
    ]
    bars.append(("bare COPY of CSV", median([run["csv"]["cpu"] for run in runs]), "#343a40"))
    bars.append(("bare COPY of binary", median([run["binary"]["cpu"] for run in runs]), "#343a40"))
    most = max(seconds for _, seconds, _ in bars)
    size = f"{_LEFT + _WIDE + 90} {(len(bars) + 1) * _LINE}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, (name, seconds, colour) in enumerate(bars):
        y = number * _LINE + _LINE // 2
        wide = max(1.0, seconds / most * _WIDE)
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end" fill="#212529">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y + 3}" width="{wide:.1f}" height="{_LINE - 6}" rx="2" fill="{colour}"/>',
            f'<text x="{_LEFT + wide + 6:.1f}" y="{y + 14}" fill="#495057">{seconds:.2f} s</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    results, picture = map(Path, sys.argv[1:3])
    picture.write_text(draw(json.loads(results.read_text("utf-8"))), "utf-8")
