"""Transactions as the role of a tenant.

What a pipeline names is then a matter of PostgreSQL's privileges: the role owns the tenant's schema and the
tables that its pipelines make, and may use other tables as far as their owners let it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access import scope
from ingestor.provisioning.names import tenant_role, tenant_schema
from ingestor.runtime.postgres.pool import PgPool, transaction
from ingestor.services.processor.ports import TenantGoneError

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# Whether the service can become a tenant: not in a database that was provisioned without roles.
_HAS_ROLES = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, 'MEMBER'))"


class TenantPool(PgPool):
    """The connections of a pool; each transaction runs as the role of the scope's tenant, with its search
    path. Of tables without a schema, triggers of the tenant `default` see what they see without the suite.

    Transactions raise TenantGoneError when there is no such tenant, NoScopeError in the scope `everything`.
    """

    def __init__(self, pool: PgPool, *, roles: bool) -> None:
        """Without `roles` the tenant `default` is the only one, and works as the role of the service."""
        super().__init__(pool.connections, scope.row_security)
        self._roles = roles

    @classmethod
    async def of(cls, pool: PgPool) -> TenantPool:
        """With the roles that the database has. Raises OSError or asyncpg errors when it does not answer."""
        async with pool.acquire() as connection:
            roles = await connection.fetchval(_HAS_ROLES, tenant_role(scope.DEFAULT_TENANT))
        return cls(pool, roles=bool(roles))

    @asynccontextmanager
    async def begin(self, connection: PgConnection) -> AsyncIterator[None]:
        name = scope.current()
        if name == scope.EVERYTHING:
            raise scope.NoScopeError("rows are loaded for one tenant")
        begun = False
        try:
            async with transaction(connection, self._become(name)):
                begun = True
                yield
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
            if begun:
                raise
            raise TenantGoneError from error

    def _become(self, name: str) -> str:
        if not self._roles:
            if name != scope.DEFAULT_TENANT:
                raise TenantGoneError
            return self.connections.opening(scope.row_security())
        statements = [f'SET LOCAL ROLE "{tenant_role(name)}"', scope.row_security()]
        if name != scope.DEFAULT_TENANT:
            statements.append(f'SET LOCAL search_path = "{tenant_schema(name)}", public')
        return self.connections.opening(*statements)
