"""Changes the repaired process when a batch of a repair has an outcome."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ingestor.outcomes import RejectedRow
from ingestor.reports import NOT_FAILED
from ingestor.runs import RejectedRun
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_account import Work, hold
from ingestor.services.status.adapters.pg_rows import FIND_ROWS, RUN, insert_rows, run_from
from ingestor.services.status.adapters.pg_values import errors_json, state_number, text
from ingestor.services.status.ledger import Outcome
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import RepairedRows

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_as_json = json.JSONEncoder(ensure_ascii=False).encode

# What the repaired process and the repair repair.
_WHOSE = "SELECT process_id, repairs FROM processes WHERE process_id = ANY($1::uuid[]) AND tenant = $2"

# Adds rows to the history: those that have FAILED and, of those that succeed now ($4), those that another
# repair had SKIPPED. Returns their numbers and states.
_KEEP = f"""
WITH found AS (
    SELECT * FROM ({FIND_ROWS}) f WHERE state = {int(RowState.FAILED)} OR (
        state = {int(RowState.SKIPPED)} AND row_number = ANY ($4::bigint[]) AND EXISTS (
            SELECT 1 FROM row_history h WHERE h.process_id = $1 AND h.row_number = f.row_number))),
kept AS (
    INSERT INTO row_history (process_id, row_number, repair_process_id, tenant, errors, cells)
    SELECT $1, row_number, $3, $5, errors, cells FROM found ON CONFLICT DO NOTHING)
SELECT row_number, state FROM found
"""  # noqa: S608

# Sets FAILED rows to SUCCEEDED. A row of a batch that failed as a whole gets its own record.
_SUCCEED = f"""
WITH changed AS (
    INSERT INTO row_exceptions
        (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
    SELECT $1, row_number, 0, batch_number, $3, {int(RowState.SUCCEEDED)}, '[]', '{{}}'
    FROM ({FIND_ROWS}) found
    ON CONFLICT (process_id, row_number) DO UPDATE
        SET state = excluded.state, errors = excluded.errors, cells = excluded.cells
    RETURNING batch_number),
counts AS (SELECT batch_number, count(*) AS count FROM changed GROUP BY batch_number)
UPDATE batches b SET succeeded = b.succeeded + c.count, failed = b.failed - c.count
FROM counts c WHERE b.process_id = $1 AND b.batch_number = c.batch_number
"""  # noqa: S608

# Sets new states, errors and cells of rows. The cells of a row are JSON, because nested arrays must have
# equal lengths.
_REPLACE = f"""
INSERT INTO row_exceptions (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
SELECT $1, found.row_number, 0, found.batch_number, $3, reported.state, reported.errors,
       ARRAY(SELECT cell FROM json_array_elements_text(reported.cells) WITH ORDINALITY AS c (cell, position)
             ORDER BY position)
FROM ({FIND_ROWS}) found
JOIN unnest($2::bigint[], $4::smallint[], $5::jsonb[], $6::json[])
    AS reported (row_number, state, errors, cells) ON reported.row_number = found.row_number
ON CONFLICT (process_id, row_number) DO UPDATE
    SET state = excluded.state, errors = excluded.errors, cells = excluded.cells
"""  # noqa: S608

# Moves rows, in the counts of their batches, from FAILED to SKIPPED ($3 is 1) or back (-1).
_SKIPPED = f"""
WITH counts AS (SELECT batch_number, count(*) AS count FROM ({FIND_ROWS}) found GROUP BY batch_number)
UPDATE batches b SET skipped = b.skipped + $3 * c.count, failed = b.failed - $3 * c.count
FROM counts c WHERE b.process_id = $1 AND b.batch_number = c.batch_number
"""  # noqa: S608

# The runs of FAILED rows without own records, and their numbers.
_IN_RUNS = f"""
SELECT found.run, array_agg(found.row_number ORDER BY found.row_number) AS numbers
FROM ({FIND_ROWS}) found WHERE found.run IS NOT NULL AND found.state = {int(RowState.FAILED)}
GROUP BY found.run
"""  # noqa: S608
_RUNS = f"SELECT {RUN} FROM row_runs u WHERE u.process_id = $1 AND u.first_row = ANY($2::bigint[])"  # noqa: S608
_RUNS_AT_ONCE = 8

# The batches of these rows, whose errors are counted again.
_BATCHES = f"SELECT DISTINCT batch_number FROM ({FIND_ROWS}) found"  # noqa: S608
_FORGET_COUNTS = "DELETE FROM error_counts WHERE process_id = $1 AND batch_number = ANY($2)"
_OWN_ROWS = f"""
row_exceptions r WHERE r.process_id = b.process_id AND r.row_number >= b.first_row
AND r.row_number < b.first_row + b.row_count AND r.state = {int(RowState.FAILED)}
"""
_FREE = """
SELECT n FROM generate_series({first}, {end} - 1) n
WHERE NOT EXISTS (SELECT 1 FROM row_exceptions r WHERE r.process_id = b.process_id AND r.row_number = n)
"""
# The errors of FAILED rows of batches, by what says that they failed: own records, runs, batches. `run` is
# the first row of a run, whose `place`-th error (from 1) it is; the example is that of the run's first row.
_COUNT = f"""
WITH chosen AS (SELECT * FROM batches WHERE process_id = $1 AND batch_number = ANY($2)),
runs AS (
    SELECT u.batch_number, u.first_row, u.errors, u.row_count - others.count AS count, (
        {_FREE.format(first="u.first_row", end="u.first_row + u.row_count")} ORDER BY n LIMIT 1) AS first_free
    FROM chosen b JOIN row_runs u ON u.process_id = b.process_id AND u.first_row >= b.first_row
        AND u.first_row < b.first_row + b.row_count AND u.state = {int(RowState.FAILED)}
    CROSS JOIN LATERAL (
        SELECT count(*) AS count FROM row_exceptions r WHERE r.process_id = b.process_id
        AND r.row_number >= u.first_row AND r.row_number < u.first_row + u.row_count) others)
SELECT b.batch_number, e->>0 AS code, e->>1 AS field, count(*) AS count,
       (array_agg(e->>3 ORDER BY own.row_number, place))[1] AS example, min(own.row_number) AS first_row,
       NULL::bigint AS run, NULL::bigint AS place
FROM chosen b CROSS JOIN LATERAL (SELECT r.row_number, r.errors FROM {_OWN_ROWS}) own
CROSS JOIN jsonb_array_elements(own.errors) WITH ORDINALITY AS found (e, place) GROUP BY 1, 2, 3
UNION ALL
SELECT runs.batch_number, e->>0, e->>1, runs.count, e->>3, runs.first_free, runs.first_row, place
FROM runs CROSS JOIN jsonb_array_elements(runs.errors) WITH ORDINALITY AS found (e, place)
WHERE runs.count > 0
UNION ALL
SELECT b.batch_number, b.error->>0, b.error->>1, b.failed - own.failed, b.error->>3, (
    {_FREE.format(first="b.first_row", end="b.first_row + b.row_count")}
    AND NOT EXISTS (SELECT 1 FROM row_runs u WHERE u.process_id = b.process_id
                    AND u.first_row <= n AND u.first_row + u.row_count > n)
    ORDER BY n LIMIT 1), NULL, NULL
FROM chosen b CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM {_OWN_ROWS})
        + (SELECT coalesce(sum(count), 0) FROM runs WHERE runs.batch_number = b.batch_number) AS failed) own
