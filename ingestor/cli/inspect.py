"""`ingestor inspect` and `ingestor pipelines infer`: look at a file before it is sent. Needs no suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ingestor.cli.common import dialect_options, file_argument, json_option
from ingestor.cli.output import errors_in_one_line, place, print_json, print_table
from ingestor.cli.summary import print_notices
from ingestor.v1 import common_pb2

rows_option = click.option(
    "--rows", type=click.IntRange(1), default=1000, show_default=True, help="Look at this many records."
)


@click.command()
@file_argument(exists=True)
@dialect_options
@rows_option
@json_option
def inspect(file: Path, dialect: str, rows: int, as_json: bool) -> None:
    """Show how FILE is read. Prints what its columns hold and which records would be rejected. Needs no
    suite."""
    print_inspection(file, dialect, rows, as_json)


def inspection(path: Path, dialect: str, rows: int) -> dict[str, Any]:
    """See inspect_file; an error ends the command with exit status 1."""
    # These take NumPy and Arrow, which no other command needs.
    from ingestor.pipelines.inspection import inspect_file
    from ingestor.tabular.options import parse_options

    with errors_in_one_line():
        return inspect_file(path, path.name, parse_options(dialect), rows=rows)
    raise AssertionError("unreachable: errors_in_one_line exits")


def print_inspection(path: Path, dialect: str, rows: int, as_json: bool) -> None:
    """Print what a file looks like."""
    found = inspection(path, dialect, rows)
    if as_json:
        print_json(found)
        return
    dialect_found = ", ".join(f"{key} {value!r}" for key, value in found["dialect"].items())
    scope = "all of" if found["complete"] else "the first"
    click.echo(f"{path.name}: {dialect_found}")
    for guess in found["guesses"]:
        click.echo(f"  {guess['option']} {guess['value_json']} ({guess['confidence']:.0%}): {guess['why']}")
    print_notices(common_pb2.Notice(**notice) for notice in found["notices"])
    click.echo(f"{scope} {found['sampled_rows']:,} records\n")
    print_table(
        ["column", "type", "format", "fits", "missing", "examples"],
        [
            [
                column["label"], column["type"], "" if column["format"] == "default" else column["format"],
                f"{column['confidence']:.1%}", f"{column['missing']:,}",
                ", ".join(example[:20] for example in column["examples"][:3]),
            ]
            for column in found["columns"]
        ],
    )  # fmt: skip
    if found["rejected"]:
        click.echo(f"\n{found['rejected_count']:,} of them would be rejected:")
        for record in found["rejected"][:10]:
            click.echo(f"  {place(record['row'], record['line'])}: {record['message']} [{record['code']}]")


COMMANDS = [inspect]
