"""How rows get into a table, and whether they can at all: what is asked before the first row is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

_WAY = """
SELECT r.relkind <> 'v' AND NOT row_security_active(r.oid) AS copies,
       may_read AND (r.relkind = 'v' OR NOT rules) AS stages,
       may_read AND r.relkind <> 'v' AND NOT rules AND NOT EXISTS (
           SELECT FROM pg_index i WHERE i.indrelid = r.oid AND (i.indisunique OR i.indisexclusion)
           AND NOT i.indimmediate) AND NOT row_security_active(r.oid) AS frees
FROM pg_class r,
     LATERAL (SELECT has_table_privilege(r.oid, 'SELECT') AS may_read,
                     EXISTS (SELECT FROM pg_rewrite WHERE ev_class = r.oid AND ev_type = '3') AS rules) f
WHERE r.oid = to_regclass($1)
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How rows get into a table.

    `copies`: by COPY, which views and row-level security do not allow. `stages`: by INSERT from a stage, with
    the same result; rules of a table see an INSERT, but no COPY. `frees`: by INSERT ... ON CONFLICT DO
    NOTHING, which deferrable keys do not allow, and for which row-level security must let the rows be read.
    """

    copies: bool = True
    stages: bool = True
    frees: bool = True


async def way_into(connection: PgConnection, target: str) -> Way:
    """The way into a table (an SQL name) that exists."""
    row = await connection.fetchrow(_WAY, target)
    assert row is not None
    return Way(*row)
