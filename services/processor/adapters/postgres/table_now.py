"""How many rows a table has now, without reading a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestor.services.processor.ports import TableNow

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_COUNTED = 10_000
_IS_TABLE = "SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = to_regclass($1)"
# Negative where nobody has analysed the table; of a partitioned table the sum of its partitions.
_ESTIMATE = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
WHERE relkind <> 'p' AND (oid = to_regclass($1) OR oid IN (
    SELECT relid FROM pg_partition_tree(to_regclass($1)) WHERE isleaf))
"""


async def table_now(connection: PgConnection, name: str) -> TableNow | None:
    """The rows of a table that exists and may be read; None for a view, whose rows may take long to count.
    `name` is its SQL name. In the caller's transaction."""
    if not await connection.fetchval(_IS_TABLE, name):
        return None
    counted = f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {_COUNTED + 1}) first_rows"  # noqa: S608
    count = int(await connection.fetchval(counted))
    if count <= _COUNTED:
        return TableNow(True, count)
    return TableNow(True, max(count, int(await connection.fetchval(_ESTIMATE, name))), estimated=True)
