"""Reads rows with records of their own, in runs or alone, as columns."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ingestor.access.scope import tenant
from ingestor.services.status.adapters.pg_rows import FIRST_RUN, RUN, run_from
from ingestor.services.status.adapters.pg_values import text
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.row_table import (
    EMPTY,
    SEPARATOR,
    RowTable,
    error_columns,
    merged,
    of_columns,
    one_after_another,
    separators,
    values_of,
)

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

Found = tuple[Any, Sequence[Any], int]
"""A page of rows, if any, runs, and up to which row both are."""

# Runs statements in one transaction.
Run = Callable[[Callable[["PgConnection"], Awaitable[Found]]], Awaitable[Found]]

# A page as one text, which takes a third of the time of a record for each row. Of each row it has _PARTS
# texts, with $9 between all of them; $8 is between cells. A row that has one error has its parts; another has
# all of its errors as JSON, and no phase. A page ends when it exceeds $6 bytes, because a single row may have
# megabytes. A value takes as many bytes as its text, about, if it is not compressed; to make the text of each
# only to measure it would take a third of the time.
_ROWS_PAGE = """
SELECT count(*) AS rows, max(row_number) AS last, max(bytes) >= $6 AS cut, string_agg(
    concat_ws($9, row_number, line_number,
              concat_ws(' ', state, repairs_row, cardinality(cells),
                        CASE WHEN jsonb_array_length(errors) = 1 THEN errors->0->>4 END),
              CASE WHEN jsonb_array_length(errors) = 1
              THEN concat_ws($9, errors->0->>0, errors->0->>1, errors->0->>2, errors->0->>3)
              ELSE concat_ws($9, errors::text, '', '', '') END,
              array_to_string(cells, $8)), $9) AS texts
FROM (
    SELECT *, sum(size) OVER (ORDER BY row_number ROWS UNBOUNDED PRECEDING) AS bytes
    FROM (SELECT *, CASE WHEN pg_column_compression(errors) IS NULL AND pg_column_compression(cells) IS NULL
                    THEN pg_column_size(errors) + pg_column_size(cells)
                    ELSE octet_length(errors::text) + octet_length(array_to_string(cells, $8)) END AS size
          FROM (SELECT row_number, line_number, state, coalesce(repairs_row, 0) AS repairs_row,
                       CASE WHEN state = ANY($4::smallint[]) THEN errors ELSE '[]' END AS errors,
                       CASE WHEN state = ANY($4::smallint[]) THEN cells ELSE '{}' END AS cells
                FROM row_exceptions
                WHERE process_id = $1 AND tenant = $7 AND row_number > $2 AND row_number <= $3
                ORDER BY row_number LIMIT $5) found) page
    ORDER BY row_number
) sized WHERE bytes - size < $6
HAVING count(*) > 0
"""
_PARTS = 8
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
_SEPARATORS = (SEPARATOR, "\x1f")  # between cells, and between the parts of rows
_FIRST_PAGE_ROWS = 50
_PAGE_BYTES = 4 * 2**20
_PAGE_RUN_BYTES = 2**20  # a page may end in the midst of a run, which is read again for the next one


async def own_pages(
    run: Run, process_id: str, states: Collection[RowState], after: int, upto: int, most: int
) -> AsyncGenerator[RowTable, None]:
    """See LedgerReader.own_pages."""
    wanted = [int(state) for state in states]

    async def found(limit: int, separators_: tuple[str, str] = _SEPARATORS) -> Found:
        return await run(partial(_found, process_id, wanted, after, upto, limit, separators_))

    limit, following = min(most, _FIRST_PAGE_ROWS), None
    try:
        while after < upto:
            page, runs, last = await (following or found(limit))
            following = None
            if not page and not runs:
                return
            of_page = (after, last, limit)
            # Where a page of runs alone, or of rows alone, ends is known before it is parsed.
            more = bool(runs) or page["cut"] or page["rows"] == limit
            end = _end_of_runs(runs, *of_page) if not page else 0 if runs else page["last"]
            rows = page["rows"] if page else limit
            limit = min(most, max(_FIRST_PAGE_ROWS, 2 * rows))
            if more and end:
                after = end
                following = asyncio.create_task(found(limit))
            # In a thread, because parsing thousands of rows would block other calls.
            table = await asyncio.to_thread(_table, page, runs, *of_page, *_SEPARATORS)
            if table is None:  # cells have separators: the page is read again with others
                if following:
                    await _end(following)
                    following = None
                after, _, of_limit = of_page
                unlikely = _unlikely_separators()
                page, runs, last = await found(of_limit, unlikely)
                table = await asyncio.to_thread(_table, page, runs, after, last, of_limit, *unlikely)
                if table is None:
                    raise RuntimeError(f"rows after {after} of process {process_id} cannot be taken apart")
                more = True
            if len(table):
                yield table
                after = table.numbers[-1]
            if not more or not len(table):
                return
    finally:
        if following:
            await _end(following)


def _end_of_runs(runs: Sequence[Any], after: int, upto: int, limit: int) -> int:
    """The last of the first `limit` rows of runs after row `after` and up to `upto`; 0: there is none."""
    end = 0
    for run in runs:
        first = max(run["run_first_row"], after + 1)
        last = min(run["run_first_row"] + run["run_row_count"] - 1, upto, first + limit - 1)
        if first <= last:
            end, limit = last, limit - (last - first + 1)
        if not limit:
            break
    return end


async def _end(task: asyncio.Task[Found]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _found(
    process_id: str,
    states: Sequence[int],
    after: int,
    upto: int,
    limit: int,
    separators_: tuple[str, str],
    connection: PgConnection,
) -> Found:
    runs = await connection.fetch(
        _RUNS_PAGE, process_id, after, upto, states, limit, _PAGE_RUN_BYTES, tenant()
    )
    if runs and (len(runs) == limit or len(runs) < runs[0]["found"]):
        upto = min(upto, runs[-1]["run_first_row"] + runs[-1]["run_row_count"] - 1)
    page = await connection.fetchrow(
        _ROWS_PAGE, process_id, after, upto, states, limit, _PAGE_BYTES, tenant(), *separators_
    )
    return page, runs, upto


def _unlikely_separators() -> tuple[str, str]:
    """For rows that have one of the usual ones."""
    return f"{_SEPARATORS[0]}{secrets.token_hex(8)}", f"{_SEPARATORS[1]}{secrets.token_hex(8)}"


def _table(
    page: Any, runs: Sequence[Any], after: int, upto: int, limit: int, separator: str, between: str
) -> RowTable | None:
    """The first rows after row `after` and up to `upto`, those of the page and others in runs; None if a cell
    has the separator of cells, or a text of the page the one between texts."""
    own = _rows_of(page["texts"], page["rows"], separator, between) if page else EMPTY
    if own is None:
        return None
    if page and (page["cut"] or len(own) == limit):
        upto = own.numbers[-1]
    others = []
    count = 0
    for run in runs:
        made = _rows_of_run(run, after + 1, upto, separator)
        if not made.is_clear:
            return None
        others.append(made)
        count += len(made)
        if count >= limit + len(own):  # there are enough, even if each of its own is in a run
            break
    found = merged(own, one_after_another(others)) if others else own
    if len(found) > limit:
        found = found.between(after, found.numbers[limit - 1])
    return found


def _rows_of(text: str, count: int, separator: str, between: str) -> RowTable | None:
    """So many rows of a page's text, see _ROWS_PAGE."""
    parts = text.split(between)
    if len(parts) != _PARTS * count:
        return None
    numbers, lines, heads, codes, fields, values, messages, cells = (
        parts[start::_PARTS] for start in range(_PARTS)
    )
    states, repairs, widths, phases = _heads(heads)
    # If it is elsewhere, cells may have it, too.
    if text.count(separator) != separators(widths):
        return None
    several: list[Any] = [None] * count
    for at in [at for at, phase in enumerate(phases) if not phase] if 0 in phases else []:
        several[at], codes[at] = json.loads(codes[at]), ""
    return RowTable(
        list(map(int, numbers)), list(map(int, lines)), states, repairs, codes, fields, values, messages,
        phases, several, widths, cells, separator,
    )  # fmt: skip


