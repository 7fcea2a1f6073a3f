"""The group of all commands, with the options that hold for each of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from ingestor.cli.common import Settings
from ingestor.cli.output import say

DEFAULT_ADDRESS = "127.0.0.1:8080"

# The module of each command, and of a group of commands. Only that of the command that is run is imported.
MODULES = {
    "ingestor.cli.suite": ("up", "down", "env"),
    "ingestor.cli.ingest": ("ingest",),
    "ingestor.cli.processes": ("status", "watch", "processes", "events", "rows", "row", "errors"),
    "ingestor.cli.reports": ("report",),
    "ingestor.cli.receipts": ("verify", "receipt"),
    "ingestor.cli.lifecycle": ("pause", "resume", "cancel", "retry", "undo", "delete"),
    "ingestor.cli.pipelines": ("pipelines",),
    "ingestor.cli.inspect": ("inspect",),
    "ingestor.cli.access": ("login", "logout", "whoami", "keys", "members", "quotas", "audit"),
    "ingestor.cli.admin": ("admin",),
}
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


class _Commands(click.Group):
    """All commands, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULE_OF:
            return None
        commands: Sequence[click.Command] = import_module(_MODULE_OF[cmd_name]).COMMANDS
        return next(command for command in commands if command.name == cmd_name)


def _local_suite() -> tuple[str, str | None]:
    """Gateway and CA of the suite that runs in the data folder, else the usual gateway."""
    file = Path(os.environ.get("INGESTOR_DATA", ".ingestor")) / "suite.json"
    try:
        state = json.loads(file.read_text("utf-8"))
        tls = state.get("tls")
        return (str(state["gateway_url"]), str(tls["ca"])) if tls else (str(state["gateway"]), None)
    except (OSError, ValueError, KeyError):
        return DEFAULT_ADDRESS, None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--address",
    envvar="INGESTOR_ADDRESS",
    metavar="ADDRESS",
    help="Call this gateway: host:port, or https://host:port. Default: the suite of the data folder, else "
    "127.0.0.1:8080. [env: INGESTOR_ADDRESS]",
)
@click.option(
    "--ca",
    envvar="INGESTOR_CA",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the CA in this file (PEM) instead of well-known ones. [env: INGESTOR_CA]",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help="Call with this API key or token. Others on this machine may see it among the processes: prefer "
    "`ingestor login` or the environment. [env: INGESTOR_TOKEN]",
)
@click.option(
    "--tenant",
    metavar="NAME",
    help="Act in this tenant; needed with roles in several. [env: INGESTOR_TENANT]",
)
@click.option(
    "--allow-plaintext-token",
    is_flag=True,
    help="Send the token to another machine even without TLS, where others may read it.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="data-ingestor", message="%(prog)s %(version)s")
@click.pass_context
def main(
    context: click.Context,
    address: str | None,
    ca: str | None,
    token: str | None,
    tenant: str | None,
    allow_plaintext_token: bool,
    debug: bool,
) -> None:
    """Load large tables into PostgreSQL. Every row is checked on its own; none is lost or loaded twice.

    Put -- before a file whose name begins with -.
    """
    local_ca = None
    if not address:
        address, local_ca = _local_suite()
    if token:
        say("warning: others on this machine may see a token on the command line; set INGESTOR_TOKEN instead")
    context.obj = Settings(address, debug, ca or local_ca, token, tenant, allow_plaintext_token)
