"""What the suite itself knows of callers: keys, members, tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import asyncpg

from ingestor.access.roles import Role, known_roles
from ingestor.runtime.postgres.errors import transient_errors

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


def is_of_removed_tenant(error: BaseException) -> bool:
    """Whether PostgreSQL refused a row because its tenant was removed; see
    access/migrations/0004_removed_tenants.sql."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == "IG001"


@dataclass(frozen=True)
class StoredKey:
    """An API key that was not revoked; it may have expired."""

    tenant: str
    name: str
    sha256: bytes  # of the whole key
    roles: frozenset[Role]
    pipelines: frozenset[str]
    expires_at: float | None  # Unix time


class Directory(Protocol):
    """Looks callers up. Every method may raise TransientError."""

    async def key(self, prefix: str) -> StoredKey | None:
        """A key by its prefix; None for one that was revoked or whose tenant was removed."""
        ...

    async def note_use(self, prefix: str) -> None:
        """Note, to the minute, that a key was used."""
        ...

    async def memberships(self, subjects: Sequence[str]) -> Mapping[str, frozenset[Role]]:
        """Roles by tenant of a person who is known by any of these subjects."""
        ...

    async def tenant_exists(self, tenant: str) -> bool:
        """Whether there is a tenant, and it was not removed."""
        ...


class PgDirectory(Directory):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def key(self, prefix: str) -> StoredKey | None:
        async with transient_errors("access"), self._pool.acquire() as connection:
            row = await connection.fetchrow("SELECT * FROM access.find_key($1)", prefix)
        if row is None:
            return None
        return StoredKey(
            row["tenant"],
            row["name"],
            row["sha256"],
            known_roles(row["roles"]),
            frozenset(row["pipelines"]),
            row["expires_at"].timestamp() if row["expires_at"] else None,
        )

    async def note_use(self, prefix: str) -> None:
        async with transient_errors("access"), self._pool.acquire() as connection:
            await connection.execute("SELECT access.note_use_of_key($1)", prefix)

    async def memberships(self, subjects: Sequence[str]) -> Mapping[str, frozenset[Role]]:
        async with transient_errors("access"), self._pool.acquire() as connection:
            rows = await connection.fetch("SELECT * FROM access.memberships($1)", list(subjects))
        found: dict[str, frozenset[Role]] = {}
        for row in rows:
            found[row["tenant"]] = found.get(row["tenant"], frozenset()) | known_roles(row["roles"])
        return found

    async def tenant_exists(self, tenant: str) -> bool:
        async with transient_errors("access"), self._pool.acquire() as connection:
            return bool(await connection.fetchval("SELECT access.tenant_exists($1)", tenant))
