"""Where the lineage of a table's rows is: in two columns of the table or, if a table that somebody else has
made lacks them, in the suite's table row_lineage. The latter has rows of upserts only, by their key.

A row without lineage was there before, or somebody else wrote it: it is older than all processes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ingestor.outcomes import Notice
from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.table import listed, sql_name
from ingestor.services.processor.ports import SinkRefusedError, Table

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# The process of rows without lineage; before all others.
NO_PROCESS = str(uuid.UUID(int=0))

_FOUND = """
SELECT array(SELECT a.attname || ' ' || format_type(a.atttypid, NULL) FROM pg_attribute a
             WHERE a.attrelid = r.oid AND a.attname = ANY ($2::text[]) AND NOT a.attisdropped) AS columns,
       pg_has_role(r.relowner, 'USAGE') AS mine
FROM pg_class r WHERE r.oid = to_regclass($1)
"""
_TYPES = {ROW_COLUMN: "bigint", PROCESS_COLUMN: "uuid"}
ADDED = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {type_}" for name, type_ in _TYPES.items())

_MOVE = """
UPDATE {target} there SET ({process}, {row}) = (l.process_id, l.row_number) FROM processor.row_lineage l
WHERE (l.target, l.tenant, l.key) = ({name}::regclass, {tenant}, jsonb_build_array({there_key}))
"""


class Place(Enum):
    """Where the lineage of a table's rows is."""

    COLUMNS = "columns"
    TO_ADD = "to add"  # in columns that are still to be added
    OWN_TABLE = "own table"


async def place_of(connection: PgConnection, table: Table) -> Place:
    """Where the lineage of a table that exists is. Raises SinkRefusedError when its columns cannot take the
    lineage, or cannot be added."""
    found = await connection.fetchrow(_FOUND, sql_name(table), list(_TYPES))
    columns = dict(entry.split(" ", 1) for entry in found["columns"]) if found else {}
    for name, type_ in columns.items():
        if type_ != _TYPES[name]:
            raise SinkRefusedError(
                f"The column {name} of the table {table.name} must be {_TYPES[name]}, since the suite writes "
                f"the lineage of the rows there; it is {type_}."
            )
    if len(columns) == len(_TYPES):
        return Place.COLUMNS
    if not table.add_lineage:
        return Place.OWN_TABLE
    if not found or not found["mine"]:
        raise SinkRefusedError(
            f"The table {table.name} lacks columns for the lineage, and only its owner can add them: "
            f'ALTER TABLE {sql_name(table)} {ADDED}. Without "lineage" in the pipeline\'s sink the rows are '
            "loaded all the same."
        )
    return Place.TO_ADD


async def add_columns(connection: PgConnection, table: Table, tenant: str) -> None:
    """Add the columns for the lineage, with the lineage that is known to the tenant."""
    target = sql_name(table)
    await connection.execute(f"ALTER TABLE {target} {ADDED}")
    if table.upsert:
        there_key = listed(table.primary_key, "there.")
        parts = {
            "target": target,
            "name": literal(target),
            "tenant": literal(tenant),
            "there_key": there_key,
        }
        await connection.execute(_MOVE.format(**parts, process=PROCESS_COLUMN, row=ROW_COLUMN))
        await connection.execute(
            "DELETE FROM processor.row_lineage WHERE target = $1::text::regclass AND tenant = $2",
            target,
            tenant,
        )


def no_columns_notice(table: Table) -> Notice:
    """What a person should know of a table whose lineage is not in columns."""
    what = (
        "the suite keeps the lineage of upserted rows in a table of its own, by their key"
        if table.upsert
        else "the rows cannot be undone, and of rows of the file with the same key the one that is loaded "
        "first stays"
    )
    names = f"{ROW_COLUMN} and {PROCESS_COLUMN}"
    return Notice(
        "no-lineage-columns", f"The table {table.schema}.{table.name} lacks the columns {names}: {what}."
    )


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The lineage of the rows of a table (an SQL name) with a key, which a tenant has loaded, for statements
    in which a row of the table is `there`."""

    target: str
    key: Sequence[str]
    tenant: str
    in_columns: bool

    @property
    def entry(self) -> str:
        """A condition: the row l of row_lineage is that of `there`. By the hash it is found in an index also
        under row-level security, which does not trust comparisons of jsonb; but only in a scalar subquery,
        where `there` is a parameter."""
        values = f"jsonb_build_array({listed(self.key, 'there.')})"
        return (
            f"(l.target, l.tenant) = ({literal(self.target)}::regclass, {literal(self.tenant)}) "
            f"AND l.key_hash = jsonb_hash_extended({values}, 0) AND l.key = {values}"
        )

    def _own(self, column: str) -> str:
        return f"(SELECT l.{column} FROM processor.row_lineage l WHERE {self.entry})"  # noqa: S608

    @property
    def process(self) -> str:
        """The process of the row, NO_PROCESS if it has no lineage."""
        known = (
            f"CASE WHEN there.{ROW_COLUMN} IS NOT NULL THEN there.{PROCESS_COLUMN} END"
            if self.in_columns
            else self._own("process_id")
        )
        return f"coalesce({known}, '{NO_PROCESS}')"

    @property
    def row_number(self) -> str:
        """The number of the row; NULL if it has no lineage."""
        return f"there.{ROW_COLUMN}" if self.in_columns else self._own("row_number")

    def older_than(self, come: str) -> str:
        """A condition: the row comes before the row `come`, which has columns for the lineage."""
        other = f"({come}.{PROCESS_COLUMN}, {come}.{ROW_COLUMN})"
        if self.in_columns:
            return (
                f"(there.{PROCESS_COLUMN} IS NULL OR there.{ROW_COLUMN} IS NULL "
                f"OR (there.{PROCESS_COLUMN}, there.{ROW_COLUMN}) < {other})"
            )
        is_before = f"(l.process_id, l.row_number) < {other}"
        return f"coalesce((SELECT {is_before} FROM processor.row_lineage l WHERE {self.entry}), true)"  # noqa: S608

    @property
    def whole_row(self) -> str:
        """The row with its lineage as JSON."""
        if self.in_columns:
            return "row_to_json(there)"
        return f"(SELECT row_to_json(r) FROM (SELECT there.*, {self._own('row_number')} AS {ROW_COLUMN}) r)"  # noqa: S608

    @property
    def of_process(self) -> str:
        """A condition: the row belongs to the process $1."""
        if self.in_columns:
            return f"there.{PROCESS_COLUMN} = $1 AND there.{ROW_COLUMN} IS NOT NULL"
        return f"EXISTS (SELECT FROM processor.row_lineage l WHERE {self.entry} AND l.process_id = $1)"
