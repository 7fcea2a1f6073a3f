"""Hostile workbooks. Each is a zip archive of a few parts of XML, made here byte by byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'

Part = str | bytes | Iterable[bytes]


def _package(parts: dict[str, Part]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, part in parts.items():
            with archive.open(name, "w", force_zip64=True) as file:
                if isinstance(part, str):
                    part = part.encode()
                for piece in (part,) if isinstance(part, bytes) else part:
                    file.write(piece)
    return made.getvalue()


def book(
    rows: Part, *, styles: Part = "", strings: Part = "", sheets: int = 1, below: str = "", head: str = ""
) -> bytes:
    """A workbook whose (last) sheet has these rows as XML."""
    numbers = range(1, sheets + 1)
    listed = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    related = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    parts: dict[str, Part] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships {_RELS}><Relationship Id="r" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships {_RELS}>{related}</Relationships>",
    }
    for n in numbers[:-1]:
        parts[f"xl/worksheets/sheet{n}.xml"] = f"<worksheet {_MAIN}><sheetData/></worksheet>"
    begin, end = f"<worksheet {_MAIN}>{head}<sheetData>".encode(), f"</sheetData>{below}</worksheet>".encode()

    def sheet() -> Iterable[bytes]:
        yield begin
        body = rows.encode() if isinstance(rows, str) else rows
        yield from (body,) if isinstance(body, bytes) else body
        yield end

    parts[f"xl/worksheets/sheet{sheets}.xml"] = sheet()
    if styles:
        parts["xl/styles.xml"] = styles
    if strings:
        parts["xl/sharedStrings.xml"] = strings
    return _package(parts)


def _cell(reference: str, value: str, more: str = "") -> str:
    return f'<c r="{reference}" {more}><v>{value}</v></c>'


_STYLED = _cell("A2", "1", 's="1"')
_HEADER = '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>name</v></c></row>'


def number_format(code: str = "[" * 400_000) -> bytes:
    """A cell whose number format is this: the parser of formats has to read it."""
    styles = (
        f'<styleSheet {_MAIN}><numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs></styleSheet>'
    )
    rows = _HEADER + f'<row r="2">{_STYLED}{_cell("B2", "2")}</row>'
    return book(rows, styles=styles)


def number_formats(count: int = 60_000) -> bytes:
    """Very many styles that all use one long format."""
    code = "[" * 200 + "yyyy" + "]" * 50
    styles = (
        f'<styleSheet {_MAIN}><numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts>'
        "<cellXfs>" + '<xf numFmtId="170"/>' * count + "</cellXfs></styleSheet>"
    )
    return book(_HEADER + f'<row r="2">{_STYLED}</row>', styles=styles)


def far_cell(reference: str = "ZZZZZZZZ2") -> bytes:
    """A workbook of a few hundred bytes with one cell very far to the right."""
    return book(_HEADER + f'<row r="2">{_cell(reference, "1")}</row>')


def far_header(reference: str = "XFD1") -> bytes:
    """A header with two labels, in the first and in the last column of a sheet."""
    return book(f'<row r="1">{_cell("A1", "1")}{_cell(reference, "2")}</row>')


def far_row(number: int = 1_048_577) -> bytes:
    """A row below the last one that a sheet has."""
    return book(_HEADER + f'<row r="{number}">{_cell(f"A{number}", "1")}</row>')


def rows_without_numbers(count: int = 1_200_000) -> bytes:
    """More rows than a sheet has, which do not say their numbers."""
    row = b"<row><c><v>1</v></c><c><v>2</v></c></row>"
    return book([_HEADER.encode(), *[row * 1000] * (count // 1000)])


def shared_string(length: int = 32_767, rows: int = 32_000) -> bytes:
    """One long string that the cell of every row refers to: 11 KB that become 1 GB."""
    strings = [f"<sst {_MAIN}><si><t>id</t></si><si><t>".encode(), b"a" * length, b"</t></si></sst>"]
    row = b'<row><c t="s"><v>1</v></c></row>'
    return book([b'<row><c t="s"><v>0</v></c></row>', *[row * 1000] * (rows // 1000)], strings=strings)


def inline_string(megabytes: int = 200) -> bytes:
    """One cell of very much text."""
    text = [b"x" * 2**20] * megabytes
    return book([_HEADER.encode(), b'<row r="2"><c t="inlineStr"><is><t>', *text, b"</t></is></c></row>"])


def shared_strings(megabytes: int = 400) -> bytes:
    """A list of shared strings that is larger than the memory of the program that reads it; a row has the
    last of them."""
    piece = b"".join(b"<si><t>%08d</t></si>" % number for number in range(1000)) * 40  # about a mebibyte
    row = f'<row r="2"><c r="A2" t="s"><v>{40_000 * megabytes - 1}</v></c></row>'
    return book(_HEADER + row, strings=[f"<sst {_MAIN}>".encode(), *[piece] * megabytes, b"</sst>"])


def empty_rows(megabytes: int = 300) -> bytes:
    """Rows without cells, which are no records and still take time."""
    return book([_HEADER.encode(), *[b"<row/>" * 170_000] * megabytes])


def many_sheets(count: int = 3000) -> bytes:
    """Very many sheets, all empty but the last."""
    return book(_HEADER + f'<row r="2">{_cell("A2", "1")}</row>', sheets=count)


def many_merges(count: int = 300_000) -> bytes:
    """Very many merged cells above the header."""
    below = "<mergeCells>" + '<mergeCell ref="A1:XFD1"/>' * count + "</mergeCells>"
    return book(_HEADER + f'<row r="2">{_cell("A2", "1")}</row>', below=below)


def many_elements(count: int = 3_000_000) -> bytes:
    """A sheet of very many elements that mean nothing."""
    return book(_HEADER + f'<row r="2">{_cell("A2", "1")}</row>', head="<x/>" * count)


def many_attributes(count: int = 200_000) -> bytes:
    """A cell with very many attributes."""
    attributes = " ".join(f"a{n}='1'" for n in range(count))
    return book(_HEADER + f'<row r="2">{_cell("A2", "1", attributes)}</row>')


def deep(depth: int = 200_000) -> bytes:
    """Elements within each other."""
    return book(_HEADER + '<row r="2"><c r="A2">' + "<a>" * depth + "</a>" * depth + "</c></row>")


def entities() -> bytes:
    """Entities that expand to a billion characters."""
    tens = [f"&e{n};" * 10 for n in range(9)]
    levels = "".join(f'<!ENTITY e{n} "{ten}">' for n, ten in enumerate(tens, 1))
    parts = (
        f'<!DOCTYPE x [<!ENTITY e0 "ha">{levels}]><worksheet {_MAIN}><sheetData>&e9;</sheetData></worksheet>'
    )
    made = io.BytesIO(far_cell("A2"))
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("xl/worksheets/SHEET1.xml", parts)
        names = archive.namelist()
    with zipfile.ZipFile(made) as old:
        kept: dict[str, Part] = {name: old.read(name) for name in names if name != "xl/worksheets/sheet1.xml"}
    return _package(kept)


def many_digits(digits: int = 200_000) -> bytes:
    """Numbers of very many digits, with and without an exponent."""
    rows = "".join(
        f'<row r="{n}">{_cell(f"A{n}", value)}</row>'
        for n, value in enumerate(
            ("9" * digits, "0." + "9" * digits, "9" * digits + "e5", "1e999999999", "-1e-999999999"), 2
        )
    )
    return book(_HEADER + rows)


FILES: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        number_format, number_formats, far_cell, far_header, far_row, rows_without_numbers, shared_string,
        inline_string, shared_strings, empty_rows, many_sheets, many_merges, many_elements, many_attributes,
        deep, entities, many_digits,
    )
}  # fmt: skip
