"""The sheets of a workbook, and which of them is the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ingestor.outcomes import Notice
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.top import SheetFacts
from ingestor.tabular.parsers.xlsx.package import Package, invalid
from ingestor.tabular.parsers.xlsx.sheet import Book, Row, Sheet, column_of
from ingestor.tabular.parsers.xlsx.sheet_reader import SheetReader
from ingestor.tabular.parsers.xlsx.strings import SharedStrings
from ingestor.tabular.parsers.xlsx.styles import cell_styles

_LISTED = 20  # sheets that a message names
_PEEKED = 50  # rows of a sheet that show whether it has a table
_LOOKED_AT = 200  # visible sheets that are searched for a table
_MOST_SHEETS = 10_000
_SHOWN = 200  # sheets that are listed with their sizes
_COUNTED = 256 * 1024  # bytes of a sheet that is read to count its rows
_DIMENSION = re.compile(rb"""<(?:\w+:)?dimension\s+ref=["']([A-Za-z0-9:$]{1,40})["']""")


@dataclass(frozen=True, slots=True)
class Tab:
    """A sheet in the workbook's list. `part` is None for what has no cells, such as a chart."""

    name: str
    part: str | None
    hidden: bool


class Workbook:
    """An open workbook: its sheets in order, and what their cells refer to."""

    def __init__(self, package: Package) -> None:
        """Raises UnreadableFileError."""
        self.package = package
        main = package.workbook()
        elements = package.elements(main)
        parts = {kind: target for kind, target in reversed(package.related(main)) if package.has(target)}
        self.tabs = [
            self._tab(main, position, attributes)
            for position, attributes in enumerate(
                (attributes for name, attributes in elements if name == "sheet"), 1
            )
        ]
        if not self.tabs:
            raise invalid("it has no sheet")
        if len(self.tabs) > _MOST_SHEETS:
            raise invalid(f"it has more than {_MOST_SHEETS} sheets")
        folder = main.rpartition("/")[0]
        strings = parts.get("sharedStrings", f"{folder}/sharedstrings.xml")
        styles = parts.get("styles", f"{folder}/styles.xml")
        self.book = Book(
            SharedStrings(package, strings) if package.has(strings) else SharedStrings(),
            cell_styles(package, styles) if package.has(styles) else [],
            any(
                name == "workbookPr" and attributes.get("date1904", "0").lower() in ("1", "true", "on")
                for name, attributes in elements
            ),
        )

    def _tab(self, main: str, position: int, attributes: dict[str, str]) -> Tab:
        folder = main.rpartition("/")[0]
        found = self.package.target(main, attributes.get("id", ""))
        kind, part = found or ("worksheet", f"{folder}/worksheets/sheet{position}.xml")
        return Tab(
            attributes.get("name", ""),
            part if kind in ("worksheet", "") else None,  # some writers leave the type out
            attributes.get("state", "visible").lower() in ("hidden", "veryhidden"),
        )

    def rows(self, tab: Tab) -> Iterator[Row]:
        """The rows of a sheet with cells."""
        return self.reader(tab, Sheet()).rows()

    def reader(self, tab: Tab, sheet: Sheet) -> SheetReader:
        """A reader of a sheet with cells."""
        assert tab.part is not None
        return SheetReader(self.package, tab.part, self.book, sheet)

    def choose(self, wanted: str | int | None) -> Tab:
        """The sheet of this name or number (from 1). Without one: the first visible sheet with a table, which
        has at least two rows of at least two cells; if there is none, the first visible one with any cell.

        Raises UnreadableFileError.
        """
        if wanted is not None:
            return self._wanted(wanted)
        visible = [tab for tab in self.tabs if not tab.hidden and tab.part is not None]
        if not visible:
            raise UnreadableFileError(
                "SHEET_NOT_FOUND",
                f"The workbook has no visible sheet with cells; declare which to read of {self._listed()}.",
            )
        filled = None
        for tab in visible[:_LOOKED_AT]:
            rows = list(islice(self.rows(tab), _PEEKED))
            if sum(len(row.cells) > 1 for row in rows) > 1:
                return tab
            if filled is None and any(row.cells for row in rows):
                filled = tab
        if filled is None:
            raise UnreadableFileError(
                "FILE_EMPTY",
                f"No visible sheet of the workbook holds anything; its sheets are {self._listed()}.",
            )
        return filled

    def _wanted(self, wanted: str | int) -> Tab:
        if isinstance(wanted, str):
            found = [tab for tab in self.tabs if tab.name == wanted] or [
                tab for tab in self.tabs if tab.name.strip().casefold() == wanted.strip().casefold()
            ]
            if not found:
                raise UnreadableFileError(
                    "SHEET_NOT_FOUND",
                    f"The workbook has no sheet {wanted!r}; its sheets are {self._listed()}.",
                )
            tab = found[0]
        elif wanted > len(self.tabs):
            raise UnreadableFileError(
                "SHEET_NOT_FOUND", f"The workbook has no sheet number {wanted}; it has {len(self.tabs)}."
            )
        else:
            tab = self.tabs[wanted - 1]
        if tab.part is None:
            raise UnreadableFileError(
                "SHEET_NOT_FOUND", f"The sheet {tab.name!r} has no cells: it is a chart."
            )
        return tab

    def _listed(self) -> str:
        return self._names(self.tabs)

    def _names(self, tabs: list[Tab]) -> str:
        more = f" and {len(tabs) - _LISTED} more" if len(tabs) > _LISTED else ""
        return ", ".join(map(self._described, tabs[:_LISTED])) + more

    def _described(self, tab: Tab) -> str:
        notes = ["hidden"] if tab.hidden else []
        if tab.part is None:
            notes.append("no cells")
        elif dimension := self._dimension(tab.part):
            notes.append(dimension)
        return f'"{tab.name}"' + (f" ({', '.join(notes)})" if notes else "")

    def sheets(self) -> list[SheetFacts]:
        """The sheets in order with their sizes, at most as many as people look through."""
        return [
            SheetFacts(tab.name, *self._size(tab.part), tab.hidden, tab.part is not None)
            for tab in self.tabs[:_SHOWN]
        ]

    def _size(self, part: str | None) -> tuple[int, int]:
        """Rows and columns down to the last cell of a sheet; 0 where that is not known without reading it."""
        if part is None or not self.package.has(part):
            return 0, 0
        last = self._dimension(part).replace("$", "").rpartition(":")[2]
        row = last.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        # Some writers say A1 and mean that they do not know.
        if row.isdecimal() and last.upper() != "A1":
            return int(row), column_of(last) + 1
        if self.package.size(part) > _COUNTED:
            return 0, 0
        rows = list(SheetReader(self.package, part, self.book, Sheet()).rows())
        width = max((max(row.cells) + 1 for row in rows if row.cells), default=0)
        return (rows[-1].number if rows else 0), width

    def _dimension(self, part: str) -> str:
        """The range of cells that a sheet says it has; "" if it does not say."""
        if not self.package.has(part):
            return ""
        found = _DIMENSION.search(next(self.package.pieces(part), b""))
        return found[1].decode() if found else ""

    def other_sheets(self, chosen: Tab) -> Notice | None:
        """What sheets there are besides the one that is read."""
        others = [tab for tab in self.tabs if tab is not chosen]
        if not others:
            return None
        return Notice(
            "other-sheets",
            f'Only the sheet "{chosen.name}" is read. The workbook also has {self._names(others)}; '
            'to read another one, declare "sheet".',
        )
