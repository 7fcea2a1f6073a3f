"""What a column of a table takes, as the database's catalogue has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# A domain's type is that of its base, an array's that of its items: the last step of each column has it.
# Limits such as the 6 and 2 of numeric(6,2) belong to the column, or to the innermost domain that has them.
_COLUMNS = """
WITH RECURSIVE steps AS (
    SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod, false AS is_array, false AS has_checks,
           false AS needs_value, 0 AS depth
    FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT s.attnum,
           CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE s.typmod END,
           s.is_array OR t.typtype <> 'd',
           s.has_checks
               OR EXISTS (SELECT 1 FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'),
           s.needs_value OR t.typnotnull AND NOT s.is_array,
           s.depth + 1
    FROM steps s JOIN pg_type t ON t.oid = s.type
    WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0 AND NOT s.is_array
)
SELECT DISTINCT ON (a.attnum) a.attname AS name, format_type(a.atttypid, a.atttypmod) AS sql_type,
       t.typname AS type, t.typcategory::text AS category, format_type(t.oid, NULL) AS base, s.typmod,
       s.is_array, s.has_checks, s.needs_value,
       a.attgenerated <> '' AS is_computed, a.attidentity = 'a' AS is_numbered,
       array(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
       a.attnotnull AS is_not_null, a.atthasdef OR a.attidentity <> '' AS has_default
FROM steps s JOIN pg_attribute a ON a.attrelid = to_regclass($1) AND a.attnum = s.attnum
JOIN pg_type t ON t.oid = s.type ORDER BY a.attnum, s.depth DESC
"""
_SHORT_NAMES = (
    (r"\bcharacter varying\b", "varchar"),
    (r"\bcharacter\b", "char"),
    (r"\btimestamp(\(\d\))? with time zone", r"timestamptz\1"),
    (r"\btime(\(\d\))? with time zone", r"timetz\1"),
    (r" without time zone", ""),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `type` and `limit` are those behind its domains, and of the items of an array."""

    name: str
    sql_type: str
    """As SQL writes it: with its limits, and with its schema where the search path lacks that."""
    type: str
    """A name in pg_type, such as int4."""
    base: str
    """The same as SQL writes it, without limits."""
    category: str
    """Of pg_type, such as S for texts."""
    limit: int
    """The type modifier as the catalogue has it, -1 for none."""
    is_array: bool = False
    has_checks: bool = False
    """Whether a domain has a CHECK."""
    needs_value: bool = False
    """Whether a domain is NOT NULL."""
    is_computed: bool = False
    is_numbered: bool = False
    """Whether it is an identity column that takes no numbers of others (GENERATED ALWAYS)."""
    labels: tuple[str, ...] = ()
    """The values of an enum, in order."""
    is_not_null: bool = False
    """Whether the column itself is NOT NULL."""
    has_default: bool = False

    @property
    def shown(self) -> str:
        """The type with its limits, as people write it."""
        text = self.sql_type
        for long, short in _SHORT_NAMES:
            text = re.sub(long, short, text)
        return text

    @property
    def length(self) -> int | None:
        """The most characters of a varchar(n) or char(n)."""
        return self.limit - 4 if self.type in ("varchar", "bpchar") and self.limit >= 4 else None

    @property
    def digits(self) -> tuple[int, int] | None:
        """The 6 and 2 of numeric(6,2); the second may be negative."""
        if self.type != "numeric" or self.limit < 4:
            return None
        scale = (self.limit - 4) & 0x7FF
        return (self.limit - 4) >> 16 & 0xFFFF, (scale ^ 0x400) - 0x400

    @property
    def second_digits(self) -> int:
        """How many digits of a second a time or timestamp keeps."""
        return self.limit if 0 <= self.limit < 6 else 6


async def columns_of(connection: PgConnection, target: str) -> dict[str, Column]:
    """The columns of a table or view (an SQL name), by name; none if it does not exist."""
    rows = await connection.fetch(_COLUMNS, target)
    return {
        row["name"]: Column(
            row["name"],
            row["sql_type"],
            row["type"],
            row["base"],
            row["category"],
            row["typmod"],
            row["is_array"],
            row["has_checks"],
            row["needs_value"],
            row["is_computed"],
            row["is_numbered"],
            tuple(row["labels"]),
            row["is_not_null"],
            row["has_default"],
        )
        for row in rows
    }
