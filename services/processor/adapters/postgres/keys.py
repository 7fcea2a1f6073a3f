"""The unique keys of a table in PostgreSQL, as both who loads rows and who tries them look at them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# What forbids two rows to stand side by side, the primary key first: columns in order, and whether they
# decide it, for all rows and at once.
_KEYS = """
SELECT array(SELECT a.attname FROM unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                 WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
             ORDER BY k.place) AS columns,
       i.indisprimary AS is_primary,
       coalesce((to_jsonb(i)->>'indnullsnotdistinct')::boolean, false) AS nulls_are_equal,
       i.indisunique AND i.indisvalid AND i.indimmediate AND NOT i.indisexclusion AND i.indpred IS NULL
       AND i.indexprs IS NULL AS by_columns,
       has_table_privilege(i.indrelid, 'SELECT') AND has_table_privilege(i.indrelid, 'UPDATE') AS may_change
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND (i.indisunique OR i.indisexclusion)
ORDER BY i.indisprimary DESC, i.indexrelid
"""


@dataclass(frozen=True, slots=True)
class Key:
    """Columns whose values together are in a table once."""

    columns: tuple[str, ...]
    primary: bool
    nulls_are_equal: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """What is unique in a table: `by_columns` the keys, the primary one first; `others` says that there is
    more, such as an index of an expression. Whether rows `may_change`."""

    by_columns: tuple[Key, ...] = ()
    others: bool = False
    may_change: bool = False

    def met_by(self, columns: Iterable[str]) -> tuple[Key, ...]:
        """Those that rows with these columns can have in common; others are the table's own number of the
        row, or its lineage."""
        known, lineage = frozenset(columns), {PROCESS_COLUMN, ROW_COLUMN}
        return tuple(
            key
            for key in self.by_columns
            if not known.isdisjoint(key.columns) and not lineage.issubset(key.columns)
        )


async def keys_of(connection: PgConnection, target: str) -> Keys:
    """Those of a table (an SQL name)."""
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
