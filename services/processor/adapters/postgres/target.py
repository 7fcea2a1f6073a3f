"""How rows get into a table, and whether they can at all: what is asked before the first row is loaded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.access.limits.quotas import QuotaExceededError, QuotaName
from ingestor.access.scope import tenant
from ingestor.provisioning.names import OWNER, is_tenant_role, tenant_schema
from ingestor.provisioning.table_schemas import SETTING, TableSchemas
from ingestor.runtime.postgres.errors import TRANSIENT_ERRORS
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import Place
from ingestor.services.processor.adapters.postgres.table import listed, qualified, quoted, sql_name, why_none
from ingestor.services.processor.ports import (
    SchemaNotAllowedError,
    SinkRefusedError,
    Table,
    TooManyTablesError,
)

if TYPE_CHECKING:
    from asyncpg import Record

    from ingestor.runtime.postgres.pool import PgConnection

OWN_ONLY = TableSchemas()

_WAY = """
SELECT r.relkind <> 'v' AND NOT row_security_active(r.oid) AS copies,
       may_read AND (r.relkind = 'v' OR NOT rules) AS stages,
       may_read AND r.relkind <> 'v' AND NOT rules AND NOT EXISTS (
           SELECT FROM pg_index i WHERE i.indrelid = r.oid AND (i.indisunique OR i.indisexclusion)
           AND NOT i.indimmediate) AND NOT row_security_active(r.oid) AS frees,
       row_security_active(r.oid) OR EXISTS (
           SELECT FROM pg_trigger t WHERE t.tgrelid IN (
               SELECT r.oid UNION SELECT relid::oid FROM pg_partition_tree(r.oid))
           AND t.tgtype & 1 = 1 AND t.tgtype & 66 > 0 AND t.tgtype & 20 > 0 AND t.tgenabled <> 'D'
           AND NOT t.tgisinternal) AS may_leave_out,
       may_read AND (SELECT count(*) = 2 FROM pg_attribute a WHERE a.attrelid = r.oid AND NOT a.attisdropped
                     AND a.attname = ANY ($2::text[])) AS tells
FROM pg_class r,
     LATERAL (SELECT has_table_privilege(r.oid, 'SELECT') AS may_read,
                     EXISTS (SELECT FROM pg_rewrite WHERE ev_class = r.oid AND ev_type = '3') AS rules) f
WHERE r.oid = to_regclass($1)
"""

# The rights that the role lacks to load rows with the columns $2; $4: to upsert them by the key $3.
_LACKS = """
SELECT array_remove(ARRAY[
    CASE WHEN $4 AND NOT has_table_privilege(r.oid, 'SELECT') THEN 'SELECT' END,
    CASE WHEN NOT bool_and(has_column_privilege(r.oid, a.attnum, 'INSERT')) THEN 'INSERT' END,
    CASE WHEN $4 AND NOT bool_and(has_column_privilege(r.oid, a.attnum, 'UPDATE'))
         FILTER (WHERE a.attname <> ALL ($3::text[])) THEN 'UPDATE' END], NULL)
FROM pg_class r JOIN pg_attribute a ON a.attrelid = r.oid
WHERE r.oid = to_regclass($1) AND a.attnum > 0 AND a.attname = ANY ($2::text[]) GROUP BY r.oid
"""
_KEY_IS_LATE = """
SELECT bool_and(NOT i.indimmediate)
FROM pg_index i, LATERAL (
    SELECT array_agg(a.attname) AS columns FROM pg_attribute a
    WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) key
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
AND i.indexprs IS NULL AND key.columns @> $2::name[] AND key.columns <@ $2::name[]
"""
_KIND = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)"
_KINDS = {"v": "a view", "m": "a materialized view", "S": "a sequence", "i": "an index", "c": "a type"}

_OWNED = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass($1)"
# The suite's owner is NULL in a database without roles.
_SCHEMA = f"""
SELECT n.oid IS NOT NULL AS found, has_schema_privilege(n.oid, 'USAGE') AS may_use,
       coalesce(n.nspowner = to_regrole($2), false) AS is_of_suite,
       {is_tenant_role("n.nspowner")} AS is_of_tenant,
       coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_make
FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = $1
"""  # noqa: S608
# Whether a schema belongs to the tenant, whose role it is.
_BELONGS = f"""
SELECT true FROM pg_namespace n WHERE n.nspname = $1 AND pg_get_userbyid(n.nspowner) = current_user
AND {is_tenant_role("n.nspowner")} AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n.nspname)
"""  # noqa: S608
# Whether a table is another tenant's, and the role has no right on it.
_IS_HIDDEN = f"""
SELECT {is_tenant_role("r.relowner")} AND NOT pg_has_role(r.relowner, 'USAGE')
       AND NOT has_table_privilege(r.oid, 'SELECT, INSERT, UPDATE, DELETE, REFERENCES')
       AND NOT has_any_column_privilege(r.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
FROM pg_class r WHERE r.oid = to_regclass($1)
"""  # noqa: S608
_MAY_REFER = """
SELECT (SELECT bool_and(has_column_privilege(a.attrelid, a.attnum, 'REFERENCES')) FROM pg_attribute a
        WHERE a.attrelid = r.oid AND a.attname = ANY ($2::text[])) AS may_refer
FROM pg_class r WHERE r.oid = to_regclass($1)
"""
_ROLE_AND_NAME = """
SELECT quote_ident(current_user), (SELECT string_agg(quote_ident(n), '.' ORDER BY place)
                                   FROM unnest($1::text[]) WITH ORDINALITY AS names (n, place))
"""
_ROLE = "SELECT quote_ident(current_user)"

# Changes with the table's definition, rights, policies and triggers.
_VERSION = """
SELECT concat_ws(' ', r.oid, r.xmin,
    (SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = r.oid),
    (SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t WHERE t.tgrelid = r.oid),
    (SELECT string_agg(e.xmin::text, ',' ORDER BY e.oid) FROM pg_enum e WHERE e.enumtypid IN (
        SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = r.oid)),
    (SELECT string_agg(c.xmin::text, ',' ORDER BY c.oid) FROM pg_constraint c WHERE c.contypid IN (
        SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = r.oid)))
FROM pg_class r WHERE r.oid = to_regclass($1)
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How rows get into a table.

    `copies`: by COPY, which views and row-level security do not allow. `stages`: by INSERT from a stage, with
    the same result; rules of a table see an INSERT, but no COPY. `frees`: by INSERT ... ON CONFLICT DO
    NOTHING, which deferrable keys do not allow, and for which row-level security must let the rows be read.
    `may_leave_out`: triggers or policies may leave rows out without an error. `tells`: its lineage tells
    which rows are there. `in_columns`: the table has columns for the lineage.
    """

    copies: bool = True
    stages: bool = True
    frees: bool = True
    may_leave_out: bool = False
    tells: bool = True
    in_columns: bool = True

    @property
    def plain(self) -> bool:
        """Whether rows get into the table itself, and no trigger or policy can change them before."""
        return self.copies and not self.may_leave_out


async def version_of(connection: PgConnection, target: str) -> str:
    """What changes whenever the table (an SQL name) does; empty if there is none."""
    return await connection.fetchval(_VERSION, target) or ""


async def way_into(
    connection: PgConnection, table: Table, place: Place, missing: Collection[str] = ()
) -> Way:
    """The way into a table that exists, with its lineage in this place. PostgreSQL plans the statement that
    loads rows, without running it (and without the `missing` columns, which are to be added). Raises
    SinkRefusedError."""
    name, key = sql_name(table), table.primary_key
    columns = [name for name, _ in table.columns if name not in missing]
    columns += [ROW_COLUMN, PROCESS_COLUMN] if place is Place.COLUMNS else []
    statement = (
        f"EXPLAIN INSERT INTO {name} ({listed(columns)}) "
        f"SELECT {', '.join(['NULL'] * len(columns))} WHERE false"
    )
    if table.upsert:
        changes = ", ".join(f"{quoted(c)} = excluded.{quoted(c)}" for c in columns if c not in key)
        statement += f" ON CONFLICT ({listed(key)}) DO UPDATE SET {changes}"
    try:
        async with savepoint(connection):
            await connection.execute(statement)
    except TRANSIENT_ERRORS:
        raise
    except asyncpg.PostgresError as error:
        raise SinkRefusedError(await _why_none(connection, table, columns, error)) from error
    if table.upsert and await connection.fetchval(_KEY_IS_LATE, name, list(key)):
        raise SinkRefusedError(
            f"The table {table.schema}.{table.name} checks the key {', '.join(key)} late (DEFERRABLE), which "
            "an upsert cannot use: make it NOT DEFERRABLE."
        )
    row = await connection.fetchrow(_WAY, name, [ROW_COLUMN, PROCESS_COLUMN])
    assert row is not None
    return replace(Way(*row), in_columns=place is not Place.OWN_TABLE)


async def _why_none(
    connection: PgConnection, table: Table, columns: Sequence[str], error: asyncpg.PostgresError
) -> str:
    """Why a table takes no rows, and what to do about it."""
    name, shown = sql_name(table), f"{table.schema}.{table.name}"
    kind = _KINDS.get(await connection.fetchval(_KIND, name))
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        lacks = await connection.fetchval(_LACKS, name, columns, list(table.primary_key), table.upsert)
        if lacks:
            return await lacking_right(connection, ", ".join(lacks), table)
    if kind and error.sqlstate in ("55000", "42809"):
        return (
            f"{shown} is {kind} that takes no rows; load into the table behind it"
            f"{', or give it an INSTEAD OF INSERT trigger' if kind == 'a view' else ''}."
        )
    if table.upsert and error.sqlstate == "0A000":
        return f"The table {shown} has rules, which an upsert cannot use: make them triggers."
    return why_none(error, table)


async def lacking_right(connection: PgConnection, rights: str, table: Table) -> str:
    """What to do about rights on a table that the suite's role lacks."""
    return await _grant(connection, rights, "TABLE", table.schema, table.name)


async def _grant(connection: PgConnection, rights: str, kind: str, *names: str) -> str:
    """`names` lead to the thing, the last one is its own."""
    role, plain = await connection.fetchrow(_ROLE_AND_NAME, names) or ("", "")
    on = plain if kind == "TABLE" else f"{kind} {plain}"
    what = f"the {kind.lower()} {'.'.join(names)}"
    return f"The suite's role {role} lacks the right {rights} on {what}: GRANT {rights} ON {on} TO {role}."


async def check_schema(connection: PgConnection, table: Table, schemas: TableSchemas) -> None:
    """Raises SinkRefusedError when what the schema has cannot even be looked at, or is the suite's own, and
    SchemaNotAllowedError when it, or the schema of a table that is referred to, is neither the tenant's nor
    one of `schemas`. A schema or a table of another tenant is not there."""
    row = await _schema(connection, table)
    if row["is_of_suite"]:
        raise SinkRefusedError(f"The schema {table.schema} belongs to the suite: choose another one.")
    for schema in dict.fromkeys((table.schema, *(foreign.table[0] for foreign in table.foreign))):
        if not await is_allowed(connection, schema, schemas):
            raise SchemaNotAllowedError(not_allowed(schema))
    if row["found"] and not row["may_use"]:
        if row["is_of_tenant"]:
            raise SinkRefusedError(await _no_schema(connection, table))
        raise SinkRefusedError(await _grant(connection, "USAGE", "SCHEMA", table.schema))
    if row["found"] and not row["may_make"] and await _is_hidden(connection, table.schema, table.name):
        raise SinkRefusedError(await _not_made(connection, table))


async def is_allowed(connection: PgConnection, schema: str, schemas: TableSchemas) -> bool:
    """Whether pipelines of the tenant may name a schema: its own one, one of `schemas`, or one that belongs
    to the tenant's role (earlier versions let pipelines make schemas), unless that has the name of a role,
    which then would see its tables before those of `public`."""
    return schemas.allows(tenant(), schema) or bool(await connection.fetchval(_BELONGS, schema))


def not_allowed(schema: str) -> str:
    """That a schema may not be named, and what to do about it."""
    name = tenant()
    return (
        f"Pipelines of the tenant {name} may not use the schema {schema}: use {tenant_schema(name)}, or add "
        f"{name}:{schema} to {SETTING} of the processor."
    )


async def _is_hidden(connection: PgConnection, schema: str, name: str) -> bool:
    """Whether a table, in a schema that may be looked into, is another tenant's that let this one do
    nothing."""
    return bool(await connection.fetchval(_IS_HIDDEN, qualified(schema, name)))


async def _schema(connection: PgConnection, table: Table) -> Record:
    row = await connection.fetchrow(_SCHEMA, table.schema, OWNER)
    assert row is not None
    return row


async def _not_made(connection: PgConnection, table: Table) -> str:
    """That a table is not there, and the right to make it in its schema neither."""
    advice = await _grant(connection, "CREATE", "SCHEMA", table.schema)
    return f"The table {table.schema}.{table.name} does not exist. {advice}"


async def _no_schema(connection: PgConnection, table: Table) -> str:
    """That a table is not there, and its schema neither."""
    role, schema = await connection.fetchrow(_ROLE_AND_NAME, [table.schema]) or ("", "")
    return (
        f"The table {table.schema}.{table.name} does not exist, nor does its schema: run `ingestor admin "
        f"migrate` with {SETTING}, or CREATE SCHEMA {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO "
        f"{role}."
    )


async def may_look_into(connection: PgConnection, schema: str, name: str) -> bool | None:
    """Whether the role may look into a schema for a table; None if there is no such schema, it is the
    suite's, or it or the table is another tenant's."""
    row = await connection.fetchrow(_SCHEMA, schema, OWNER)
    if row is None or not row["found"] or row["is_of_suite"]:
        return None
    if not row["may_use"]:
        return None if row["is_of_tenant"] else False
    return None if await _is_hidden(connection, schema, name) else True


async def check_owner(connection: PgConnection, table: Table, lacking: Collection[tuple[str, str]]) -> None:
    """Raises SinkRefusedError when the role may not add the lacking columns."""
    if lacking and not await connection.fetchval(_OWNED, sql_name(table)):
        role = await connection.fetchval(_ROLE)
        raise SinkRefusedError(
            f"The table {table.schema}.{table.name} lacks {', '.join(name for name, _ in lacking)}, and only "
            f"its owner can add columns: add them, or make the suite's role {role} its owner."
        )


async def check_making(connection: PgConnection, table: Table) -> None:
    """Raises SinkRefusedError when the role may not create the table, TooManyTablesError when the tenant may
    have no further one."""
    row = await _schema(connection, table)
    if not row["may_make"]:
        why = _not_made if row["found"] else _no_schema
        raise SinkRefusedError(await why(connection, table))
    for foreign in table.foreign:
        if foreign.table == (table.schema, table.name):
            continue
        may_look = await may_look_into(connection, *foreign.table)
        if may_look is None:
            raise _unfit(table, _NO_TABLE)
        if not may_look:
            raise SinkRefusedError(await _grant(connection, "USAGE", "SCHEMA", foreign.table[0]))
        other = qualified(*foreign.table)
        if await connection.fetchval(_MAY_REFER, other, list(foreign.table_columns)) is False:
            raise SinkRefusedError(await _grant(connection, "REFERENCES", "TABLE", *foreign.table))
    tables = await connection.fetchrow("SELECT * FROM processor.tables_left($1)", tenant())
    if tables is not None and tables["most"] is not None and tables["used"] >= tables["most"]:
        raise TooManyTablesError(str(QuotaExceededError(QuotaName.TABLES, tables["most"], tables["used"])))


_NO_TABLE = "does not exist"
_UNFIT = {
    "42P01": _NO_TABLE,
    "42703": "lacks a column",
    "42830": "has no unique index of just these columns",
    "42804": "has columns of other types",
}


def why_not_made(error: asyncpg.PostgresError, table: Table) -> Exception:
    """Why a table cannot be created; the error itself if it may pass."""
    if isinstance(error, TRANSIENT_ERRORS):
        return error
    unfit = _UNFIT.get(error.sqlstate or "")
    if not table.foreign or not unfit:
        return SinkRefusedError(why_none(error, table))
    return _unfit(table, unfit)


def _unfit(table: Table, why: str) -> SinkRefusedError:
    """A table cannot be created since what it refers to is unfit."""
    others = [f"{'.'.join(key.table)} ({', '.join(key.table_columns)})" for key in table.foreign]
    which = "which" if len(others) == 1 else "one of which"
    return SinkRefusedError(
        f"The table {table.schema}.{table.name} cannot be created: it refers to {', '.join(others)}, {which} "
        f"{why}."
    )
