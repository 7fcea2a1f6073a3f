"""Reads pages of rows that a filter selects, when only rows with own records can be among them.

All rows of a run have the state, codes and fields of its first one. So a run as a whole is selected by them,
and only those of a page are read.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ingestor.access.scope import tenant
from ingestor.services.status.adapters.pg_rows import FIRST_RUN, RUN, rows_of
from ingestor.services.status.adapters.reading.pg_conditions import (
    row_arguments,
    row_conditions,
    sql_operator,
)
from ingestor.services.status.adapters.reading.pg_row_pages import REPAIRED_BY, own_row
from ingestor.services.status.filters import Comparison
from ingestor.services.status.rows import Row

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

_OWN = f"""
SELECT e.*, e.state AS row_state, {REPAIRED_BY} AS repaired_by FROM row_exceptions e
WHERE e.process_id = $1 AND e.tenant = $4 AND e.row_number > $2 AND e.row_number <= $5 {{where}}
ORDER BY e.row_number LIMIT $3
"""  # noqa: S608
_RUNS = f"""
WITH {FIRST_RUN}
SELECT {RUN} FROM first_run f
CROSS JOIN LATERAL (
    SELECT * FROM row_runs u WHERE u.process_id = $1 AND u.tenant = $4 AND u.first_row >= f.first_row
    AND u.first_row <= $5 AND u.first_row + u.row_count > $2 + 1 {{where}}
    ORDER BY u.first_row LIMIT $3) u
ORDER BY u.first_row
"""  # noqa: S608
# Which rows of runs have records of their own, which come before the runs.
_OF_THEIR_OWN = """
SELECT o.row_number FROM unnest($2::bigint[], $3::bigint[]) r (first_row, last_row)
CROSS JOIN LATERAL (
    SELECT row_number FROM row_exceptions WHERE process_id = $1 AND tenant = $4
    AND row_number >= r.first_row AND row_number <= r.last_row) o
"""
_FEW, _MANY = 8, 64  # runs that are read at a time

_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
_ANY = "{0} IS NOT NULL"
_LAST_LINE = "coalesce(u.lines[u.row_count], u.first_line + u.row_count - 1)"
# Whether a run may have a row with such a line.
_LINE_IN_RUN = {
    "=": f"u.first_line <= {{0}} AND {_LAST_LINE} >= {{0}}", "!=": _ANY,
    "<": "u.first_line < {0}", "<=": "u.first_line <= {0}", ">": f"{_LAST_LINE} > {{0}}",
    ">=": f"{_LAST_LINE} >= {{0}}",
}  # fmt: skip
_ROW_COLUMNS = {"row": "row_number", "line": "line_number"}


async def find_filtered(
    connection: PgConnection,
    process_id: str,
    comparisons: Sequence[Comparison],
    after: int,
    limit: int,
    upto: int,
) -> list[Row]:
    """At most `limit` rows after row `after` and up to `upto`, in order, with own records or in runs."""
    arguments = row_arguments(comparisons)
    query = _OWN.format(where=row_conditions(comparisons, "e.state", "e.errors", _in_row))
    records = await connection.fetch(query, process_id, after, limit, tenant(), upto, *arguments)
    own = [own_row(record, str(record["repaired_by"] or "")) for record in records]
    if len(own) == limit:
        upto = own[-1].row_number
    of_runs: list[Row] = []
    query = _RUNS.format(where=row_conditions(comparisons, "u.state", "u.errors", _in_run))
    size = _FEW
    while after < upto and len(of_runs) < limit:
        runs = await connection.fetch(query, process_id, after, size, tenant(), upto, *arguments)
        if not runs:
            break
        firsts = [run["run_first_row"] for run in runs]
        lasts = [run["run_first_row"] + run["run_row_count"] - 1 for run in runs]
        away = await connection.fetch(_OF_THEIR_OWN, process_id, firsts, lasts, tenant())
        rows = _selected(runs, {row["row_number"] for row in away}, comparisons, after + 1, upto)
        # In a thread, because what runs hold is inflated.
        of_runs += await asyncio.to_thread(list, islice(rows, limit - len(of_runs)))
        after, size = lasts[-1], _MANY
    return list(islice(merge(own, of_runs, key=attrgetter("row_number")), limit))


def _selected(
    runs: Sequence[Any], own: set[int], comparisons: Sequence[Comparison], first: int, last: int
) -> Iterator[Row]:
    tests = [
        (attrgetter(_ROW_COLUMNS[comparison.name]), _HOLDS[comparison.operator], comparison.value)
        for comparison in comparisons
        if comparison.name in _ROW_COLUMNS
    ]
    for run in runs:
        for row in rows_of(run, first, last):
            if row.row_number not in own and all(holds(of(row), value) for of, holds, value in tests):
                yield row


def _in_row(comparison: Comparison, parameter: str) -> str:
    return f"e.{_ROW_COLUMNS[comparison.name]} {sql_operator(comparison)} {parameter}::bigint"


def _in_run(comparison: Comparison, parameter: str) -> str:
    of_run = _LINE_IN_RUN[comparison.operator] if comparison.name == "line" else _ANY
    return of_run.format(f"{parameter}::bigint")
