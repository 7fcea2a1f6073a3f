"""Reads rows with records of their own, in runs or alone, as columns."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from ingestor.access.scope import tenant
from ingestor.services.status.adapters.pg_rows import FIRST_RUN, RUN, run_from
from ingestor.services.status.adapters.pg_values import text
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.row_table import (
    EMPTY,
    SEPARATOR,
    RowTable,
    merged,
    one_after_another,
    values_of,
)

# Runs a statement; its records.
Search = Callable[..., Awaitable[Sequence[Any]]]

# One record with a column's values in each of its own: a record for each row takes twice the time. A page
# ends when its texts exceed $6 bytes, because a single row may have megabytes. $8 is put between cells.
_ROWS_PAGE = """
SELECT array_agg(row_number) AS numbers, array_agg(line_number) AS lines, array_agg(state) AS states,
       array_agg(repairs_row) AS repairs_rows, string_agg(errors, ',') AS errors,
       array_agg(width) AS widths, array_agg(cells) AS cells, max(bytes) >= $6 AS cut
FROM (
    SELECT *, sum(octet_length(errors) + octet_length(cells)) OVER
               (ORDER BY row_number ROWS UNBOUNDED PRECEDING) AS bytes
    FROM (SELECT row_number, line_number, state, coalesce(repairs_row, 0) AS repairs_row,
                 CASE WHEN state = ANY($4::smallint[]) THEN errors::text ELSE '[]' END AS errors,
                 CASE WHEN state = ANY($4::smallint[]) THEN cardinality(cells) ELSE 0 END AS width,
                 CASE WHEN state = ANY($4::smallint[]) THEN array_to_string(cells, $8) ELSE '' END AS cells
          FROM row_exceptions
          WHERE process_id = $1 AND tenant = $7 AND row_number > $2 AND row_number <= $3
          ORDER BY row_number LIMIT $5) page
    ORDER BY row_number
) sized WHERE bytes - octet_length(errors) - octet_length(cells) < $6
HAVING count(*) > 0
"""
# The same of runs, a record each. Those in other states are told without what differs between their rows.
_RUNS_PAGE = f"""
WITH {FIRST_RUN}
SELECT * FROM (
    SELECT *, sum(run_rest_size) OVER
               (ORDER BY run_first_row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before,
           count(*) OVER () AS found
    FROM (SELECT {RUN} FROM first_run f CROSS JOIN LATERAL (
              SELECT process_id, first_row, row_count, batch_number, tenant, state, first_line, lines,
                     repairs_rows, CASE WHEN state = ANY($4::smallint[]) THEN errors ELSE '[]' END AS errors,
                     CASE WHEN state = ANY($4::smallint[]) THEN cells ELSE '{{}}' END AS cells,
                     CASE WHEN state = ANY($4::smallint[]) THEN rest END AS rest,
                     CASE WHEN state = ANY($4::smallint[]) THEN rest_size ELSE 0 END AS rest_size
              FROM row_runs
              WHERE process_id = $1 AND tenant = $7 AND first_row >= f.first_row AND first_row <= $3
              AND first_row + row_count > $2 + 1
              ORDER BY first_row LIMIT $5) u) page
) sized WHERE coalesce(bytes_before, 0) < $6 ORDER BY run_first_row
"""  # noqa: S608
_PAGE_BYTES = 4 * 2**20
_PAGE_RUN_BYTES = 2**19  # a page may end in the midst of a run, which is read again for the next one


async def own_rows(
    search: Search, process_id: str, states: Collection[RowState], after: int, upto: int, limit: int
) -> RowTable:
    """See LedgerReader.own_rows."""
    wanted = [int(state) for state in states]
    runs = await search(_RUNS_PAGE, process_id, after, upto, wanted, limit, _PAGE_RUN_BYTES, tenant())
    if runs and (len(runs) == limit or len(runs) < runs[0]["found"]):
        upto = min(upto, runs[-1]["run_first_row"] + runs[-1]["run_row_count"] - 1)
    separator = SEPARATOR
    while True:
        pages = await search(
            _ROWS_PAGE, process_id, after, upto, wanted, limit, _PAGE_BYTES, tenant(), separator
        )  # fmt: skip
        page = pages[0] if pages else None
        # In a thread, because parsing thousands of rows would block other calls.
        if page or runs:
            found = await asyncio.to_thread(_table, page, runs, after, upto, limit, separator)
        else:
            found = EMPTY
        if found is not None:
            return found
        separator = f"\x7f{secrets.token_hex(8)}"  # a cell has the usual one


def _table(
    page: Any, runs: Sequence[Any], after: int, upto: int, limit: int, separator: str
) -> RowTable | None:
    """The first rows after row `after` and up to `upto`, those of the page and others in runs; None if a cell
    has the separator."""
    own = _rows_of(page, separator) if page else EMPTY
    if page and (page["cut"] or len(own) == limit):
        upto = own.numbers[-1]
    others = []
    count = 0
    for run in runs:
        made = _rows_of_run(run, after + 1, upto, separator)
        others.append(made)
        count += len(made)
        if count >= limit + len(own):  # there are enough, even if each of its own is in a run
            break
    found = merged(own, one_after_another(others)) if others else own
    if len(found) > limit:
        found = found.between(after, found.numbers[limit - 1])
    return found if found.is_clear else None


def _rows_of(page: Any, separator: str) -> RowTable:
    return RowTable(
        page["numbers"], page["lines"], page["states"], page["repairs_rows"],
        json.loads(f"[{page['errors']}]"), page["widths"], page["cells"], separator,
    )  # fmt: skip


def _rows_of_run(record: Any, first: int, last: int, separator: str) -> RowTable:
    """The rows of a run from number `first` up to `last`."""
    run = run_from(record)
    begin, line = run.first.row_number, run.first.line_number
    start, end = max(first - begin, 0), max(first - begin, 0, min(last, run.last_row) + 1 - begin)
    count = end - start
    cells, parts = run.columns()
    errors = [[_clean(value) for value in values_of(error)] for error in run.first.errors]
    columns: list[Sequence[Any]] = []
    for values, found, messages in zip(errors, parts[::2], parts[1::2], strict=True):
        code, field, value, message, phase = values
        columns.append(
            list(
                zip(
                    [code] * count,
                    [field] * count,
                    _cleaned(found[start:end]) if found else [value] * count,
                    _cleaned(messages[start:end]) if messages else [message] * count,
                    [phase] * count,
                    strict=True,
                )
            )
            if found or messages
            else [values] * count
        )
    repairs = record["run_repairs_rows"]
    return RowTable(
        range(begin + start, begin + end),
        run.lines[start:end] if run.lines else range(line + start, line + end),
        [record["run_state"]] * count,
        repairs[start:end] if repairs else [0] * count,
        list(zip(*columns, strict=True)) if columns else [()] * count,
        [len(row) for row in cells[start:end]] if cells else [len(run.first.cells)] * count,
        _cleaned(list(map(separator.join, cells[start:end] if cells else [run.first.cells] * count))),
        separator,
    )


def _clean(value: Any) -> Any:
    return text(value) if isinstance(value, str) else value


def _cleaned(texts: list[str]) -> list[str]:
    """The texts without U+0000, as in rows with records of their own."""
    return list(map(text, texts)) if any("\0" in found for found in texts) else texts
