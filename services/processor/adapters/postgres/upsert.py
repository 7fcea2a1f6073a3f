"""An upsert that can be undone: rows that are not in the table because of others are kept beside it.

Of the rows with one key that processes have brought, the last one's of the latest process is in the table
and the others, one for each process, are in replaced_rows, each with the process that has put it there. So
it does not matter in which order they came, nor in which order processes are undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.names import listed, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# In the key's order, so that two batches never wait for each other crosswise.
_LAST_OF_KEY = "(SELECT DISTINCT ON ({key}) * FROM ingestor_stage ORDER BY {key}, {row} DESC)"

# Waits for another transaction that brings the same new key; afterwards every key of the stage is there.
_INSERT = """
INSERT INTO {target} ({names}) SELECT {names} FROM {last} come ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
"""

# Locks the rows of known keys, so that they stay as they are until the update, and keeps the loser of each
# pair of rows of different processes. OFFSET 0: the outer condition must not decide what is locked.
_KEEP = """
INSERT INTO replaced_rows (tenant, process_id, replaced_by, row)
SELECT $1, older, newer, loser FROM (
    SELECT least(there.{process}, come.{process}) AS older,
           greatest(there.{process}, come.{process}) AS newer,
           CASE WHEN there.{process} < come.{process} THEN row_to_json(there)
                WHEN there.{process} > come.{process} THEN row_to_json(come) END AS loser
    FROM {last} come JOIN {target} there ON ({there_key}) = ({come_key})
    WHERE (there.{process}, there.{row}) <> (come.{process}, come.{row})
    ORDER BY {come_key} OFFSET 0 FOR UPDATE OF there) pairs
WHERE older <> newer
"""

_UPDATE = """
UPDATE {target} there SET {changes} FROM {last} come
WHERE ({there_key}) = ({come_key}) AND (there.{process}, there.{row}) < (come.{process}, come.{row})
"""


async def upsert_with_undo(
    connection: PgConnection,
    tenant: str,
    target: str,
    key: Sequence[str],
    columns: Sequence[str],
    changing: Sequence[str],
) -> None:
    """Take the rows of the temporary table ingestor_stage, which has all columns of `target` (an SQL name):
    new keys get `columns`, known ones whose row is older get `changing`. In the caller's transaction."""
    parts = {
        "target": target,
        "key": listed(key),
        "names": listed(columns),
        "there_key": listed(key, "there."),
        "come_key": listed(key, "come."),
        "process": PROCESS_COLUMN,
        "row": ROW_COLUMN,
        "changes": ", ".join(f"{quoted(name)} = come.{quoted(name)}" for name in dict.fromkeys(changing)),
    }
    parts["last"] = _LAST_OF_KEY.format(**parts)
    staged = await connection.fetchval("SELECT count(*) FROM ingestor_stage")
    inserted = await connection.execute(_INSERT.format(**parts))
    if inserted == f"INSERT 0 {staged}":
        return
    await connection.execute(_KEEP.format(**parts), tenant)
    await connection.execute(_UPDATE.format(**parts))
