"""Finds the header of a table, and what stands above and below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from ingestor.tabular.detection.cells import Kind, filled, has_letter, kind_of, reach, typed_columns
from ingestor.tabular.detection.text import Record

_MOST_TITLES = 60  # records above a header
_DATA = 200  # records whose cells are looked at
_UNIT = re.compile(
    r"[\[(].{1,20}[\])]|[%‰€$£°]|°[CF]|[kMGm]?(?:W|Wh|B|Hz|V|A|Pa|J|l|L|m|g|t|s|bar)|k[gm]|[cmµnk]m[²³23]?"
    r"|m[²³23]|mm|ha|min|h|d|Mio\.?|EUR|USD|CHF|pct|percent|km/h|m/s|mg/l|pieces|pcs|Stück|years?|days?|hours?"
    r"|int(?:eger)?|float|double|string|str|text|date|datetime|bool(?:ean)?|numeric|varchar",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+\s+\w+")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a table begins."""

    at: int
    """Index of its first record: the header, or without one the first row."""
    header: bool
    rows: int
    """Records of the header."""
    sure: float
    why: str
    typed: dict[int, Kind] = field(default_factory=dict)
    """Columns of numbers or times."""
    row_names: bool = False
    held: float = 0.0
    """Share of the pipeline's labels that it has; 0 when it was not found by them."""


