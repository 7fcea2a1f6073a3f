"""Drafts a pipeline from a table that exists: what its columns, keys and references say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestor.access.scope import tenant
from ingestor.pipelines.names import RESERVED_SCHEMAS, is_reserved
from ingestor.provisioning.names import tenant_schema
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.processor.adapters.postgres.columns.conversions import FITTING
from ingestor.services.processor.adapters.postgres.columns.facts import Column, columns_of
from ingestor.services.processor.adapters.postgres.table import REFERENCE_ENDS, keys_of, qualified
from ingestor.services.processor.adapters.postgres.target import (
    OWN_ONLY,
    is_allowed,
    may_look_into,
    not_allowed,
)
from ingestor.services.processor.ports import TableDraft, Tables

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

_RELATION = """
SELECT has_any_column_privilege(r.oid, 'INSERT') AS may_insert FROM pg_class r
WHERE r.oid = to_regclass($1) AND r.relkind IN ('r', 'p', 'v', 'f')
"""
_FOREIGN = f"""
SELECT {REFERENCE_ENDS}
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE c.conrelid = to_regclass($1) AND c.contype = 'f' AND c.conparentid = 0 ORDER BY c.conname
"""  # noqa: S608
# Of integer columns that are narrower than an integer field.
_RANGES = {"int2": 2**15, "int4": 2**31}
# Numbers with no more digits are the same in JSON, wherever it is read.
_EXACT_DIGITS = 15


class PgTables(Tables):
    def __init__(self, pool: PgPool, schemas: TableSchemas = OWN_ONLY) -> None:
        """The tables are in the tenant's own schemas or in one of `schemas`."""
        self._pool = pool
        self._schemas = schemas

    async def draft(self, schema: str, name: str) -> TableDraft:
        async with transient_errors("sink"), self._pool.transaction() as connection:
            return await _draft(connection, schema, name, self._schemas)


async def _draft(connection: PgConnection, schema: str, name: str, schemas: TableSchemas) -> TableDraft:
    target = qualified(schema, name)
    may_look = await may_look_into(connection, schema, name)
    if may_look is not None and not await is_allowed(connection, schema, schemas):
        raise FailedPreconditionError("TABLE_FORBIDDEN", not_allowed(schema))
    if may_look is False:
        raise FailedPreconditionError("TABLE_FORBIDDEN", "The suite may not look into the table's schema.")
    relation = await connection.fetchrow(_RELATION, target) if may_look else None
    if relation is None:
        raise NotFoundError("TABLE_NOT_FOUND", f"There is no table {schema}.{name}.")
    if not relation["may_insert"]:
        role = await connection.fetchval("SELECT current_user")
        raise FailedPreconditionError(
            "TABLE_FORBIDDEN",
            f"The suite may not add rows to the table {schema}.{name}: GRANT SELECT, INSERT, UPDATE, DELETE "
            f"ON {target} TO {role}.",
        )
    fields: list[dict[str, Any]] = []
    needed: list[str] = []
    for column in (await columns_of(connection, target)).values():
        if column.is_computed or column.is_numbered or is_reserved(column.name):
            continue
        required = column.is_not_null or column.needs_value
        fields.append(_field(column, required=required))
        if required and not column.has_default:
            needed.append(column.name)
    if not fields:
        raise FailedPreconditionError(
            "TABLE_FORBIDDEN", f"The table {schema}.{name} has no column that takes values."
        )
    names = [field["name"] for field in fields]
    document = {
        "name": _pipeline_name(name),
        "schema": {"fields": fields, **await _keys(connection, target, names, schemas)},
        "sink": {"table": _shown(schema, name)},
    }
    return TableDraft(document, tuple(needed))


def _field(column: Column, *, required: bool) -> dict[str, Any]:
    """The field that goes into a column."""
    field: dict[str, Any] = {"name": column.name, "type": "string"}
    constraints: dict[str, Any] = {"required": True} if required else {}
    if column.is_array:
        field["type"] = "array"
    elif column.type == "uuid":
        field["format"] = "uuid"
    else:
        field["type"] = FITTING.get(column.type, "string")
        constraints |= _constraints(column)
    if constraints:
        field["constraints"] = constraints
    return field


def _constraints(column: Column) -> dict[str, Any]:
    """What a column takes of the values of its type."""
    if column.labels:
        return {"enum": list(column.labels)}
    if column.length is not None:
        return {"maxLength": column.length}
    if end := _RANGES.get(column.type):
        return {"minimum": -end, "maximum": end - 1}
    if column.digits is not None and column.digits[0] <= _EXACT_DIGITS:
        precision, scale = column.digits
        limit = (10**precision - 1) * Decimal(10) ** -scale
        most = float(limit) if scale > 0 else int(limit)
        return {"minimum": -most, "maximum": most}
    return {}


async def _keys(
    connection: PgConnection, target: str, fields: Sequence[str], schemas: TableSchemas
) -> dict[str, Any]:
    """The keys of the table that consist of these fields, and its references to tables in schemas that a
    pipeline may name."""
    found: dict[str, Any] = {}
    unique: list[list[str]] = []
    for key in (await keys_of(connection, target)).by_columns:
        if not set(key.columns).issubset(fields):
            continue
        if key.primary:
            found["primaryKey"] = list(key.columns)
        elif list(key.columns) not in unique:
            unique.append(list(key.columns))
    if unique:
        found["uniqueKeys"] = unique
    foreign = []
    for row in await connection.fetch(_FOREIGN, target):
        schema, name = row["schema"], row["name"]
        if not set(row["columns"]).issubset(fields) or "." in schema + name or schema in RESERVED_SCHEMAS:
            continue
        if not await is_allowed(connection, schema, schemas):
            continue
        reference = {"resource": _shown(schema, name), "fields": list(row["other_columns"])}
        foreign.append({"fields": list(row["columns"]), "reference": reference})
    if foreign:
        found["foreignKeys"] = foreign
    return found


def _shown(schema: str, name: str) -> str:
    """A table as a pipeline of the tenant names it."""
    return name if schema == tenant_schema(tenant()) else f"{schema}.{name}"


def _pipeline_name(table: str) -> str:
    made = re.sub(r"[^a-z0-9]+", "-", table.lower()).strip("-")
    return (made if made[:1].isalpha() else f"table-{made}".rstrip("-"))[:50]
