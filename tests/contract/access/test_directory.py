"""What every directory of callers does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
import pytest

from ingestor.access.directory import Directory, PgDirectory, StoredKey
from ingestor.access.roles import Role
from tests.conftest import OpenDatabase
from tests.fakes.callers.directory import MemoryDirectory

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

ENDS = datetime(2030, 1, 1, tzinfo=UTC)
KEY = StoredKey(
    "acme",
    "nightly",
    b"\x01" * 32,
    frozenset({Role.UPLOADER, Role.VIEWER}),
    frozenset({"p"}),
    ENDS.timestamp(),
)


class Filled(Protocol):
    """A directory, and how its content comes about."""

    @property
    def directory(self) -> Directory: ...
    async def add_key(self, prefix: str, key: StoredKey) -> None: ...
    async def revoke(self, prefix: str) -> None: ...
    async def add_member(self, tenant: str, subject: str, *roles: Role) -> None: ...
    async def remove_tenant(self, tenant: str) -> None: ...
    async def used(self, prefix: str) -> bool: ...


class InMemory:
    """The fake."""

    def __init__(self) -> None:
        self.directory = MemoryDirectory("default", "acme", "globex")

    async def add_key(self, prefix: str, key: StoredKey) -> None:
        self.directory.keys[prefix] = key

    async def revoke(self, prefix: str) -> None:
        self.directory.revoked.add(prefix)

    async def add_member(self, tenant: str, subject: str, *roles: Role) -> None:
        self.directory.members[tenant, subject] = frozenset(roles)

    async def remove_tenant(self, tenant: str) -> None:
        self.directory.tenants.remove(tenant)

    async def used(self, prefix: str) -> bool:
        return prefix in self.directory.used


class InPostgres:
    """The schema `access`, as a service asks it."""

    def __init__(self, directory: PgDirectory, admin: Any) -> None:
        self.directory = directory
        self._admin = admin

    async def add_key(self, prefix: str, key: StoredKey) -> None:
        await self._admin.execute(
            "INSERT INTO access.api_keys "
            "(prefix, tenant, name, sha256, roles, pipelines, creator, expires_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, 'ann', to_timestamp($7))",
            prefix, key.tenant, key.name, key.sha256, list(key.roles), list(key.pipelines), key.expires_at,
        )  # fmt: skip

    async def revoke(self, prefix: str) -> None:
        await self._admin.execute("UPDATE access.api_keys SET revoked_at = now() WHERE prefix = $1", prefix)

    async def add_member(self, tenant: str, subject: str, *roles: Role) -> None:
        await self._admin.execute(
            "INSERT INTO access.members (tenant, subject, roles, creator) VALUES ($1, $2, $3, 'ann')",
            tenant, subject, list(roles),
        )  # fmt: skip

    async def remove_tenant(self, tenant: str) -> None:
        await self._admin.execute("UPDATE access.tenants SET removed_at = now() WHERE name = $1", tenant)

    async def used(self, prefix: str) -> bool:
        found = await self._admin.fetchval(
            "SELECT last_used_at = date_trunc('minute', last_used_at) FROM access.api_keys WHERE prefix = $1",
            prefix,
        )
        return bool(found)


@pytest.fixture(params=["memory", "upload", "orchestrator", "processor", "status"])
async def filled(
    request: pytest.FixtureRequest, pool_of: OpenPool, open_database: OpenDatabase
) -> AsyncIterator[Filled]:
    """The fake, and PostgreSQL as each service."""
    if request.param == "memory":
        yield InMemory()
        return
    admin = await asyncpg.connect(await open_database())
    try:
        await admin.execute("INSERT INTO access.tenants (name) VALUES ('acme'), ('globex')")
        yield InPostgres(PgDirectory(await pool_of(request.param)), admin)
    finally:
        await admin.close()


async def test_keys_members_and_tenants(filled: Filled) -> None:
    directory = filled.directory
    assert await directory.key("ing_abcdefgh") is None
    await filled.add_key("ing_abcdefgh", KEY)
    assert await directory.key("ing_abcdefgh") == KEY
    assert not await filled.used("ing_abcdefgh")
    for _ in range(2):
        await directory.note_use("ing_abcdefgh")
    assert await filled.used("ing_abcdefgh")
    endless = StoredKey("globex", "", b"\x02" * 32, frozenset(), frozenset(), None)
    await filled.add_key("ing_endless1", endless)
    assert await directory.key("ing_endless1") == endless
    await filled.revoke("ing_endless1")
    assert await directory.key("ing_endless1") is None

    await filled.add_member("acme", "ann", Role.VIEWER)
    await filled.add_member("acme", "ann@acme.test", Role.AUTHOR)
    await filled.add_member("globex", "ann", Role.ADMIN)
    await filled.add_member("globex", "bob", Role.OPERATOR)
    assert await directory.memberships(["ann"]) == {"acme": {Role.VIEWER}, "globex": {Role.ADMIN}}
    assert await directory.memberships(["ann", "ann@acme.test"]) == {
        "acme": {Role.VIEWER, Role.AUTHOR}, "globex": {Role.ADMIN},
    }  # fmt: skip
    assert await directory.memberships(["cyd"]) == {}

    assert [await directory.tenant_exists(name) for name in ("acme", "default", "initech", "*")] == [
        True, True, False, False,
    ]  # fmt: skip
    await filled.remove_tenant("acme")
    assert not await directory.tenant_exists("acme")
    assert await directory.key("ing_abcdefgh") is None
