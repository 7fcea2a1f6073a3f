"""Finds what stands below a table: totals, remarks, another table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.tabular.detection.cells import Kind, filled, has_letter, kind_of, typed_columns
from ingestor.tabular.detection.layout import is_prose
from ingestor.tabular.detection.text import Record, is_blank

_MOST = 60  # records of a footer
_MOST_OF_TABLE = 10_000  # records of a second table
_TOTAL = re.compile(
    r"\W*(?:grand[ -]|sub)?(?:totale?s?|sums?|summe|gesamt(?:summe)?|insgesamt|somme|suma|average|mean"
    r"|durchschnitt|mittelwert)\b",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"\W*(?:(?:sources?|notes?|footnotes?|remarks?|quellen?|hinweis|anmerkung(?:en)?|fuente|nota|fonte"
    r"|data from|last updated?|updated|as of|stand|generated|created|exported|printed|copyright|end of"
    r"|disclaimer|licen[cs]e|legend|\d+ rows?)\b|(?:rows?|records?|key):|©)",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*([*=_#~+-])\1{2,}\s*")
_MARK = re.compile(r"\s*(?:[*†‡#©]|--|//|\(?\d{1,2}[.)]\s)")


@dataclass(frozen=True, slots=True)
class Foot:
    """What stands below a table."""

    at: int
    """Index of its first record."""
    table: bool
    """It is another table."""


def find_foot(
    records: Sequence[Record], start: int, width: int, typed: dict[int, Kind], labels: Sequence[str] = ()
) -> Foot | None:
    """What stands below the table whose rows begin at index `start`; the records reach to the end of the
    file. None when that is nothing."""
    if width < 2:
        return None
    if found := _second_table(records, start, width, labels):
        return found
    at = first = _remarks(records, start, width, typed)
    while at > start and len(records) - at < _MOST:
        at -= 1
        record = records[at]
        if is_blank(record):
            continue
        gap = at > start and is_blank(records[at - 1])
        if not _is_foot(records, start, at, width, typed, gap=gap):
            break
        first = at
    if first == len(records) or all(
        is_blank(record) or record.width != width for record in records[start:first]
    ):
        return None
    return Foot(first, False)


def _remarks(records: Sequence[Record], start: int, width: int, typed: dict[int, Kind]) -> int:
    """Where the remarks begin that a gap or a ruled line parts from the table: to the end of the file all
    records have few cells. The number of records if there are none."""
    at = first = len(records)
    letters = False
    while at > start and len(records) - at < _MOST:
        at -= 1
        record = records[at]
        if is_blank(record) or _RULE.fullmatch(record.text):
            if letters:
                first = at
            continue
        cells = record.cells or (record.text,)
        if len(cells) == width or filled(cells) > max(width // 2, 1):
            break
        if len(cells) == 1 and 0 in typed and kind_of(cells[0]) == typed[0]:
            break
        letters = letters or any(map(has_letter, cells))
    while first < len(records) and is_blank(records[first]):
        first += 1
    return first


def _is_foot(
    records: Sequence[Record], start: int, at: int, width: int, typed: dict[int, Kind], *, gap: bool
) -> bool:
    record = records[at]
    cells, text = record.cells, record.text.strip().strip("\"'")
    if cells is None:
        return _REMARK.match(text) is not None or (gap and is_prose(text))
    count = filled(cells)
    first = next(column for column, cell in enumerate(cells) if cell.strip())
    lead = cells[first].strip()
    fits = any(kind_of(cells[column]) == kind for column, kind in typed.items() if column < len(cells))
    if _TOTAL.match(lead) and first < 2:
        rows = [other.cells for other in records[start:at] if other.cells and other.width == width]
        return bool(typed_columns(rows, width)) and not any(
            _TOTAL.match(other.cells[first].strip()) is not None
            for other in records[start:at]
            if other.cells and len(other.cells) > first
        )
    if (
        _REMARK.match(lead)
        and ":" in lead[:20]
        and not any(
            _REMARK.match(other.cells[first].strip())
            for other in records[start:at]
            if other.width == width and other.cells
        )
    ):
        return True
    if len(cells) == width and count > max(width // 2, 1):
        return False
    if first in typed and kind_of(lead) == typed[first]:
        return False
    if not has_letter(lead):
        return False
    if len(cells) == width and (fits or width == 2):
        return _REMARK.match(lead) is not None and not fits
    if _REMARK.match(lead) or _MARK.match(lead):
        return True
    alone = count == 1 and (len(cells) == 1 or width > 2)
    return (alone or gap) and is_prose(lead)


def _second_table(records: Sequence[Record], start: int, width: int, labels: Sequence[str]) -> Foot | None:
    """Another table: behind a gap a record that is no row of this one, and records of its own kind; or, from
    some record to the end, records of another width."""
    size = len(records)
    for at in range(start + 1, size):
        if not is_blank(records[at - 1]) or not filled(records[at].cells or ()):
            continue  # looks at the first record behind each gap
        rest = [record for record in records[at:] if filled(record.cells or ())]
        if not 3 <= len(rest) <= _MOST_OF_TABLE or not any(r.width == width for r in records[start:at]):
            continue
        above = [record.cells for record in records[start:at] if record.cells and record.width == width]
        if _is_table(rest, width, typed_columns(above, width), labels):
            return Foot(at, True)
    return _as_wide(records, start, width, labels) or _other_width(records, start, width)


def _as_wide(records: Sequence[Record], start: int, width: int, labels: Sequence[str]) -> Foot | None:
    """Another table as wide as the first, without a gap: a record with text where the rows have numbers or
    times, and below it, to the end, records that do not fit the columns either."""
    rows = [record.cells for record in records[start:] if record.cells and record.width == width]
    typed = typed_columns(rows[:30], width)
    if len(typed) < 2:
        return None
    probe = next(iter(typed))
    for at in range(start + 2, len(records) - 2):
        cells = records[at].cells
        if not cells or len(cells) != width or kind_of(cells[probe]) != "text":
            continue
        if tuple(cells) == tuple(labels) or any(kind_of(cells[column]) != "text" for column in typed):
            continue
        if len(records) - at <= _MOST_OF_TABLE and _is_table(records[at:], width, typed, labels):
            return Foot(at, True)
    return None


def _is_table(rest: Sequence[Record], width: int, typed: dict[int, Kind], labels: Sequence[str]) -> bool:
    widths = Counter(record.width for record in rest)
    own = max((one for one in widths if one > 1), key=lambda one: widths[one], default=0)
    if own < 2 or widths[own] < 0.6 * len(rest) or widths[own] < 2:
        return False
    if own != width:
        return True
    head = next((record for record in rest if record.width == own and filled(record.cells or ()) > 1), None)
    if head is None:
        return False
    cells = head.cells or ()
    if tuple(cells) == tuple(labels) or not typed:
        return False
    rows = [record.cells for record in rest if record.cells and record.width == own and record is not head]
    text = all(kind_of(cells[column]) == "text" for column in typed if column < len(cells))
    misfits = sum(
        kind_of(row[column]) not in (kind, "empty") for row in rows for column, kind in typed.items()
    )
    return text and misfits * 3 >= len(rows) * len(typed)


def _other_width(records: Sequence[Record], start: int, width: int) -> Foot | None:
    at = len(records)
    while at > start and records[at - 1].width != width:
        at -= 1
    rest = [record for record in records[at:] if filled(record.cells or ())]
    if not 3 <= len(rest) <= _MOST_OF_TABLE or at <= start:
        return None
    widths = Counter(record.width for record in rest if record.width > 1)
    own, count = widths.most_common(1)[0] if widths else (0, 0)
    if count < 3 or count < 0.8 * len(rest):
        return None
    while records[at].cells == ():
        at += 1
    cells = next(record.cells or () for record in rest if record.width == own)
    if any(kind_of(cell) in ("number", "time") for cell in cells):
        return None
    return Foot(at, True)
