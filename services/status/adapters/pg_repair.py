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
from ingestor.services.status.adapters.pg_rows import FIND_ROWS, RUN, run_from
from ingestor.services.status.adapters.pg_values import array_literal, errors_json, state_number, text
from ingestor.services.status.ledger import Outcome
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import RepairedRows

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_as_json = json.JSONEncoder(ensure_ascii=False).encode

# What the repaired process and the repair repair.
_WHOSE = "SELECT process_id, repairs FROM processes WHERE process_id = ANY($1::uuid[]) AND tenant = $2"

# Adds rows to the history: those that have FAILED and, of those that succeed now ($4), those that another
# repair had SKIPPED. Returns their numbers, batches and states.
_KEEP = f"""
WITH found AS (
    SELECT * FROM ({FIND_ROWS}) f WHERE state = {int(RowState.FAILED)} OR (
        state = {int(RowState.SKIPPED)} AND row_number = ANY ($4::bigint[]) AND EXISTS (
            SELECT 1 FROM row_history h WHERE h.process_id = $1 AND h.row_number = f.row_number))),
kept AS (
    INSERT INTO row_history (process_id, row_number, repair_process_id, tenant, errors, cells)
    SELECT $1, row_number, $3, $5, errors, cells FROM found ON CONFLICT DO NOTHING)
SELECT row_number, batch_number, state FROM found
"""  # noqa: S608
# The same for rows that are FAILED for certain.
_KEEP_FAILED = """
INSERT INTO row_history (process_id, row_number, repair_process_id, tenant, errors, cells)
SELECT $1, row_number, $2, $3, errors, cells::text[]
FROM unnest($4::bigint[], $5::jsonb[], $6::text[]) AS r (row_number, errors, cells) ON CONFLICT DO NOTHING
"""

# Sets FAILED rows to SUCCEEDED. A row that had no record of its own gets one.
_SUCCEED = f"""
INSERT INTO row_exceptions
    (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
SELECT $1, row_number, line_number, batch_number, $2, {int(RowState.SUCCEEDED)}, '[]', '{{}}'
FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS r (row_number, batch_number, line_number)
ON CONFLICT (process_id, row_number) DO UPDATE
    SET state = excluded.state, errors = excluded.errors, cells = excluded.cells
"""  # noqa: S608

# Sets new states, errors and cells of rows. The cells of a row are JSON, because nested arrays must have
# equal lengths.
_REPLACE = """
INSERT INTO row_exceptions (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
SELECT $1, row_number, line_number, batch_number, $2, state, errors,
       ARRAY(SELECT cell FROM json_array_elements_text(reported.cells) WITH ORDINALITY AS c (cell, position)
             ORDER BY position)
FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::jsonb[], $8::json[])
    AS reported (row_number, batch_number, line_number, state, errors, cells)
ON CONFLICT (process_id, row_number) DO UPDATE
    SET state = excluded.state, errors = excluded.errors, cells = excluded.cells
"""

# Changes the counts of batches.
_MOVE = """
UPDATE batches b SET succeeded = b.succeeded + c.succeeded, skipped = b.skipped + c.skipped,
       failed = b.failed - c.succeeded - c.skipped
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS c (batch_number, succeeded, skipped)
WHERE b.process_id = $1 AND b.batch_number = c.batch_number
"""

