"""The foreign keys of a table in PostgreSQL, as both who loads rows and who tries them look at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.names import qualified

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# In the order in which PostgreSQL looks at them. (One that refers to a partitioned table is there once more
# for each partition.)
_REFERENCES = """
SELECT array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.place) AS columns,
       array(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
             ORDER BY k.place) AS other_columns,
       n.nspname AS schema, r.relname AS name,
       c.confmatchtype = 'f' AS whole, c.confrelid = c.conrelid AS itself, c.condeferred AS deferred
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE c.conrelid = to_regclass($1) AND c.contype = 'f'
AND NOT EXISTS (SELECT 1 FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
AND coalesce((to_jsonb(c)->>'conenforced')::boolean, true)
AND NOT coalesce((to_jsonb(c)->>'conperiod')::boolean, false)
AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(r.oid, 'SELECT')
ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns whose values must be in a row of another table, if none of them is NULL; with `whole` either
    none or all of them may be NULL. `other` is an SQL name, None for the table itself when it is not there.
    A `deferred` one is looked at when the transaction ends."""

    columns: tuple[str, ...]
    other: str | None
    other_columns: tuple[str, ...]
    whole: bool = False
    itself: bool = False
    deferred: bool = False


async def references(connection: PgConnection, target: str) -> list[Reference]:
    """Those of a table (an SQL name) to tables that may be read."""
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
