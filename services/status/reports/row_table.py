"""Rows of the ledger as columns: reports have millions of rows, and an object for each would take most of
their time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Any

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import Row
from ingestor.states import PHASE_WORDS, PHASES

# Code, field, value, message, and the number of the phase; as the ledger keeps it.
ErrorValues = Sequence[Any]

SEPARATOR = "\x7f"
"""Between the cells of a row, if no cell has it. Neither CSV nor JSON changes it."""

STATE_NAMES = {int(state): state.name for state in RowState}
_STATES = {int(state): state for state in RowState}


@dataclass(frozen=True, slots=True)
class RowTable:
    """Rows by number. Each column has an entry for each row."""

    numbers: Sequence[int]
    lines: Sequence[int]
    """0: only the row's batch is known."""
    states: Sequence[int]
    repairs_rows: Sequence[int]
    """In a repair: the numbers in the repaired process; 0: none."""
    codes: Sequence[str]
    """The parts of a row's error, if it has one; by far the most have."""
    fields: Sequence[str]
    values: Sequence[str]
    messages: Sequence[str]
    phases: Sequence[int]
    several: Sequence[Sequence[ErrorValues] | None]
    """The errors of a row that has none or more than one; None for any other."""
    widths: Sequence[int]
    """How many cells each row has."""
    cells: Sequence[str]
    """The cells of each row, joined by `separator`, which is in none of them."""
    separator: str = SEPARATOR

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def is_clear(self) -> bool:
        """Whether the separator is indeed in no cell."""
        # A line end between rows, so that the end of one and the beginning of the next make no separator.
        return "\n".join(self.cells).count(self.separator) == separators(self.widths)

    def errors(self, index: int) -> Sequence[ErrorValues]:
        """The errors of the row at an index."""
        several = self.several[index]
        if several is not None:
            return several
        return [
            (
                self.codes[index],
                self.fields[index],
                self.values[index],
                self.messages[index],
                self.phases[index],
            )
        ]

    @property
    def have_one(self) -> bool:
        """Whether each row has one error."""
        return self.several.count(None) == len(self)

    def row(self, index: int) -> Row:
        """The row at an index. It does not say its batch."""
        width = self.widths[index]
        return Row(
            self.numbers[index], self.lines[index], 0, _STATES[self.states[index]],
            tuple(map(error_of, self.errors(index))),
            tuple(self.cells[index].split(self.separator)) if width else (),
            self.repairs_rows[index],
        )  # fmt: skip

    def rows(self) -> list[Row]:
        """All rows."""
        return list(map(self.row, range(len(self))))

    def cells_of(self, width: int) -> Sequence[str]:
        """The joined cells of each row; of rows with another number of cells as many empty ones."""
        if self.widths.count(width) == len(self):
            return self.cells
        blank = self.separator * (width - 1)
        return [
            cells if found == width else blank for found, cells in zip(self.widths, self.cells, strict=True)
        ]

    def in_states(self, states: Collection[RowState]) -> RowTable:
        """The rows in these states."""
        if {*self.states} <= {int(state) for state in states}:
            return self
        return self.at([index for index, state in enumerate(self.states) if state in states])

    def between(self, after: int, upto: int) -> RowTable:
        """The rows with numbers after `after` and up to `upto`."""
        start, end = bisect_right(self.numbers, after), bisect_right(self.numbers, upto)
        return self if (start, end) == (0, len(self)) else self._of(lambda column: column[start:end])

    def at(self, indexes: Sequence[int]) -> RowTable:
        """The rows at these indexes."""
        if len(indexes) < 2:  # of fewer, itemgetter makes no tuple
            return self._of(lambda column: [column[index] for index in indexes])
        return self._of(itemgetter(*indexes))

    def numbered_as_repaired(self) -> RowTable:
        """The rows with their numbers in the repaired process."""
        return replace(self, numbers=self.repairs_rows)

    def _of(self, take: Any) -> RowTable:
        return of_columns(map(take, self._columns()), self.separator)

    def _columns(self) -> tuple[Sequence[Any], ...]:
        return (
            self.numbers, self.lines, self.states, self.repairs_rows, self.codes, self.fields, self.values,
            self.messages, self.phases, self.several, self.widths, self.cells,
        )  # fmt: skip


EMPTY = RowTable((), (), (), (), (), (), (), (), (), (), (), ())


def one_after_another(tables: Sequence[RowTable]) -> RowTable:
    """The rows of tables with one separator, of which there is at least one, each after the one before."""
    columns = zip(*[table._columns() for table in tables], strict=True)
    return of_columns((list(chain.from_iterable(column)) for column in columns), tables[0].separator)


def of_columns(columns: Iterable[Sequence[Any]], separator: str) -> RowTable:
    """The table of its columns in their order."""
    found: list[Any] = [*columns, separator]
    return RowTable(*found)


def separators(widths: Sequence[int]) -> int:
    """How many separators are between the cells of rows, if none is in a cell."""
    return sum(widths) - len(widths) + widths.count(0)


def without_records(
    numbers: Sequence[int], state: RowState, error: RowError | None, separator: str
) -> RowTable:
    """Rows of a batch that have no records of their own: all are in one state, with one error or none."""
    count = len(numbers)
    zeros, none = [0] * count, [""] * count
    code, field, value, message, phase = values_of(error) if error else ("", "", "", "", 0)
    return RowTable(
        numbers, zeros, [int(state)] * count, zeros, [code] * count, [field] * count, [value] * count,
        [message] * count, [phase] * count, [None if error else ()] * count, zeros, none, separator,
    )  # fmt: skip


def table_of(rows: Sequence[Row], separator: str = SEPARATOR) -> RowTable:
    """Rows as a table; `separator` is in no cell."""
    errors = [list(map(values_of, row.errors)) for row in rows]
    return of_columns(
        (
            [row.row_number for row in rows], [row.line_number for row in rows],
            [int(row.state) for row in rows], [row.repairs_row for row in rows], *error_columns(errors),
            [len(row.cells) for row in rows], [separator.join(row.cells) for row in rows],
        ),
        separator,
    )  # fmt: skip


def error_columns(errors: Sequence[Sequence[ErrorValues]]) -> Iterator[Sequence[Any]]:
    """The columns of a table with these errors, from `codes` to `several`."""
    none = ("", "", "", "", 0)
    one = [found[0] if len(found) == 1 else none for found in errors]
    yield from ([values[part] for values in one] for part in range(len(none)))
    yield [None if len(found) == 1 else found for found in errors]


def merged(own: RowTable, others: RowTable) -> RowTable:
    """The rows of both by number; of two with the same number the one in `own`."""
    if not len(others):
        return own
    if len(own) and own.separator != others.separator:
        raise ValueError("tables with different separators")
    if len(own):
        numbers = {*own.numbers}
        others = others.at([at for at, number in enumerate(others.numbers) if number not in numbers])
    if not len(own):
        return others
    both = of_columns(
        ([*one, *other] for one, other in zip(own._columns(), others._columns(), strict=True)), own.separator
    )
    return both.at(sorted(range(len(both)), key=both.numbers.__getitem__))


def error_of(values: ErrorValues) -> RowError:
    """The error of its values."""
    code, field, value, message, phase = values
    return RowError(code, field, value, message, PHASE_WORDS[phase])  # type: ignore[arg-type]


def values_of(error: RowError) -> ErrorValues:
    """An error as its values."""
    return [error.code, error.field, error.value, error.message, PHASES[error.phase]]
