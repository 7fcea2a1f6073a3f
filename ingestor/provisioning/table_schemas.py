"""Which schemas of PostgreSQL pipelines may name, beside those that are their tenant's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from ingestor.access.scope import TENANT_NAME
from ingestor.pipelines.names import MAX_NAME_BYTES, RESERVED_SCHEMAS
from ingestor.provisioning.names import TENANTS, tenant_role, tenant_schema
from ingestor.runtime.settings import Settings

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

SETTING = "INGESTOR_TABLE_SCHEMAS"


@dataclass(frozen=True, slots=True)
class TableSchemas:
    """The schemas that are allowed, each with the tenant for which it is; "" stands for all tenants."""

    allowed: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> TableSchemas:
        """What `SCHEMA,TENANT:SCHEMA` means. Raises ValueError, which says what is wrong."""
        allowed = []
        for part in filter(None, map(str.strip, text.split(","))):
            tenant, _, schema = part.rpartition(":")
            if tenant and not TENANT_NAME.fullmatch(tenant):
                raise ValueError(f"{tenant!r} cannot be the name of a tenant; write SCHEMA or TENANT:SCHEMA")
            if not 1 <= len(schema.encode()) <= MAX_NAME_BYTES:
                raise ValueError(f"{part!r} names no schema; write SCHEMA or TENANT:SCHEMA")
            if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
                raise ValueError(f"the schema {schema} belongs to the suite or to PostgreSQL")
            allowed.append((tenant, schema))
        return cls(tuple(allowed))

    def allows(self, tenant: str, schema: str) -> bool:
        """Whether pipelines of a tenant may name a schema: its own one, or one that is listed for it."""
        return (
            schema == tenant_schema(tenant)
            or ("", schema) in self.allowed
            or (tenant, schema) in self.allowed
        )


class TableSchemaSettings(Settings):
    """The schemas of tables. Environment variables INGESTOR_<FIELD>."""

    table_schemas: str = Field(
        "",
        description="Schemas that pipelines may name beside their tenant's own, SCHEMA,TENANT:SCHEMA; the "
        "rights of the tenant's role decide what it may do there.",
    )

    @cached_property
    def schemas(self) -> TableSchemas:
        """The schemas that are allowed."""
        return TableSchemas.parse(self.table_schemas)

    @model_validator(mode="after")
    def _are_schemas(self) -> Self:
        try:
            _ = self.schemas
        except ValueError as error:
            raise ValueError(f"{SETTING}: {error}") from None
        return self


async def make_table_schemas(
    connection: PgConnection, schemas: TableSchemas, *, roles: bool = True
) -> list[str]:
    """Make the schemas that are missing, in which those for whom they are listed may make tables; the names
    of the new ones. One that exists is left as it is, and one of a tenant that does not exist is not made.
    Without `roles` the administrator itself makes the tables."""
    made = []
    for tenant, schema in schemas.allowed:
        role = tenant_role(tenant) if tenant else TENANTS
        if await connection.fetchval("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL", schema) or (
            roles and not await connection.fetchval("SELECT to_regrole(quote_ident($1)) IS NOT NULL", role)
        ):
            continue
        grant = "; GRANT USAGE, CREATE ON SCHEMA %1$I TO %2$I" if roles else ""
        await connection.execute(
            await connection.fetchval(
                "SELECT format($1::text, $2::text, $3::text)", f"CREATE SCHEMA %1$I{grant}", schema, role
            )
        )
        made.append(schema)
    return made
