"""Migrations: numbered SQL files that make the tables of a schema."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool


def migrations(package: str) -> list[Traversable]:
    """The package's `NNNN_name.sql` files, in order."""
    found = (entry for entry in files(package).iterdir() if entry.name.endswith(".sql"))
    return sorted(found, key=lambda entry: entry.name)


async def migrate(connection: PgConnection, *, schema: str, package: str) -> list[str]:
    """Apply the package's migrations that `schema` lacks, in order, each in a transaction. The connection's
    role owns what they make.

    Returns the names of the files applied. Raises RuntimeError when an applied file has changed since.
    """
    applied = []
    if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    await connection.execute(
        f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations ('
        "name text PRIMARY KEY, sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    known = {
        row["name"]: row["sha256"]
        for row in await connection.fetch(f'SELECT name, sha256 FROM "{schema}".schema_migrations')  # noqa: S608
    }
    for script in migrations(package):
        if await _apply(connection, schema, script, known):
            applied.append(script.name)
    return applied


async def check_migrations(pool: PgPool, *, schema: str, package: str) -> None:
    """Raise RuntimeError unless all of the package's migrations are applied to `schema`."""
    try:
        async with pool.acquire() as connection:
            rows = await connection.fetch(f'SELECT name FROM "{schema}".schema_migrations')  # noqa: S608
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        rows = []
    if missing := {script.name for script in migrations(package)} - {row["name"] for row in rows}:
        raise RuntimeError(
            f"the database's schema {schema} lacks {', '.join(sorted(missing))}; "
            "`ingestor admin migrate` brings it up to date"
        )


async def _apply(connection: PgConnection, schema: str, script: Traversable, known: dict[str, bytes]) -> bool:
    text = script.read_text("utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    if script.name in known:
        if known[script.name] != digest:
            raise RuntimeError(f"migration {script.name} of schema {schema} has changed since it was applied")
        return False
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path TO \"{schema}\"; SET LOCAL ingestor.tenant = '*'")
        await connection.execute(text)
        await connection.execute(
            f'INSERT INTO "{schema}".schema_migrations (name, sha256) VALUES ($1, $2)',  # noqa: S608
            script.name,
            digest,
        )
    return True
