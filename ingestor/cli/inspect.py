"""`ingestor inspect` and `ingestor pipelines infer`: look at a file before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ingestor.cli.output import print_json, print_table
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.options import OptionsError, parse_options


def inspection(path: Path, dialect: str, rows: int) -> dict[str, Any]:
    """See inspect_file; what is wrong ends the command."""
    try:
        return inspect_file(path, path.name, parse_options(dialect), rows=rows)
    except UnreadableFileError as error:
        raise click.ClickException(f"{error.message} [{error.reason}]") from None
    except OptionsError as error:
        raise click.ClickException(f"dialect: {error}") from None


def print_inspection(path: Path, dialect: str, rows: int, as_json: bool) -> None:
    """What a file looks like."""
    found = inspection(path, dialect, rows)
    if as_json:
        print_json(found)
        return
    told = ", ".join(f"{key} {value!r}" for key, value in found["dialect"].items())
    scope = "all of" if found["complete"] else "the first"
    click.echo(f"{path.name}: {told}\n{scope} {found['sampled_rows']:,} records\n")
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
        click.echo(f"\n{found['rejected_count']:,} of them would not be rows:")
        for record in found["rejected"][:10]:
            click.echo(
                f"  row {record['row']}, line {record['line']}: {record['message']} [{record['code']}]"
            )