def find_head(
    records: Sequence[Record],
    width: int,
    *,
    labels: Sequence[str] = (),
    titles: bool = True,
    header: bool | None = None,
    header_rows: int | None = None,
) -> Head | None:
    """Where the table of this width begins among the first records; None when nothing is found. `labels` are
    those that a pipeline reads; False for `titles`: nothing stands above the header. `header` and
    `header_rows` are declared."""
    held = [at for at, record in enumerate(records) if record.cells != ()]
    if not held or width < 1:
        return None
    if labels and header is not False and (found := _labelled(records, held, width, labels, titles)):
        return found
    # The first records of that width may be the header.
    wide = _rows(records, held, width)
    typed = typed_columns(wide[min(len(wide) // 3, 3) :], width)
    at = _first(records, held, width, typed) if titles else held[0]
    if at is None:
        return None
    after = [place for place in held if place > at]
    rows = _rows(records, after, width)
    if not rows:
        at = held[0]  # the last record is a row rather than a header without rows
    typed = typed_columns(rows, width)
    if titles and header is not False:
        # The header may stand there twice.
        while (
            len(after) > 1
            and records[after[0]].cells == records[at].cells
            and _is_label_row(records[at], typed)
        ):
            at = after.pop(0)
    if header is False:
        return Head(at, False, 1, 1.0, "declared", typed)
    if header is None:
        sure, why = _without_header(records[at], rows, typed, width)
        if sure:
            return Head(at, False, 1, sure, why, typed)
    if header and at != held[0] and _without_header(records[at], rows, typed, width)[0]:
        at = held[held.index(at) - 1]  # it is damaged
    count = header_rows or 1
    if header_rows is None:
        while count < 4 and count <= len(after) and _is_header_row(records, at, after, count, width):
            count += 1
    names = count == 1 and bool(after) and records[after[0]].width == width
    names = names and _has_row_names(records[at], rows, width)
    why = "the records below hold numbers or dates where it holds text" if typed else "it is the first record"
    return Head(at, True, count, 0.9 if _is_label_row(records[at], typed) else 0.6, why, typed, names)


def _rows(records: Sequence[Record], places: Sequence[int], width: int) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for at in places:
        cells = records[at].cells
        if cells is not None and len(cells) == width and filled(cells):
            found.append(cells)
            if len(found) == _DATA:
                break
    return found


def _labelled(
    records: Sequence[Record], held: Sequence[int], width: int, labels: Sequence[str], titles: bool
) -> Head | None:
    """The record, or the fewest records joined by blanks, that holds the most of the labels; of equals the
    first. None if none holds more than half of them."""
    wanted = {label.strip().lower() for label in labels}
    least = max(len(wanted) / 2, 1)
    best: tuple[int, int, int] | None = None  # labels held, records (negative), place among `held` (negative)
    for index in range(len(held[:_MOST_TITLES]) if titles else 1):
        joined: list[str] = []
        for rows in range(1, min(4, len(held) - index + 1)):
            cells = records[held[index + rows - 1]].cells
            if cells is None:
                break
            pairs = zip_longest(joined, cells, fillvalue="")
            joined = [" ".join(part for part in pair if part) for pair in pairs]
            same = len(wanted & {label.strip().lower() for label in joined})
            if (same > least or same == len(wanted)) and (best is None or (same, -rows, -index) > best):
                best = same, -rows, -index
        if best is not None and best[:2] == (len(wanted), -1):
            break  # none can be better
    if best is None:
        return None
    same, rows, index = best[0], -best[1], -best[2]
    data = _rows(records, held[index + rows :], width)
    at = held[index]
    return Head(
        at, True, rows, 0.95, f"it has {same} of the pipeline's {len(wanted)} labels",
        typed_columns(data, width), rows == 1 and _has_row_names(records[at], data, width),
        same / len(wanted),
    )  # fmt: skip


def _first(records: Sequence[Record], held: Sequence[int], width: int, typed: dict[int, Kind]) -> int | None:
    """The header, or the first row: the first record that is no title."""
    if max(map(reach, _rows(records, held, width)), default=0) <= 1:
        return held[0]  # one column, whatever stands behind it
    if (behind := _behind_gap(records, held, width)) is not None:
        return behind
    for index, at in enumerate(held[:_MOST_TITLES]):
        record = records[at]
        below = held[index + 1 : index + 4]
        if _is_title(record, width, typed, [records[place] for place in held[:index]]):
            continue
        if record.width == width:
            alike = any(records[place].width == width for place in below)
            if below and not alike:
                continue  # a stray line that happens to be as wide
            if index and record.cells and not _titles_hold(records, held[:index], at, width, typed):
                return held[0]
            return at
        # As wide as no row: a damaged header, or a title with delimiters in it.
        following = next((place for place in held[index + 1 :] if records[place].width == width), None)
        if following is None or not typed or not _is_label_row(records[following], typed):
            return at
    return None


def _behind_gap(records: Sequence[Record], held: Sequence[int], width: int) -> int | None:
    """The header behind a blank line, where what stands above it is as wide as the table: names and values.
    None of that has numbers or times in all the columns in which the rows have."""
    for index, at in enumerate(held[1:_MOST_TITLES], 1):
        if at == held[index - 1] + 1 or records[at].width != width:
            continue
        rows = _rows(records, held[index + 1 :], width)
        typed = typed_columns(rows, width)
        above = [records[place].cells or () for place in held[:index]]
        if len(rows) < index or not typed or not _is_label_row(records[at], typed):
            continue
        if len(typed) > 1 and not any(_fits(cells, typed) for cells in above):
            return at
    return None


def _fits(cells: Sequence[str], typed: dict[int, Kind]) -> bool:
    return all(
        column < len(cells) and kind_of(cells[column]) in (kind, "empty") for column, kind in typed.items()
    )


def _comments(records: Sequence[Record]) -> bool:
    """Whether there are records, and all are comments."""
    return bool(records) and all(record.text.startswith(("#", "//", "--")) for record in records)


def _is_title(record: Record, width: int, typed: dict[int, Kind], above: Sequence[Record]) -> bool:
    """Whether a record may stand above a table of that width: much fewer cells are filled, or it is one of
    several comments."""
    if record.text.startswith(("#", "//", "--")) and (record.width != width or _comments(above)):
        return not _matches(record, typed)
    cells = record.cells
    if cells is None:
        return False
    count = filled(cells)
    if count == 0:
        return True
    if len(cells) == 1:
        return not (0 in typed and kind_of(cells[0]) == typed[0])
    if count > max(width // 2, 1):
        return False
    if width < 4 and not is_prose(record.text):
        return False  # one label, and none for the other columns
    return not (len(cells) == width and _matches(record, typed))


def _matches(record: Record, typed: dict[int, Kind]) -> bool:
    """Whether a record has a number or a time where the rows have."""
    cells = record.cells or ()
    return any(kind_of(cells[column]) == kind for column, kind in typed.items() if column < len(cells))


def _titles_hold(
    records: Sequence[Record], above: Sequence[int], at: int, width: int, typed: dict[int, Kind]
) -> bool:
    """Whether titles that are as wide as the table are titles: then the record below them is a header."""
    above = [place for place in above if records[place].width == width and not _comments([records[place]])]
    if not above:
        return True
    cells = records[at].cells or ()
    if filled(cells) < 2 or (typed and not _may_be_header(records, at, width, typed)):
        return False
    return bool(typed or filled(cells) > max(filled(records[place].cells or ()) for place in above))


def _is_label_row(record: Record, typed: dict[int, Kind]) -> bool:
    """Whether a record has text where the rows have numbers or times, and nowhere one of these."""
    cells = record.cells or ()
    kinds = [kind_of(cells[column]) for column in typed if column < len(cells)]
    return "text" in kinds and not any(
        kind_of(cells[column]) == kind for column, kind in typed.items() if column < len(cells)
    )


def _may_be_header(records: Sequence[Record], at: int, width: int, typed: dict[int, Kind]) -> bool:
    """Whether a record has labels, which may be years, where the rows have numbers or times."""
    record = records[at]
    if _is_label_row(record, typed):
        return True
    cells = record.cells or ()
    same = [
        column for column, kind in typed.items() if column < len(cells) and kind_of(cells[column]) == kind
    ]
    rows = _rows(records, range(at + 1, len(records)), width)
    return len(cells) == width and bool(same) and bool(rows) and _counts_up(cells, same, rows)


def _without_header(
    record: Record, rows: Sequence[Sequence[str]], typed: dict[int, Kind], width: int
) -> tuple[float, str]:
    """How sure it is that the first record is a row, and why; 0 when it may be a header."""
    cells = record.cells
    if not cells or len(cells) != width or len(rows) < 2:
        return 0.0, ""
    if typed:
        same = [column for column, kind in typed.items() if kind_of(cells[column]) == kind]
        other = [column for column in typed if kind_of(cells[column]) in ("text", "code")]
        if other or not same or _counts_up(cells, same, rows):
            return 0.0, ""
        if len(set(cells)) == len(cells) and len(same) * 4 < len(typed):
            return 0.0, ""
        return min(0.6 + 0.1 * len(same), 0.95), "the first record has numbers or dates where the others have"
    if len(rows) < 3 or width < 2:
        return 0.0, ""
    again = 0
    for column, cell in enumerate(cells):
        # A record that is the same in all cells is the header once more.
        values = [row[column] for row in rows if tuple(row) != tuple(cells)]
        again += bool(cell.strip()) and kind_of(cell) != "empty" and cell in values
    if again * 3 >= width:
        return 0.6, "values of the first record come again below"
    return 0.0, ""


def _counts_up(cells: Sequence[str], columns: Sequence[int], rows: Sequence[Sequence[str]]) -> bool:
    """Whether these cells are labels that are numbers: years, or 1, 2, 3 over columns."""
    texts = [cells[column].strip() for column in columns]
    if not all(text.isascii() and text.isdigit() and len(text) <= 4 for text in texts):
        return False
    numbers = [int(text) for text in texts]
    years = all(1800 <= number <= 2100 for number in numbers)
    if years and len(numbers) > 2 and numbers == sorted(set(numbers)):
        return not any(all(_is_year(row[column]) for column in columns) for row in rows)
    if len(numbers) == 1:
        return years and not all(_is_year(row[columns[0]]) for row in rows)
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) != 1 or 0 in steps:
        return False
    # A row may count as well, if the others do.
    return not any(
        [row[column].strip() for column in columns] == [str(number + shift) for number in numbers]
        for row in rows[:20]
        for shift in (1, len(numbers), numbers[-1])
    )


def _is_year(cell: str) -> bool:
    cell = cell.strip()
    return len(cell) == 4 and cell.isascii() and cell.isdigit() and 1800 <= int(cell) <= 2100


def _is_header_row(records: Sequence[Record], at: int, after: Sequence[int], count: int, width: int) -> bool:
    """Whether the record behind `count` header records belongs to the header: units or more labels."""
    record = records[after[count - 1]]
    cells = record.cells
    if not cells or len(cells) != width or cells == records[at].cells:
        return False
    rows = _rows(records, after[count:], width)
    if len(rows) < 2:
        return False
    typed = typed_columns(rows, width)
    kinds = {column: kind_of(cells[column]) for column in typed}
    texts = [column for column, kind in kinds.items() if kind == "text" and has_letter(cells[column])]
    if not texts or any(kind not in ("text", "empty") for kind in kinds.values()):
        return False
    units = sum(_UNIT.fullmatch(cell.strip()) is not None for cell in cells)
    if units and units * 2 >= filled(cells):
        return True
    return len(texts) >= 2 and len(texts) * 2 >= len(typed) and filled(cells) * 2 >= width


def _has_row_names(header: Record, rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the rows are one cell wider than the header, by a name of their own in front."""
    labels = header.cells
    if not labels or len(labels) != width - 1 or len(rows) < 2 or width < 3:
        return False
    if any(" " in label.strip() or not label.strip() for label in labels):
        return False
    names = [row[0].strip() for row in rows]
    if len(set(names)) < len(names) or not all(names):
        return False
    numbered = names == [str(number) for number in range(1, len(names) + 1)]
    if not numbered and any(kind_of(name) != "text" for name in names):
        return False
    return sum(reach(row) == width for row in rows) * 2 > len(rows)


def is_prose(text: str) -> bool:
    """Whether a text is a remark rather than a value."""
    return has_letter(text) and _WORDS.search(text) is not None
