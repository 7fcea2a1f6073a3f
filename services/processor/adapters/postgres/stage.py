"""A temporary table that accepts and refuses rows as the real table does, or would if it were created.

It has the types, checks and defaults of the real table. Its keys and references, which depend on other rows,
are returned separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg

from ingestor.outcomes import Notice
from ingestor.services.processor.adapters.postgres.columns.fitting import NO_FITTING, Fitting
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.faults import NO_PARTITION, changes_first
from ingestor.services.processor.adapters.postgres.lineage import ADDED, Place, no_columns_notice, place_of
from ingestor.services.processor.adapters.postgres.table import (
    Key,
    Reference,
    check_constraints,
    definition,
    fitting_of,
    keys_of,
    lacking_columns,
    qualified,
    quoted,
    references,
    sql_name,
)
from ingestor.services.processor.adapters.postgres.target import (
    check_making,
    check_owner,
    check_schema,
    lacking_right,
    way_into,
    why_not_made,
)
from ingestor.services.processor.ports import ForeignKey, SinkRefusedError, Table

if TYPE_CHECKING:
    from ingestor.provisioning.table_schemas import TableSchemas
    from ingestor.runtime.postgres.pool import PgConnection

STAGE = "pg_temp.ingestor_dry_run"
_MODEL = "pg_temp.ingestor_model"

_COMPUTED = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attgenerated <> ''"

# Columns that the rows lack and whose default a dry run must not compute: the next value of a sequence, or
# the result of a volatile function.
_NOT_TO_COMPUTE = """
SELECT a.attname FROM pg_attribute a
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
AND a.attname <> ALL ($2::text[])
AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%'
    OR EXISTS (SELECT 1 FROM pg_depend p JOIN pg_proc f ON f.oid = p.refobjid
               WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
               AND p.refclassid = 'pg_proc'::regclass AND f.provolatile = 'v'))
"""

_NEEDED = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
AND attnotnull AND attname <> ALL ($2::text[])
"""
_MAY_READ = "SELECT has_table_privilege(oid, 'SELECT') FROM pg_class WHERE oid = to_regclass($1)"

# A condition that the rows of one of the table's partitions fulfil; NULL if it is not partitioned.
_OF_A_PARTITION = """
SELECT coalesce(
    (SELECT string_agg(format('(%s)', coalesce(pg_get_partition_constraintdef(relid), 'true')), ' OR ')
     FROM pg_partition_tree(r.oid) WHERE isleaf),
    CASE r.relkind WHEN 'p' THEN 'false' END)
FROM pg_class r WHERE r.oid = to_regclass($1)
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """What a dry run needs beside the stage: `target` is the SQL name of the table, None if it does not
    exist yet."""

    target: str | None
    fitting: Fitting
    keys: tuple[Key, ...]
    references: tuple[Reference, ...]
    notices: tuple[Notice, ...] = ()


async def make_stage(connection: PgConnection, table: Table, schemas: TableSchemas) -> Staged:
    """Create the stage, which each commit empties, in the caller's transaction, which should be short. Raises
    SinkRefusedError when the table can take no rows or cannot be created."""
    await check_schema(connection, table, schemas)
    lacking = await lacking_columns(connection, table)
    if lacking is None:
        return await _stage_of_missing(connection, table)
    name = sql_name(table)
    await check_owner(connection, table, lacking)
    await check_constraints(connection, table)
    place = await place_of(connection, table)
    await way_into(connection, table, place, [column for column, _ in lacking])
    if not await connection.fetchval(_MAY_READ, name):
        raise SinkRefusedError(await lacking_right(connection, "SELECT", table))
    await _make(connection, table, name, lacking)
    existing = tuple(column for column in table.columns if column not in lacking)
    fitting = await fitting_of(connection, replace(table, columns=existing))
    return Staged(
        name,
        fitting,
        await _keys(connection, table, name),
        tuple(await references(connection, name)),
        (no_columns_notice(table),) if place is Place.OWN_TABLE else (),
    )


async def _stage_of_missing(connection: PgConnection, table: Table) -> Staged:
    """Create the stage as the sink would create the table, by way of a temporary table with all its keys. So
    PostgreSQL's objections show without a lock on the tables that it refers to."""
    await check_making(connection, table)
    copies: dict[tuple[str, str], str] = {(table.schema, table.name): _MODEL}
    unknown: list[ForeignKey] = []
    for foreign in table.foreign:
        other = qualified(*foreign.table)
        if foreign.table == (table.schema, table.name):
            continue
        if await connection.fetchval(_MAY_READ, other) is False:
            unknown.append(foreign)
        elif foreign.table not in copies:
            copies[foreign.table] = copy = f"pg_temp.ingestor_other_{len(copies)}"
            try:
                await connection.execute(f"CREATE TEMPORARY TABLE {copy} (LIKE {other} INCLUDING INDEXES)")
            except asyncpg.PostgresError as error:
                raise why_not_made(error, table) from error
    known = tuple(foreign for foreign in table.foreign if foreign not in unknown)
    made = definition(replace(table, foreign=known), lambda foreign: copies[foreign.table])
    try:
        await connection.execute(f"CREATE TEMPORARY TABLE {_MODEL} ({made})")
    except asyncpg.PostgresError as error:
        raise why_not_made(error, table) from error
    keys = await _keys(connection, table, _MODEL)
    await _make(connection, table, _MODEL, ())
    temporary = dict.fromkeys((_MODEL, *copies.values()))
    await connection.execute(f"DROP TABLE {', '.join(temporary)}")
    found = []
    for foreign in known:
        itself = foreign.table == (table.schema, table.name)
        name = None if itself else qualified(*foreign.table)
        found.append(Reference(foreign.columns, name, foreign.table_columns, itself=itself))
    return Staged(None, NO_FITTING, keys, tuple(found))


async def _make(
    connection: PgConnection, table: Table, model: str, lacking: Sequence[tuple[str, str]]
) -> None:
    await connection.execute(
        f"CREATE TEMPORARY TABLE {STAGE} (LIKE {model} INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
        "INCLUDING GENERATED) ON COMMIT DELETE ROWS"
    )
    changes = [ADDED, *(f"ADD COLUMN {quoted(column)} {type_}" for column, type_ in lacking)]
    loaded = [*(name for name, _ in table.columns), ROW_COLUMN, PROCESS_COLUMN]
    for row in await connection.fetch(_NOT_TO_COMPUTE, model, loaded):
        column = quoted(row["attname"])
        changes += [f"ALTER COLUMN {column} DROP DEFAULT", f"ALTER COLUMN {column} DROP NOT NULL"]
    if await changes_first(connection, model):  # a trigger may give a value to what the rows lack
        needed = await connection.fetch(_NEEDED, model, loaded)
        changes += [f"ALTER COLUMN {quoted(row['attname'])} DROP NOT NULL" for row in needed]
    if partitions := await connection.fetchval(_OF_A_PARTITION, model):
        changes.append(f"ADD CONSTRAINT {NO_PARTITION} CHECK ({partitions})")
    await connection.execute(f"ALTER TABLE {STAGE} {', '.join(dict.fromkeys(changes))}")


async def _keys(connection: PgConnection, table: Table, name: str) -> tuple[Key, ...]:
    """The keys of a table (an SQL name) that rows of the file can have in common."""
    computed = {row["attname"] for row in await connection.fetch(_COMPUTED, name)}
    known = {*(column for column, _ in table.columns), *computed}
    found: dict[frozenset[str], Key] = {}
    for key in (await keys_of(connection, name)).met_by(known):
        found.setdefault(frozenset(key.columns), key)
    return tuple(found.values())
