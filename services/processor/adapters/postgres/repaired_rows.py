"""Which failed rows of a process were loaded by a repair, in PostgreSQL: no two repairs load the same one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ingestor.services.processor.batches import BatchKey
from ingestor.services.processor.ports import GoodRows, Refused
from ingestor.services.processor.repairs import repaired_meanwhile

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# Of the rows of another process those that no repair has loaded yet, in order, so that two repairs never
# wait for each other crosswise. It waits for repairs that bring the same rows at this moment.
_TAKE = """
INSERT INTO repaired_rows (process_id, row_number, tenant, repair_process_id)
SELECT $1, number, $3, $4 FROM unnest($2::bigint[]) AS n (number) ORDER BY number
ON CONFLICT (process_id, row_number) DO NOTHING RETURNING row_number
"""
_GIVE_BACK = "DELETE FROM repaired_rows WHERE process_id = $1 AND row_number = ANY($2)"


async def load_unrepaired(
    connection: PgConnection,
    key: BatchKey,
    rows: GoodRows,
    load: Callable[[GoodRows], Awaitable[Sequence[Refused]]],
) -> Sequence[Refused]:
    """Load those rows of a repair that no other repair has loaded, in the connection's transaction; the
    rows that were refused, or skipped for that reason. `load` gets the rows as they are when all are."""
    owner, numbers = rows.repairs, rows.row_numbers
    taken = await connection.fetch(_TAKE, owner, numbers.tolist(), key.tenant, key.process_id)
    mine = np.isin(numbers, np.fromiter((row[0] for row in taken), np.int64, len(taken)))
    positions = np.flatnonzero(mine)
    if len(positions) < len(numbers):
        rows = replace(rows, data=rows.data.filter(pa.array(mine)), row_numbers=numbers[mine])
    refused = await load(rows)
    if refused:
        given_back = [int(rows.row_numbers[row.position]) for row in refused]
        await connection.execute(_GIVE_BACK, owner, given_back)
    others = [
        Refused(int(place), repaired_meanwhile(int(numbers[place])), "skipped")
        for place in np.flatnonzero(~mine)
    ]
    return [*(replace(row, position=int(positions[row.position])) for row in refused), *others]