WHERE b.error IS NOT NULL AND b.failed > own.failed
"""  # noqa: S608
_INSERT_COUNTS = """
INSERT INTO error_counts (process_id, batch_number, tenant, code, field, count, example, first_row)
SELECT $1, batch_number, $2, code, field, count, example, first_row
FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[])
    AS c (batch_number, code, field, count, example, first_row)
"""


async def repair(
    connection: PgConnection,
    repairing: Work,
    outcome: Outcome,
    rows: Sequence[RejectedRow],
    repaired: RepairedRows,
) -> None:
    """Apply the outcome of a repair's batch to the repaired process. FAILED rows that succeeded in the repair
    become SUCCEEDED; those that failed again or were skipped by the pipeline get their new errors and cells.
    Other rows do not change. Only one repair loads a row, so such a row has succeeded whatever other repairs
    report about it, in any order.

    Locks the repaired process while the repair is locked. A repair is never repaired itself, so no
    transaction takes these locks in the opposite order. Raises ValueError when the process is not the one
    that this repair repairs.
    """
    await _check_parent(repairing, repaired.process_id)
    first = outcome.batch.first_row
    here = {row.row_number: row for row in rows}
    succeeded = []
    rejected = {}
    for index, number in enumerate(repaired.rows):
        row = here.get(first + index)
        if not number:
            continue
        if row is not None:
            if row.state == "failed" or any(error.code != NOT_FAILED for error in row.errors):
                rejected[number] = row
        elif outcome.default_state is RowState.SUCCEEDED:
            succeeded.append(number)
    if not succeeded and not rejected:
        return
    async with hold(connection, repaired.process_id) as work:
        if work.expired:
            return
        await _take_out_of_runs(work, sorted({*succeeded, *rejected}))
        kept = await connection.fetch(
            _KEEP, repaired.process_id, sorted({*succeeded, *rejected}), repairing.process_id, succeeded,
            work.tenant,
        )  # fmt: skip
        changed = {row["row_number"] for row in kept}
        if not changed:
            return
        good = sorted(changed.intersection(succeeded).difference(rejected))
        others = {number: rejected[number] for number in sorted(changed.difference(good))}
        skipped = [number for number, row in others.items() if row.state == "skipped"]
        revived = [row["row_number"] for row in kept if row["state"] == RowState.SKIPPED]
        await connection.execute(_SKIPPED, repaired.process_id, revived, -1)
        await connection.execute(_SUCCEED, repaired.process_id, good, work.tenant)
        await connection.execute(
            _REPLACE,
            repaired.process_id,
            list(others),
            work.tenant,
            [state_number(row) for row in others.values()],
            [errors_json(row.errors) for row in others.values()],
            [_as_json([text(cell) for cell in row.cells]) for row in others.values()],
        )
        await connection.execute(_SKIPPED, repaired.process_id, skipped, 1)
        found = await connection.fetch(_BATCHES, repaired.process_id, sorted(changed))
        batches = [row["batch_number"] for row in found]
        await _count_again(work, batches)
        work.apply(
            ledger.repaired(
                work.account,
                repairing.process_id,
                len(good),
                len(others) - len(skipped),
                len(skipped) - len(revived),
            )
        )


async def _take_out_of_runs(work: Work, numbers: Sequence[int]) -> None:
    """Give FAILED rows that are in runs own records, which say the same."""
    found = await work.connection.fetch(_IN_RUNS, work.process_id, numbers)
    for start in range(0, len(found), _RUNS_AT_ONCE):
        wanted = {row["run"]: set(row["numbers"]) for row in found[start : start + _RUNS_AT_ONCE]}
        for record in await work.connection.fetch(_RUNS, work.process_id, list(wanted)):
            rows = await asyncio.to_thread(_chosen, run_from(record), wanted[record["run_first_row"]])
            await insert_rows(work, record["run_batch_number"], rows, [None] * len(rows))


def _chosen(run: RejectedRun, numbers: Collection[int]) -> list[RejectedRow]:
    return [row for row in run.rows(min(numbers), max(numbers)) if row.row_number in numbers]


async def _count_again(work: Work, batches: Sequence[int]) -> None:
    """Count the errors of FAILED rows of batches."""
    counts: Counter[tuple[int, str, str]] = Counter()
    firsts: dict[tuple[int, str, str], Any] = {}
    for row in await work.connection.fetch(_COUNT, work.process_id, batches):
        key = (row["batch_number"], row["code"], row["field"])
        counts[key] += row["count"]
        known = firsts.setdefault(key, row)
        if (row["first_row"], row["place"] or 0) < (known["first_row"], known["place"] or 0):
            firsts[key] = row
    await work.connection.execute(_FORGET_COUNTS, work.process_id, batches)
    await work.connection.execute(
        _INSERT_COUNTS, work.process_id, work.tenant,
        [batch for batch, _, _ in counts], [code for _, code, _ in counts], [field for _, _, field in counts],
        list(counts.values()),
        [await _example(work, firsts[key]) for key in counts],
        [firsts[key]["first_row"] for key in counts],
    )  # fmt: skip


async def _example(work: Work, count: Any) -> str:
    """The message of the first row of a count."""
    if count["run"] in (None, count["first_row"]):
        return str(count["example"])
    [record] = await work.connection.fetch(_RUNS, work.process_id, [count["run"]])
    [row] = await asyncio.to_thread(_chosen, run_from(record), {count["first_row"]})
    return text(row.errors[count["place"] - 1].message)


async def _check_parent(work: Work, parent: str) -> None:
    process_id = work.process_id
    found = await work.connection.fetch(_WHOSE, [process_id, parent], work.tenant)
    whose = {str(row["process_id"]): row["repairs"] for row in found}
    if parent == process_id or parent not in whose or whose[parent] is not None:
        raise ValueError(f"process {parent} cannot be repaired")
    if whose.get(process_id) is not None and str(whose[process_id]) != parent:
        raise ValueError(f"process {process_id} repairs {whose[process_id]}, not {parent}")
