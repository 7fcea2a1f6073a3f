"""The group of the commands, and what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from ingestor.cli.suite import fail

T = TypeVar("T")

ADMIN_URL = "INGESTOR_ADMIN_DATABASE_URL"
_ADMIN = "Connect as this administrator: a role that may create roles and schemas."
_ENV = f"[env: {ADMIN_URL}, or a file: {ADMIN_URL}_FILE]"


def _admin_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return value or secret(ADMIN_URL)


def _needed_admin_url(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    found = _admin_url(context, parameter, value)
    if found is None:
        raise click.MissingParameter(f"Give it, or set {ADMIN_URL} or {ADMIN_URL}_FILE.", context, parameter)
    return found


database_option = click.option(
    "--database-url", metavar="URL", callback=_needed_admin_url, help=f"{_ADMIN} {_ENV}"
)
database_or_suite_option = click.option(
    "--database-url",
    metavar="URL",
    callback=_admin_url,
    help=f"{_ADMIN} Default: the database of the suite that runs in the data folder. {_ENV}",
)


def secret(name: str) -> str | None:
    """A secret from the environment or from the file that `name`_FILE names; None without one. Raises
    click.UsageError."""
    from ingestor.runtime.secrets import SecretFileError, secret_from_environment

    try:
        found = secret_from_environment(name)
    except SecretFileError as error:
        raise click.UsageError(str(error)) from None
    return found.get_secret_value() if found else None


def login_passwords() -> dict[str, str]:
    """The passwords of the services' roles that the environment has, by service. Raises
    click.UsageError."""
    from ingestor.provisioning.names import SERVICES

    found = {service: secret(f"INGESTOR_{service.upper()}_DATABASE_PASSWORD") for service in SERVICES}
    return {service: password for service, password in found.items() if password}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do work; an error of database, queues or files ends the program with a line on stderr and status 1."""
    import asyncpg
    from botocore.exceptions import BotoCoreError, ClientError

    from ingestor.provisioning.database import NotAllowedError
    from ingestor.provisioning.tenants import TenantError
    from ingestor.runtime.aws.clients import AwsRegionError
    from ingestor.runtime.errors import TransientError

    try:
        return asyncio.run(work)
    except NotAllowedError as error:
        fail(f"the administrator lacks a right: {error}")
    except TenantError as error:
        fail(str(error))
    except (TransientError, AwsRegionError) as error:
        fail(str(error))
    except (ClientError, BotoCoreError) as error:
        fail(f"AWS: {error}")
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:  # of the file store
            fail(f"{error.filename}: {error.strerror}")
        fail(f"the database cannot be used: {error or type(error).__name__}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"PostgreSQL: {str(error).splitlines()[0] if str(error) else type(error).__name__}")


@click.group()
def admin() -> None:
    """Prepare and check what the suite runs on: database, queues, tenants."""
