"""The options that benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser(about: str | None, *, rows: int | None = None, runs: int | None = None) -> argparse.ArgumentParser:
    """A parser of --data and --gateway-port, and with their usual numbers of --rows and --runs."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rows is not None:
        made.add_argument("--rows", type=int, default=rows)
    if runs is not None:
        made.add_argument("--runs", type=int, default=runs)
    made.add_argument("--data", type=Path, default=Path(".bench"))
    made.add_argument("--gateway-port", type=int, default=8099)
    return made


def parsed(of: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of this run; the folder for data is there."""
    options = of.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    return options
