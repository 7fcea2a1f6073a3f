"""`ingestor admin provision` and `migrate`: the database, before the services start."""

from __future__ import annotations

import json
import os
import secrets

import click

from ingestor.cli.admin.group import admin, database_option, run
from ingestor.cli.common import json_option
from ingestor.cli.suite import needs_local


@admin.command()
@database_option
@json_option
@needs_local
def provision(database_url: str, as_json: bool) -> None:
    """Make or update all that the services need, give each service's role a new password, and print the
    services' INGESTOR_DATABASE_URL.

    A password is that of INGESTOR_UPLOAD_PASSWORD, INGESTOR_ORCHESTRATOR_PASSWORD,
    INGESTOR_PROCESSOR_PASSWORD or INGESTOR_STATUS_PASSWORD if it is set, else a random one.
    """
    from ingestor.provisioning.database import provision as make
    from ingestor.provisioning.names import SERVICES

    passwords = {
        service: os.environ.get(f"INGESTOR_{service.upper()}_PASSWORD") or secrets.token_urlsafe(24)
        for service in SERVICES
    }
    urls = run(make(database_url, passwords))
    if as_json:
        click.echo(json.dumps({"database_urls": urls}))
        return
    for service, url in urls.items():
        click.echo(f"{service}: INGESTOR_DATABASE_URL={url}")


@admin.command()
@database_option
@click.option(
    "--one-role",
    is_flag=True,
    help="Make everything as the administrator, as which all services then log in: for a database in which "
    "no roles can be created. There is one tenant, default.",
)
@json_option
@needs_local
def migrate(database_url: str, one_role: bool, as_json: bool) -> None:
    """Bring roles, rights, schemas and tables up to date; passwords stay. Idempotent."""
    from ingestor.provisioning.database import provision as make
    from ingestor.provisioning.database import provision_without_roles

    run(provision_without_roles(database_url) if one_role else make(database_url, {}))
    click.echo(json.dumps({"migrated": True}) if as_json else "The database is up to date.")
