"""`ingestor admin tenants`: make tenants, limit them, remove them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingestor.cli.access.roles import moment
from ingestor.cli.admin.group import admin, database_or_suite_option, run
from ingestor.cli.common import json_option
from ingestor.cli.lifecycle import confirm
from ingestor.cli.output import print_json, print_table, say
from ingestor.cli.suite import DATA, fail, needs_local

if TYPE_CHECKING:
    from ingestor.provisioning.removal import Findings
    from ingestor.runtime.postgres.pool import PgConnection
    from ingestor.runtime.settings import FileStoreSettings
    from ingestor.stores.port import TenantFiles


@admin.group()
def tenants() -> None:
    """Make tenants, limit and remove them."""


@tenants.command()
@click.argument("name")
@click.option(
    "--admin",
    "admins",
    metavar="SUBJECT",
    multiple=True,
    help="Make this person an admin of it; may be repeated.",
)
@click.option("--quota", "quotas", metavar="NAME=LIMIT", multiple=True, help="Limit it; may be repeated.")
@click.option("--key", is_flag=True, help="Create an API key with the role admin, and print it this once.")
@database_or_suite_option
@DATA
@json_option
@needs_local
def create(
    name: str,
    admins: tuple[str, ...],
    quotas: tuple[str, ...],
    key: bool,
    database_url: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Make the tenant NAME: a role and a schema for its tables. One that is there stays as it is, and gets
    what else is asked for."""
    from ingestor.provisioning.tenants import add_admin, add_admin_key, create_tenant, set_limits

    limits = _limits(quotas)

    async def work() -> tuple[bool, str | None]:
        async with _connection(database_url, data) as connection, connection.transaction():
            made = await create_tenant(connection, name)
            if limits:
                await set_limits(connection, name, limits)
            for subject in admins:
                await add_admin(connection, name, subject)
            return made, await add_admin_key(connection, name) if key else None

    made, token = run(work())
    if as_json:
        print_json({"name": name, "created": made, **({"token": token} if token else {})})
        return
    say(f"the tenant {name} is {'made' if made else 'there already'}")
    if token:
        say("Its first key, with the role admin, shown this once:")
        click.echo(token)


@tenants.command("list")
@database_or_suite_option
@DATA
@json_option
@needs_local
def list_(database_url: str | None, data: Path, as_json: bool) -> None:
    """List all tenants, also removed ones, with their limits."""
    from ingestor.provisioning.tenants import TenantFacts, list_tenants

    async def work() -> list[TenantFacts]:
        async with _connection(database_url, data) as connection:
            return await list_tenants(connection)

    found = run(work())
    if as_json:
        print_json({"tenants": [_facts(each) for each in found]})
        return
    print_table(
        ["tenant", "made", "removed", "limits"],
        [[t.name, moment(t.created), moment(t.removed), _limits_text(t.limits)] for t in found],
    )


def _facts(tenant: Any) -> dict[str, Any]:
    removed = tenant.removed.isoformat() if tenant.removed else None
    return {
        "name": tenant.name, "created": tenant.created.isoformat(), "removed": removed,
        "limits": tenant.limits,
    }  # fmt: skip


def _limits_text(limits: dict[str, int]) -> str:
    return ", ".join(f"{name}={limit}" for name, limit in limits.items())


@tenants.command("quotas")
@click.argument("name")
@click.argument("quotas", metavar="[QUOTA=LIMIT]...", nargs=-1)
@database_or_suite_option
@DATA
@json_option
@needs_local
def quotas_(name: str, quotas: tuple[str, ...], database_url: str | None, data: Path, as_json: bool) -> None:
    """Show the limits of the tenant NAME, and set those that are given; `QUOTA=none` takes a limit away."""
    from ingestor.provisioning.tenants import TenantError, list_tenants, set_limits

    limits = _limits(quotas)

    async def work() -> dict[str, int]:
        async with _connection(database_url, data) as connection:
            if limits:
                await set_limits(connection, name, limits)
            for tenant in await list_tenants(connection):
                if tenant.name == name:
                    return tenant.limits
            raise TenantError(f"there is no tenant {name}")

    found = run(work())
    if as_json:
        print_json({"name": name, "limits": found})
    else:
        click.echo("\n".join(f"{quota}={limit}" for quota, limit in found.items()) or "no limits")


def _limits(texts: tuple[str, ...]) -> dict[str, int | None]:
    """Limits from QUOTA=LIMIT. Raises click.BadParameter."""
    found: dict[str, int | None] = {}
    for text in texts:
        name, _, limit = text.partition("=")
        if limit != "none" and not limit.isdigit():
            raise click.BadParameter(f"{text!r} is not QUOTA=LIMIT with a whole number or none")
        found[name] = None if limit == "none" else int(limit)
    return found


