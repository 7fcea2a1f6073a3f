"""The group of the commands, and what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from ingestor.cli.suite import fail

T = TypeVar("T")

database_option = click.option(
    "--database-url",
    envvar="INGESTOR_ADMIN_DATABASE_URL",
    metavar="URL",
    required=True,
    help="Connect as this administrator: a role that may create roles and schemas. "
    "[env: INGESTOR_ADMIN_DATABASE_URL]",
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do work on the database; an error ends the program with a line on stderr and status 1."""
    import asyncpg

    from ingestor.provisioning.database import NotAllowedError
    from ingestor.provisioning.tenants import TenantError
    from ingestor.runtime.errors import TransientError

    try:
        return asyncio.run(work)
    except NotAllowedError as error:
        fail(f"the administrator lacks a right: {error}")
    except TenantError as error:
        fail(str(error))
    except TransientError as error:
        fail(str(error))
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:  # of the file store
            fail(f"{error.filename}: {error.strerror}")
        fail(f"the database cannot be used: {error or type(error).__name__}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        fail(f"PostgreSQL: {str(error).splitlines()[0] if str(error) else type(error).__name__}")


@click.group()
def admin() -> None:
    """Prepare the database: roles, schemas, tables, tenants."""