def _heads(heads: list[str]) -> tuple[list[int], ...]:
    """The columns of states, repaired rows, widths and phases (0: none) of their joined texts, which are most
    often the same."""
    count = len(heads)
    if heads.count(heads[0]) == count:
        return tuple([number] * count for number in _head(heads[0]))
    made = {head: _head(head) for head in {*heads}}
    return tuple(map(list, zip(*[made[head] for head in heads], strict=True)))


def _head(text: str) -> tuple[int, ...]:
    numbers = tuple(map(int, text.split()))
    return numbers if len(numbers) == 4 else (*numbers, 0)


def _rows_of_run(record: Any, first: int, last: int, separator: str) -> RowTable:
    """The rows of a run from number `first` up to `last`."""
    run = run_from(record)
    begin, line = run.first.row_number, run.first.line_number
    start, end = max(first - begin, 0), max(first - begin, 0, min(last, run.last_row) + 1 - begin)
    count = end - start
    cells, widths, parts = run.joined_columns(separator)
    errors = [[_clean(value) for value in values_of(error)] for error in run.first.errors]
    columns = [
        (
            [code] * count,
            [field] * count,
            _cleaned(found[start:end]) if found else [value] * count,
            _cleaned(messages[start:end]) if messages else [message] * count,
            [phase] * count,
        )
        for (code, field, value, message, phase), found, messages in zip(
            errors, parts[::2], parts[1::2], strict=True
        )
    ]
    repairs = record["run_repairs_rows"]
    return of_columns(
        (
            range(begin + start, begin + end),
            run.lines[start:end] if run.lines else range(line + start, line + end),
            [record["run_state"]] * count,
            repairs[start:end] if repairs else [0] * count,
            *_errors_of_run(columns, count),
            widths[start:end],
            _cleaned(cells[start:end]),
        ),
        separator,
    )


def _errors_of_run(columns: Sequence[Sequence[Any]], count: int) -> Iterable[Sequence[Any]]:
    """The columns of a table, from `codes` to `several`, of those of each error."""
    if len(columns) == 1:
        return (*columns[0], [None] * count)
    if not columns:
        return error_columns([()] * count)
    return error_columns(list(zip(*(list(zip(*column, strict=True)) for column in columns), strict=True)))


def _clean(value: Any) -> Any:
    return text(value) if isinstance(value, str) else value


def _cleaned(texts: list[str]) -> list[str]:
    """The texts without U+0000, as in rows with records of their own."""
    return list(map(text, texts)) if "\0" in "".join(texts) else texts