@tenants.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="Look again so late for files that services have written meanwhile. Default: 40.",
)
@click.option("--no-files", is_flag=True, help="Leave its files where they are.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@database_or_suite_option
@DATA
@json_option
@needs_local
def remove(
    name: str,
    dry_run: bool,
    wait: float | None,
    no_files: bool,
    yes: bool,
    database_url: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Remove the tenant NAME and everything of it, for good. From the first moment on its tokens and keys are
    refused (a service may remember them for ten seconds) and no row of it comes in.

    Its tables go with its schema and role, its processes and files, pipelines, keys, members and quotas. Its
    audit log stays until its retention ends; the name is not used again. Run again, it finishes what was
    interrupted.

    The files are those of INGESTOR_FILE_STORE and its settings, as the services have them; of a suite that
    runs in the data folder they are known.
    """
    from ingestor.provisioning.removal import LATE_SECONDS, find_tenant, remove_tenant

    late = LATE_SECONDS if wait is None else wait

    async def work(*, look: bool) -> Findings:
        async with (
            _connection(database_url, data) as connection,
            _files(database_url, data, no_files) as files,
        ):
            if look:
                return await find_tenant(connection, name, files)
            return await remove_tenant(connection, name, files, late_seconds=late, say=say)

    if dry_run:
        _print_findings(name, run(work(look=True)), as_json, done=False)
        return
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this removes a tenant for good; say --yes")
        confirm("\n".join(["Removes for good:", *_lines(name, run(work(look=True)))]))
    _print_findings(name, run(work(look=False)), as_json, done=True)


def _print_findings(name: str, found: Findings, as_json: bool, *, done: bool) -> None:
    if as_json:
        print_json({"name": name, "removed": done, **asdict(found)})
        return
    click.echo(f"{'Removed' if done else 'Would remove'} {name}:")
    for line in _lines(name, found):
        click.echo(f"  {line}")
    if found.role_stays:
        click.echo("Its role in PostgreSQL stays: another database of the server uses it.")
    if done:
        click.echo("Its audit log stays until its retention ends. The name is not used again.")


def _lines(name: str, found: Findings) -> list[str]:
    rows = ", ".join(f"{table} {count:,}" for table, count in sorted(found.rows.items())) or "none"
    return [
        f"{found.processes:,} processes that had not ended",
        f"{len(found.tables):,} tables with their rows"
        + (f": {', '.join(found.tables[:20])}" if found.tables else ""),
        f"{found.files:,} files or pieces of files, {found.file_bytes / 2**20:,.1f} MiB",
        f"rows in the tables of the suite: {rows}",
    ]


# -- where it works ------------------------------------------------------------------------------------


def _suite(data: Path) -> dict[str, Any]:
    """What runs in the data folder; ends the program when nothing does."""
    from ingestor.local.folder import Folder

    state = Folder(data).state()
    if state is None:
        fail(
            f"no suite is running in {data.absolute()}; start it, or name the database by --database-url or "
            "INGESTOR_ADMIN_DATABASE_URL"
        )
    return state


@asynccontextmanager
async def _connection(database_url: str | None, data: Path) -> AsyncIterator[PgConnection]:
    """A connection to the database as its administrator."""
    import asyncpg

    connection = await asyncpg.connect(database_url or _suite(data)["database_url"])
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _files(database_url: str | None, data: Path, no_files: bool) -> AsyncIterator[TenantFiles | None]:
    """The file store of the settings, or of the suite in the data folder."""
    if no_files:
        yield None
        return
    from ingestor.runtime.settings import FileStoreSettings, load_settings
    from ingestor.stores.open import open_store
    from ingestor.stores.port import TenantFiles

    settings = load_settings(FileStoreSettings)
    if database_url is None:
        settings = _of_suite(settings, data)
    elif settings.file_store == "disk" and not Path(settings.file_store_dir).is_dir():
        fail(
            f"the files are not here: there is no folder {settings.file_store_dir}. Set INGESTOR_FILE_STORE "
            "and its settings as the services have them, or say --no-files"
        )
    async with open_store(settings) as store:
        if not isinstance(store, TenantFiles):
            fail("this file store cannot say which files are of a tenant; say --no-files")
        yield store


def _of_suite(settings: FileStoreSettings, data: Path) -> FileStoreSettings:
    from ingestor.local.folder import Folder

    suite = _suite(data)
    endpoint = suite["aws_endpoint_url"]
    if suite.get("aws_access_key_id"):
        os.environ["AWS_ACCESS_KEY_ID"] = suite["aws_access_key_id"]
        os.environ["AWS_SECRET_ACCESS_KEY"] = suite["aws_secret_access_key"]
    elif endpoint:  # an emulator may accept any credentials, but the client needs some
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    known = {"file_store_dir": str(Folder(data).files), "aws_endpoint_url": endpoint}
    return settings.model_copy(update=known)
