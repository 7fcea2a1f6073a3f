"""Builds small workbooks from XML, so that tests decide about every byte, and reads them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from ingestor.outcomes import Notice
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.xlsx.parser import XlsxParser
from ingestor.tabular.parsers.xlsx.sheet import letters
from ingestor.tabular.text_table import CellNote

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it stands in the XML: `value` is the text of <v> (None: there is none)."""

    value: str | None
    kind: str = ""
    style: int | str = ""
    more: str = ""
    reference: str | None = None


def error(text: str) -> Cell:
    """A cell with the error of a formula."""
    return Cell(text, "e")


def number(text: str, style: int = 0) -> Cell:
    """A number with its digits, under a format."""
    return Cell(text, "", style)


NOTHING = Cell("", "str", more='<f>IF(1,"",2)</f>')  # a formula that gives the empty text

# Rows by number, or from row 1 on; their cells are str, int, float, Cell or None.
Rows = Any


def row_xml(at: int, cells: Sequence[Any], attributes: str = "") -> str:
    """A row with its cells from column A on; None leaves a cell out."""
    found = []
    for column, value in enumerate(cells):
        if value is None:
            continue
        reference = f"{letters(column)}{at}"
        if isinstance(value, str):
            text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
            found.append(f'<c r="{reference}" t="inlineStr">{text}</c>')
            continue
        cell = value if isinstance(value, Cell) else Cell(str(value))
        reference = reference if cell.reference is None else cell.reference
        found.append(
            "<c"
            + (f' r="{reference}"' if reference else "")
            + (f' t="{cell.kind}"' if cell.kind else "")
            + (f' s="{cell.style}"' if cell.style != "" else "")
            + f">{cell.more}"
            + (f"<v>{escape(cell.value)}</v>" if cell.value is not None else "")
            + "</c>"
        )
    return f'<row r="{at}" {attributes}>{"".join(found)}</row>'


def sheet_xml(
    rows: Rows, *, merged: Iterable[str] = (), hidden: Iterable[int] = (), columns: str = ""
) -> str:
    """A sheet."""
    numbered = rows if isinstance(rows, Mapping) else dict(enumerate(rows, 1))
    hidden = set(hidden)
    body = "".join(row_xml(at, cells, 'hidden="1"' if at in hidden else "") for at, cells in numbered.items())
    merges = "".join(f'<mergeCell ref="{cells}"/>' for cells in merged)
    return (
        f'<worksheet xmlns="{MAIN}">{columns}<sheetData>{body}</sheetData>'
        + (f"<mergeCells>{merges}</mergeCells>" if merges else "")
        + "</worksheet>"
    )


def parts_of(
    sheets: Mapping[str, str],
    *,
    formats: Sequence[str] = (),
    shared: Sequence[str] | None = None,
    states: Mapping[str, str] | None = None,
    epoch_1904: bool = False,
) -> dict[str, str]:
    """The parts of a workbook by name: `sheets` are XML by name; style n has the n-th of the `formats`, style
    0 none; `shared` are the elements <si> without their tags."""
    listed, related = [], []
    parts = {"[Content_Types].xml": "<Types/>"}
    for position, (name, xml) in enumerate(sheets.items(), 1):
        state = (states or {}).get(name)
        listed.append(
            f'<sheet name={quoteattr(name)} sheetId="{position}" r:id="rId{position}"'
            + (f' state="{state}"' if state else "")
            + "/>"
        )
        related.append((f"rId{position}", "worksheet", f"worksheets/sheet{position}.xml"))
        parts[f"xl/worksheets/sheet{position}.xml"] = xml
    related.append(("rId90", "styles", "styles.xml"))
    codes = "".join(
        f'<numFmt numFmtId="{200 + at}" formatCode={quoteattr(code)}/>' for at, code in enumerate(formats)
    )
    styles = "".join(f'<xf numFmtId="{200 + at}"/>' for at in range(len(formats)))
    parts["xl/styles.xml"] = (
        f'<styleSheet xmlns="{MAIN}"><numFmts>{codes}</numFmts><cellXfs><xf numFmtId="0"/>{styles}</cellXfs>'
        "</styleSheet>"
    )
    if shared is not None:
        related.append(("rId91", "sharedStrings", "sharedStrings.xml"))
        strings = "".join(f"<si>{text}</si>" for text in shared)
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'
    epoch = '<workbookPr date1904="1"/>' if epoch_1904 else ""
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{epoch}<sheets>{"".join(listed)}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = relationships(related)
    parts["_rels/.rels"] = relationships([("rId1", "officeDocument", "xl/workbook.xml")])
    return parts


def relationships(found: Iterable[tuple[str, str, str]]) -> str:
    """A part of relationships: (id, last word of the type, target)."""
    listed = "".join(
        f'<Relationship Id="{identifier}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for identifier, kind, target in found
    )
    return f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'


def packed(parts: Mapping[str, str], rename: Callable[[str], str] = lambda name: name) -> bytes:
    """The parts as a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo("x")
            entry.filename = rename(name)  # as it stands, backslashes too
            archive.writestr(entry, text.encode())
    return buffer.getvalue()


def workbook(rows: Rows, *, formats: Sequence[str] = (), epoch_1904: bool = False, **sheet: Any) -> bytes:
    """A workbook of one sheet."""
    return packed(parts_of({"S": sheet_xml(rows, **sheet)}, formats=formats, epoch_1904=epoch_1904))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the parser makes of a workbook."""

    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    lines: list[int]
    rejected: list[tuple[int, str, str, str]]
    """Line, state, code, message."""
    faults: list[CellNote]
    notices: dict[str, Notice]


def read(data: bytes, **options: Any) -> Reading:
    """Read a workbook with these options, by their names in a dialect."""
    found = Reading((), [], [], [], [], {})
    given = ReadOptions.model_validate(options)
    with XlsxParser().open(io.BytesIO(data), given, DEFAULT_LIMITS) as table:
        for block in table.blocks():
            found.rows.extend(zip(*(column.to_pylist() for column in block.columns), strict=True))
            found.lines.extend((block.line_index + block.first_line).tolist())
            found.rejected.extend(
                (row.line_number, row.state, row.errors[0].code, row.errors[0].message)
                for row in block.rejected
            )
            found.faults.extend(note for note in block.cell_notes if note.fault)
            for notice in block.notices:
                assert notice.code not in found.notices
                found.notices[notice.code] = notice
        return Reading(
            tuple(table.columns), found.rows, found.lines, found.rejected, found.faults, found.notices
        )
