"""`ingestor admin provision` and `migrate`: the database, before the services start."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import click

from ingestor.cli.admin.group import admin, database_option, login_passwords, run
from ingestor.cli.common import json_option
from ingestor.cli.output import say
from ingestor.cli.suite import needs_local

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas


@admin.command()
@database_option
@click.option(
    "--iam", is_flag=True, help="The services log in by tokens of AWS IAM (RDS, Aurora); no passwords."
)
@json_option
@needs_local
def provision(database_url: str, iam: bool, as_json: bool) -> None:
    """Make or update all that the services need: their roles with passwords, schemas and tables.
    Idempotent.

    The passwords are those of INGESTOR_UPLOAD_DATABASE_PASSWORD, INGESTOR_ORCHESTRATOR_DATABASE_PASSWORD,
    INGESTOR_PROCESSOR_DATABASE_PASSWORD and INGESTOR_STATUS_DATABASE_PASSWORD, or of the files that the same
    names with _FILE at their end name. A service without any gets a new one, which is printed in its
    INGESTOR_DATABASE_URL.

    Schemas that INGESTOR_TABLE_SCHEMAS lists and that do not exist are made for the tables of pipelines.
    """
    from ingestor.provisioning.database import provision as make
    from ingestor.provisioning.names import SERVICES

    given = {} if iam else login_passwords()
    made = {} if iam else {name: secrets.token_urlsafe(24) for name in SERVICES if name not in given}
    urls = run(make(database_url, given | made, iam=iam, schemas=_schemas()))
    shown = {service: urls[service] for service in made}
    if as_json:
        click.echo(json.dumps({"database_urls": shown}))
        return
    for service, url in shown.items():
        click.echo(f"{service}: INGESTOR_DATABASE_URL={url}")
    say("the database is ready for the services")


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
    """Bring roles, rights, schemas and tables up to date; passwords stay. Idempotent.

    Schemas that INGESTOR_TABLE_SCHEMAS lists and that do not exist are made for the tables of pipelines.
    """
    from ingestor.provisioning.database import provision as make
    from ingestor.provisioning.database import provision_without_roles

    schemas = _schemas()
    run(
        provision_without_roles(database_url, schemas=schemas)
        if one_role
        else make(database_url, {}, schemas=schemas)
    )
    click.echo(json.dumps({"migrated": True}) if as_json else "The database is up to date.")


def _schemas() -> TableSchemas:
    from ingestor.provisioning.table_schemas import TableSchemaSettings
    from ingestor.runtime.settings import load_settings

    return load_settings(TableSchemaSettings).schemas
