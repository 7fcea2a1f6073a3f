"""The group of all commands, with the options that hold for each of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ingestor.cli import admin, ingest, inspect, lifecycle, pipelines, processes, reports, suite
from ingestor.cli.common import Settings

DEFAULT_ADDRESS = "127.0.0.1:8080"


def _local_address() -> str:
    """The gateway of the suite that runs in the data folder, else the usual one."""
    state = Path(os.environ.get("INGESTOR_DATA", ".ingestor")) / "suite.json"
    try:
        return str(json.loads(state.read_text("utf-8"))["gateway"])
    except (OSError, ValueError, KeyError):
        return DEFAULT_ADDRESS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--address",
    envvar="INGESTOR_ADDRESS",
    metavar="HOST:PORT",
    help="Call this gateway. Default: the suite of the data folder, else 127.0.0.1:8080. "
    "[env: INGESTOR_ADDRESS]",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="data-ingestor", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, address: str | None, debug: bool) -> None:
    """Load large tables into PostgreSQL. Every row is checked on its own; none is lost or loaded twice.

    Put -- before a file whose name begins with -.
    """
    context.obj = Settings(address or _local_address(), debug)


for module in (suite, ingest, processes, reports, lifecycle, pipelines, inspect, admin):
    for command in module.COMMANDS:
        main.add_command(command)
