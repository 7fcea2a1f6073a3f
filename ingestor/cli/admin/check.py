"""`ingestor admin check`: one screen of what is wrong with a configuration."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import click

from ingestor.cli.admin.group import admin, database_option, login_passwords, run
from ingestor.cli.common import json_option
from ingestor.cli.output import print_json
from ingestor.cli.suite import needs_local

if TYPE_CHECKING:
    from ingestor.provisioning.checks.report import Report


def _addresses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from ingestor.runtime.addresses import split_address

    for value in values:
        try:
            split_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return values


@admin.command()
@database_option
@click.option(
    "--service",
    "services",
    metavar="HOST:PORT",
    multiple=True,
    envvar="INGESTOR_METRICS_ADDRESSES",
    callback=_addresses,
    help="Ask every instance at this address, the one of its metrics, for its release. Once per service. "
    "[env: INGESTOR_METRICS_ADDRESSES, separated by spaces]",
)
@click.option("--one-role", is_flag=True, help="The database was made by `migrate --one-role`.")
@json_option
@needs_local
def check(database_url: str, services: tuple[str, ...], one_role: bool, as_json: bool) -> None:
    """Say what is wrong with the configuration: database, rights and passwords of the services' roles,
    migrations, queues, file store, clocks, releases that run. Changes nothing. Exits with status 1 when there
    is a problem.

    Passwords are tried that the environment has, as `ingestor admin provision` reads them. Queues and file
    store come from the environment as for the services: INGESTOR_AWS_ENDPOINT_URL, INGESTOR_ROWS_QUEUE,
    INGESTOR_FILE_STORE and so on.
    """
    from ingestor.provisioning.checks.database import check_database
    from ingestor.provisioning.checks.files import check_files
    from ingestor.provisioning.checks.queues import check_queues
    from ingestor.provisioning.checks.releases import check_releases
    from ingestor.provisioning.checks.report import Report
    from ingestor.runtime.aws.queues import QueueNames
    from ingestor.runtime.release import this_release
    from ingestor.runtime.settings import FileStoreSettings, load_settings

    names, settings = load_settings(QueueNames), load_settings(FileStoreSettings)
    report = Report()
    report.good("release", f"data-ingestor {this_release().version}, Python {platform.python_version()}")
    passwords = login_passwords()

    async def work() -> None:
        await check_database(report, database_url, passwords, one_role=one_role)
        await check_queues(report, settings, names)
        await check_files(report, settings)
        await check_releases(report, services)

    run(work())
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    if not report.is_good:
        sys.exit(1)


def _print(report: Report) -> None:
    width = max(len(line.name) for line in report.lines)
    for line in report.lines:
        if line.problem:
            click.echo(f"PROBLEM  {line.name:{width}}  {line.problem}; to do: {line.todo}")
        else:
            click.echo(f"ok       {line.name:{width}}  {line.detail}")
