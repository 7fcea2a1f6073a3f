"""Finds the labels of a header that is damaged: it has more or fewer cells than the records below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.tabular.detection.cells import kind_of, reach
from ingestor.tabular.detection.text import Form, Record, is_blank

_OTHER = (",", ";", "\t", "|", " ")
# What the words of a label say about the cells below it.
_HINTS = (
    (re.compile(r"(?:url|link|website|homepage)\b", re.IGNORECASE), "code"),
    (re.compile(r"(?:date|datum|day)\b", re.IGNORECASE), "time"),
    (re.compile(r"(?:time|uhrzeit)\b", re.IGNORECASE), "time"),
    (re.compile(r"(?:price|amount|qty|quantity|count|cost|age|lat|lon|total)\b", re.IGNORECASE), "number"),
    (re.compile(r"(?:name|title|description|comments?|notes?|city|remarks?)\b", re.IGNORECASE), "text"),
)


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged header: the labels that can be read from it (None: it cannot tell), and the index of its last
    record."""

    labels: tuple[str, ...] | None
    last: int


def find_damage(
    records: Sequence[Record], at: int, width: int, form: Form, rows: Sequence[Sequence[str]]
) -> Damage | None:
    """How the header at index `at` is damaged, given the rows of that width below; None when it is whole, or
    when its width can be explained otherwise."""
    below = [place for place in range(at + 1, len(records)) if not is_blank(records[place])]
    if len(rows) < 2 or width < 2:
        return None
    first = next((place for place in below if records[place].width == width), None)
    if first is None:
        return None
    header, between = records[at], [place for place in below if place < first]
    if header.width == width:
        return None
    rest = [place for place in below if place >= first]
    if sum(records[place].width == width for place in rest) < 0.8 * len(rest):
        return None
    if between:
        # A header that was broken into several records.
        parts = [records[place].cells or () for place in (at, *between)]
        if len(parts) <= 4 and sum(map(len, parts)) == width:
            joined = tuple(cell for cells in parts for cell in cells)
            if not _looks_like_row(joined):
                return Damage(joined, between[-1])
        return None
    if header.cells is None or header.width == 1:
        return Damage(_otherwise(header.text, width, form), at)
    cells = header.cells
    named = tuple(cell for cell in cells if cell.strip())
    if len(cells) > width:
        return Damage(named, at) if len(named) == width else None
    if max(map(reach, rows)) <= len(cells):
        return Damage(None, at) if _shifted(cells, rows) else None
    return Damage(labels_above(records, at + 1, width, form), at)


def labels_above(records: Sequence[Record], at: int, width: int, form: Form) -> tuple[str, ...] | None:
    """The labels in the records directly above the first row, at index `at`, if these are a damaged header:
    one with other delimiters, or several that are as wide as the rows together."""
    parts: list[tuple[str, ...]] = []
    for place in range(at - 1, max(at - 5, -1), -1):
        cells = records[place].cells
        if not cells:
            break
        parts.insert(0, cells)
        joined = tuple(cell for part in parts for cell in part)
        if len(joined) >= width:
            fits = len(joined) == width and all(joined) and not _looks_like_row(joined)
            return joined if fits else None
    return _otherwise(records[at - 1].text, width, form) if at and records[at - 1].width == 1 else None


def _otherwise(text: str, width: int, form: Form) -> tuple[str, ...] | None:
    """The labels of a header whose quotes or delimiters are others than those of the rows."""
    for delimiter in (form.delimiter, *_OTHER):
        cells = [cell.strip().strip("\"'") for cell in text.split(delimiter)]
        if len(cells) == width and all(cells) and not _looks_like_row(cells):
            return tuple(cells)
    return None


def _looks_like_row(cells: Sequence[str]) -> bool:
    return any(kind_of(cell) in ("number", "time", "code") for cell in cells)


def _shifted(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether labels stand over cells that they contradict, and over fewer such cells if the labels from
    some place on are moved one to the right: then two labels have become one."""
    columns = [[kind_of(row[column]) for row in rows] for column in range(len(rows[0]))]
    kinds = [{kind for kind in column if kind != "empty"} for column in columns]

    def contradicts(label: str, column: int) -> bool:
        wanted = next((kind for hint, kind in _HINTS if hint.search(label)), None)
        return wanted is not None and len(kinds[column]) == 1 and wanted not in kinds[column]

    straight = [contradicts(label, column) for column, label in enumerate(labels)]
    moved = [contradicts(label, column + 1) for column, label in enumerate(labels)]
    least = min(sum(straight[:place]) + sum(moved[place:]) for place in range(1, len(labels) + 1))
    return sum(straight) - least >= 2
