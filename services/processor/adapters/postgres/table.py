"""A table in PostgreSQL: its SQL name, its unique and foreign keys, whether it fits a pipeline, how it is
created, what it holds, and why it takes no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from ingestor.services.processor.adapters.postgres.columns.conversions import why_refused
from ingestor.services.processor.adapters.postgres.columns.facts import columns_of
from ingestor.services.processor.adapters.postgres.columns.fitting import Fitting
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.ports import ForeignKey, SinkRefusedError, Table, TableNow

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_UNIQUE_SETS = """
SELECT (SELECT array_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = i.indrelid
        AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) AS columns
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid
AND i.indpred IS NULL AND i.indexprs IS NULL
"""

_FOREIGN_SETS = """
SELECT (SELECT array_agg(a.attname) FROM pg_attribute a
        WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns
FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.contype = 'f'
"""


def sql_name(table: Table) -> str:
    """The SQL name of the table."""
    return qualified(table.schema, table.name)


async def lacking_columns(connection: PgConnection, table: Table) -> list[tuple[str, str]] | None:
    """The columns, with their types, that an evolving table still needs; None if the table does not exist.
    Raises SinkRefusedError when its columns do not fit."""
    found = await columns_of(connection, sql_name(table))
    if not found:
        return None
    for name, kind in table.columns:
        if name in found:
            if problem := why_refused(kind, found[name], table.name):
                raise SinkRefusedError(problem)
        elif not table.evolve:
            raise SinkRefusedError(f"The table {table.name} has no column {name}.")
    return [column for column in table.columns if column[0] not in found]


async def fitting_of(connection: PgConnection, table: Table) -> Fitting:
    """What to check of rows for a table that exists and fits."""
    return Fitting.of(table, await columns_of(connection, sql_name(table)))


async def check_constraints(connection: PgConnection, table: Table) -> None:
    """Check that an existing table enforces the keys of the pipeline. Raises SinkRefusedError."""
    name = sql_name(table)
    unique = {frozenset(row[0]) for row in await connection.fetch(_UNIQUE_SETS, name)}
    for fields in (*table.unique, *((table.primary_key,) if table.primary_key else ())):
        if frozenset(fields) not in unique:
            raise SinkRefusedError(f"The table {table.name} has no unique index of just {', '.join(fields)}.")
    foreign = {frozenset(row[0]) for row in await connection.fetch(_FOREIGN_SETS, name)}
    for key in table.foreign:
        if frozenset(key.columns) not in foreign:
            raise SinkRefusedError(
                f"The table {table.name} has no foreign key of just {', '.join(key.columns)}."
            )


def definition(table: Table, referenced: Callable[[ForeignKey], str]) -> str:
    """The columns and keys of a new table, for CREATE TABLE. `referenced` gives the SQL name of the table
    that a foreign key refers to."""
    key = table.primary_key or (PROCESS_COLUMN, ROW_COLUMN)
    parts = [f"{quoted(column)} {type_}" for column, type_ in table.columns]
    parts += [f"{ROW_COLUMN} bigint NOT NULL", f"{PROCESS_COLUMN} uuid NOT NULL"]
    parts.append(f"PRIMARY KEY ({listed(key)})")
    parts += [f"UNIQUE ({listed(fields)})" for fields in table.unique]
    parts += [
        f"FOREIGN KEY ({listed(foreign.columns)}) REFERENCES "
        f"{referenced(foreign)} ({listed(foreign.table_columns)})"
        for foreign in table.foreign
    ]
    return ", ".join(parts)


def why_none(error: asyncpg.PostgresError, table: Table) -> str:
    """Why no row can be loaded, in words without SQL."""
    if error.sqlstate == "54011":
        return f"The table {table.schema}.{table.name} cannot have as many columns."
    return f"The table {table.schema}.{table.name} cannot take the rows: {error.message}."


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """The name of a table."""
    return f"{quoted(schema)}.{quoted(name)}"


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Names as a list of identifiers; `prefix` such as "t." goes before each."""
    return ", ".join(f"{prefix}{quoted(name)}" for name in names)


def not_null(names: Iterable[str], prefix: str = "") -> str:
    """A condition: none of the columns is NULL."""
    return " AND ".join(f"{prefix}{quoted(name)} IS NOT NULL" for name in names)


# Unique and exclusion indexes, the primary key first: their columns in order, and whether these columns alone
# decide, for all rows.
_KEYS = """
SELECT array(SELECT a.attname FROM unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                 WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
             ORDER BY k.place) AS columns,
       i.indisprimary AS is_primary,
       coalesce((to_jsonb(i)->>'indnullsnotdistinct')::boolean, false) AS nulls_are_equal,
       i.indisunique AND i.indisvalid AND NOT i.indisexclusion AND i.indpred IS NULL
       AND i.indexprs IS NULL AS by_columns,
       has_table_privilege(i.indrelid, 'SELECT') AND has_table_privilege(i.indrelid, 'UPDATE') AS may_change
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND (i.indisunique OR i.indisexclusion)
ORDER BY i.indisprimary DESC, i.indexrelid
"""


@dataclass(frozen=True, slots=True)
class Key:
    """Columns whose combined values are unique in a table."""

    columns: tuple[str, ...]
    primary: bool
    nulls_are_equal: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """What is unique in a table: `by_columns` are the keys, the primary key first; `others` is True if there
    are more restrictions, such as an index of an expression. `may_change`: the suite may update rows."""

    by_columns: tuple[Key, ...] = ()
    others: bool = False
    may_change: bool = False

    def met_by(self, columns: Iterable[str]) -> tuple[Key, ...]:
        """The keys that rows with these columns can share; the others are a number that the table gives, or
        the lineage."""
        known, lineage = frozenset(columns), {PROCESS_COLUMN, ROW_COLUMN}
        return tuple(
            key
            for key in self.by_columns
            if not known.isdisjoint(key.columns) and not lineage.issubset(key.columns)
        )


async def keys_of(connection: PgConnection, target: str) -> Keys:
    """The keys of a table (an SQL name)."""
    found = await connection.fetch(_KEYS, target)
    if not found:
        return Keys()
    return Keys(
        tuple(
            Key(tuple(row["columns"]), row["is_primary"], row["nulls_are_equal"])
            for row in found
            if row["by_columns"]
        ),
        not all(row["by_columns"] for row in found),
        found[0]["may_change"],
    )


# The columns of a reference c to the table r of the schema n.
REFERENCE_ENDS = """
       array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.place) AS columns,
       array(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
             ORDER BY k.place) AS other_columns,
       n.nspname AS schema, r.relname AS name"""

# In PostgreSQL's order of checking. (A reference to a partitioned table is repeated for each partition.)
_REFERENCES = f"""
SELECT {REFERENCE_ENDS},
       c.confmatchtype = 'f' AS whole, c.confrelid = c.conrelid AS itself, c.condeferred AS deferred
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE c.conrelid = to_regclass($1) AND c.contype = 'f'
AND NOT EXISTS (SELECT 1 FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
AND coalesce((to_jsonb(c)->>'conenforced')::boolean, true)
AND NOT coalesce((to_jsonb(c)->>'conperiod')::boolean, false)
AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(r.oid, 'SELECT')
AND NOT row_security_active(r.oid) ORDER BY c.oid
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns whose values must exist in a row of another table, unless one of them is NULL; with `whole`
    unless all of them are NULL. `other` is an SQL name, None for a table that refers to itself and does not
    exist yet. A `deferred` reference is checked when the transaction ends."""

    columns: tuple[str, ...]
    other: str | None
    other_columns: tuple[str, ...]
    whole: bool = False
    itself: bool = False
    deferred: bool = False


async def references(connection: PgConnection, target: str) -> list[Reference]:
    """The references of a table (an SQL name) to tables of which every row may be read."""
    return [
        Reference(
            tuple(row["columns"]),
            qualified(row["schema"], row["name"]),
            tuple(row["other_columns"]),
            row["whole"],
            row["itself"],
            row["deferred"],
        )
        for row in await connection.fetch(_REFERENCES, target)
    ]


# More rows than these are not counted.
_COUNTED = 10_000
_IS_TABLE = "SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = to_regclass($1)"
# Negative where nobody has analysed the table; of a partitioned table the sum of its partitions.
_ESTIMATE = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
WHERE relkind <> 'p' AND (oid = to_regclass($1) OR oid IN (
    SELECT relid FROM pg_partition_tree(to_regclass($1)) WHERE isleaf))
"""


async def table_now(connection: PgConnection, name: str) -> TableNow | None:
    """The rows of a table that exists and may be read, at most 10,000 of them counted; None for a view, whose
    rows may take long to count. `name` is its SQL name. In the caller's transaction."""
    if not await connection.fetchval(_IS_TABLE, name):
        return None
    counted = f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {_COUNTED + 1}) first_rows"  # noqa: S608
    count = int(await connection.fetchval(counted))
    if count <= _COUNTED:
        return TableNow(True, count)
    return TableNow(True, max(count, int(await connection.fetchval(_ESTIMATE, name))), estimated=True)
