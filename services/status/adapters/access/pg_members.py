"""Members in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingestor.access.roles import Role, known_roles
from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.access.ports import LastAdminError, Member, Members, TooManyMembersError
from ingestor.services.status.adapters.access.pg_alone import alone

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_LIST = "SELECT * FROM access.members WHERE tenant = $1 AND subject > $2 ORDER BY subject LIMIT $3"
# Whether a person is a member, how many others there are, and whether it is the only stored admin.
_STANDING = f"""
SELECT coalesce(bool_or(subject = $2), false) AS known, count(*) AS members,
       coalesce(bool_or(subject = $2 AND '{Role.ADMIN}' = ANY (roles)), false)
       AND NOT coalesce(bool_or(subject <> $2 AND '{Role.ADMIN}' = ANY (roles)), false) AS only_admin
FROM access.members WHERE tenant = $1
"""  # noqa: S608
_SET = """
INSERT INTO access.members AS m (tenant, subject, roles, creator) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, subject) DO UPDATE SET roles = excluded.roles, updated_at = clock_timestamp()
RETURNING *
"""
_REMOVE = "DELETE FROM access.members WHERE tenant = $1 AND subject = $2"


class PgMembers(Members):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def list(self, after: str, limit: int) -> Sequence[Member]:
        async with transient_errors("access"):
            return [_member(row) for row in await self._pool.fetch(_LIST, tenant(), after, limit)]

    async def set(self, subject: str, roles: frozenset[Role], creator: str, most: int) -> Member:
        async with transient_errors("access"), alone(self._pool, "members") as connection:
            standing = await _standing(connection, subject)
            if standing["only_admin"] and Role.ADMIN not in roles:
                raise LastAdminError
            if not standing["known"] and standing["members"] >= most:
                raise TooManyMembersError
            return _member(await connection.fetchrow(_SET, tenant(), subject, sorted(roles), creator))

    async def remove(self, subject: str) -> None:
        async with transient_errors("access"), alone(self._pool, "members") as connection:
            if (await _standing(connection, subject))["only_admin"]:
                raise LastAdminError
            await connection.execute(_REMOVE, tenant(), subject)


async def _standing(connection: PgConnection, subject: str) -> Any:
    return await connection.fetchrow(_STANDING, tenant(), subject)


def _member(row: Any) -> Member:
    return Member(row["subject"], known_roles(row["roles"]), row["creator"], row["updated_at"])