# The runs of FAILED rows without own records, and their numbers. With LIMIT each row is looked up alone.
_IN_RUNS = f"""
SELECT u.first_row AS run, array_agg(n.number ORDER BY n.number) AS numbers
FROM unnest($2::bigint[]) AS n (number)
CROSS JOIN LATERAL (
    SELECT first_row, row_count, state FROM row_runs WHERE process_id = $1 AND first_row <= n.number
    ORDER BY first_row DESC LIMIT 1) u
LEFT JOIN LATERAL (
    SELECT true AS found FROM row_exceptions
    WHERE process_id = $1 AND row_number = n.number LIMIT 1) own ON true
WHERE n.number < u.first_row + u.row_count AND u.state = {int(RowState.FAILED)} AND own.found IS NULL
GROUP BY u.first_row
"""  # noqa: S608
_RUNS = f"SELECT {RUN} FROM row_runs u WHERE u.process_id = $1 AND u.first_row = ANY($2::bigint[])"  # noqa: S608
_RUNS_AT_ONCE = 8

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
    SELECT u.batch_number, u.first_row, u.errors, u.row_count - others.count AS count,
        CASE WHEN u.row_count > others.count THEN (
            {_FREE.format(first="u.first_row", end="u.first_row + u.row_count")} ORDER BY n LIMIT 1
        ) END AS first_free
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
        numbers = sorted({*succeeded, *rejected})
        lines = await _keep_of_runs(work, repairing.process_id, numbers)
        kept = await connection.fetch(
            _KEEP, repaired.process_id, [number for number in numbers if number not in lines],
            repairing.process_id, succeeded, work.tenant,
        )  # fmt: skip
        batches = {row["row_number"]: row["batch_number"] for row in kept}
        batches |= {number: batch for number, (batch, _) in lines.items()}
        if not batches:
            return
        good = sorted(batches.keys() & set(succeeded).difference(rejected))
        others = {number: rejected[number] for number in sorted(batches.keys() - set(good))}
        skipped = [number for number, row in others.items() if row.state == "skipped"]
        revived = [row["row_number"] for row in kept if row["state"] == RowState.SKIPPED]

        def where(chosen: Collection[int]) -> tuple[list[int], list[int], list[int]]:
            """The numbers, batches and lines of rows; the line is 0 where it is not known here."""
            return list(chosen), [batches[n] for n in chosen], [lines.get(n, (0, 0))[1] for n in chosen]

        await connection.execute(_SUCCEED, repaired.process_id, work.tenant, *where(good))
        await connection.execute(
            _REPLACE,
            repaired.process_id,
            work.tenant,
            *where(others),
            [state_number(row) for row in others.values()],
            [errors_json(row.errors) for row in others.values()],
            [_as_json([text(cell) for cell in row.cells]) for row in others.values()],
        )
        changed = sorted(set(batches.values()))
        of_good = Counter(batches[number] for number in good)
        of_skipped = Counter(batches[number] for number in skipped)
        of_skipped.subtract(batches[number] for number in revived)
        await connection.execute(
            _MOVE,
            repaired.process_id,
            changed,
            [of_good[number] for number in changed],
            [of_skipped[number] for number in changed],
        )
        await _count_again(work, changed)
        work.apply(
            ledger.repaired(
                work.account,
                repairing.process_id,
                len(good),
                len(others) - len(skipped),
                len(skipped) - len(revived),
            )
        )


async def _keep_of_runs(work: Work, repair_id: str, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Add those of these rows that are FAILED and in runs to the history; their batches and lines, by
    number."""
    lines: dict[int, tuple[int, int]] = {}
    found = await work.connection.fetch(_IN_RUNS, work.process_id, numbers)
    for start in range(0, len(found), _RUNS_AT_ONCE):
        wanted = {row["run"]: set(row["numbers"]) for row in found[start : start + _RUNS_AT_ONCE]}
        for record in await work.connection.fetch(_RUNS, work.process_id, list(wanted)):
            rows = await asyncio.to_thread(_chosen, run_from(record), wanted[record["run_first_row"]])
            batch = record["run_batch_number"]
            lines.update((row.row_number, (batch, row.line_number)) for row in rows)
            await work.connection.execute(
                _KEEP_FAILED, work.process_id, repair_id, work.tenant,
                [row.row_number for row in rows],
                [errors_json(row.errors) for row in rows],
                [array_literal(row.cells) for row in rows],
            )  # fmt: skip
    return lines


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
