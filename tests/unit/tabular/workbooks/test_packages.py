"""Workbooks of other writers, and archives that are something else."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.formats import HEAD_BYTES, plan
from ingestor.tabular.options import ReadOptions
from tests.unit.tabular.workbooks.building import (
    MAIN,
    OFFICE,
    Cell,
    packed,
    parts_of,
    read,
    relationships,
    sheet_xml,
    workbook,
)

SHARED = ["<t>id</t>", "<t>name</t>", "<t>Anna</t>"]
ROWS = [[Cell("0", "s"), Cell("1", "s")], [Cell("1", style=0), Cell("2", "s")]]


def parts() -> dict[str, str]:
    """A workbook with shared strings."""
    return parts_of({"S": sheet_xml(ROWS)}, shared=SHARED)


def moved(folder: str) -> dict[str, str]:
    """The same with its parts in another folder."""
    found = {name.replace("xl/", folder): text for name, text in parts().items()}
    found["_rels/.rels"] = relationships([("rId1", "officeDocument", f"/{folder}workbook.xml")])
    return found


def related(sheet: str, strings: str) -> dict[str, str]:
    """The same with these targets of the relationships."""
    found = parts()
    found["xl/_rels/workbook.xml.rels"] = relationships(
        [("rId1", "worksheet", sheet), ("rId91", "sharedStrings", strings)]
    )
    return found


def strict() -> dict[str, str]:
    """The same in the namespaces of strict Open XML."""
    purl = "http://purl.oclc.org/ooxml"
    return {
        name: text.replace(MAIN, f"{purl}/spreadsheetml/main").replace(
            OFFICE, f"{purl}/officeDocument/relationships"
        )
        for name, text in parts().items()
    }


def prefixed() -> dict[str, str]:
    """The same with prefixed elements."""
    found = parts()
    for name in ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"):
        text = found[name].replace("</", "</x:").replace(f'xmlns="{MAIN}"', f'xmlns:x="{MAIN}"')
        found[name] = "".join(
            f"<x:{piece}" if piece and piece[0] not in "/" else f"<{piece}" for piece in text.split("<")[1:]
        )
    return found


def without(*names: str) -> dict[str, str]:
    """The same without these parts."""
    return {name: text for name, text in parts().items() if name not in names}


def untyped() -> dict[str, str]:
    """The same with relationships that do not say of what type they are."""
    found = parts()
    name = "xl/_rels/workbook.xml.rels"
    found[name] = re.sub(r' Type="[^"]*"', "", found[name])
    return found


WRITERS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: packed(parts()),
    "strings in other case": lambda: packed(
        parts(), lambda name: name.replace("sharedStrings", "SharedStrings")
    ),
    "all in upper case": lambda: packed(parts(), str.upper),
    "backslashes": lambda: packed(parts(), lambda name: name.replace("/", "\\")),
    "dots": lambda: packed(parts(), lambda name: f"./{name}"),
    "slash in front": lambda: packed(parts(), lambda name: f"/{name}"),
    "targets with dots": lambda: packed(
        related("./worksheets/../worksheets/sheet1.xml", "../xl/sharedStrings.xml")
    ),
    "targets with backslashes": lambda: packed(related("worksheets\\sheet1.xml", "\\xl\\sharedStrings.xml")),
    "targets of the package": lambda: packed(related("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml")),
    "escaped targets": lambda: packed(related("worksheets/sheet%31.xml", "sharedStrings.xml")),
    "another folder": lambda: packed(moved("book/")),
    "no folder": lambda: packed(moved("")),
    "strict": lambda: packed(strict()),
    "prefixes": lambda: packed(prefixed()),
    "no relationships": lambda: packed(without("_rels/.rels", "xl/_rels/workbook.xml.rels")),
    "relationships without types": lambda: packed(untyped()),
    "no styles": lambda: packed(without("xl/styles.xml")),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_workbooks_of_other_writers(writer: str) -> None:
    found = read(WRITERS[writer]())
    assert found.columns == ("id", "name")
    assert found.rows == [("1", "Anna")]


@pytest.mark.parametrize("writer", WRITERS)
def test_they_are_recognised_by_their_beginning(writer: str) -> None:
    data = WRITERS[writer]()
    assert plan(data[:HEAD_BYTES], len(data), "t.bin", ReadOptions()).format == "xlsx"


def test_an_archive_is_recognised_by_its_names_not_by_chance() -> None:
    text = b"id,name\n1,xl/ _rels/ [Content_Types].xml\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("t.csv", text)
    found = plan(buffer.getvalue(), len(buffer.getvalue()), "t.zip", ReadOptions())
    assert (found.format, found.compression) == ("csv", "zip")


def test_a_workbook_whose_sizes_follow_their_data_is_recognised() -> None:
    buffer = io.BytesIO()

    class Stream(io.RawIOBase):
        """Cannot seek, so that sizes follow."""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return buffer.write(data)

    with zipfile.ZipFile(Stream(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.txt", "x" * 500)
        for name, text in parts().items():
            archive.writestr(name, text)
    data = buffer.getvalue()
    assert plan(data[:HEAD_BYTES], len(data), "t.bin", ReadOptions()).format == "xlsx"
    assert read(data).rows == [("1", "Anna")]


@pytest.mark.parametrize(
    "rows",
    [
        [[Cell("id", "str", reference="a1"), Cell("name", "str", reference="b1")],
         [Cell("1", reference="a2"), Cell("Anna", "str", reference="b2")]],
        [[Cell("id", "str", reference=""), Cell("name", "str", reference="")],
         [Cell("1", reference=""), Cell("Anna", "str", reference="")]],
        [["id", "name"], [Cell("1", style=""), Cell("Anna", "str")]],
        [["id", "name"], [Cell("1", style=99), Cell("Anna", "str")]],
        [["id", "name"], [Cell(" 1\n"), Cell("Anna", "str")]],
        [["id", "name"], [1, Cell(None, "inlineStr", more="<is><r><t>An</t></r><r><t>na</t></r></is>")]],
        [["id", "name"], [1, Cell("0", "inlineStr", more="<is><t>Anna</t></is>")]],
        [["id", "name"], [1, Cell("Anna", "str", more="<is><t>other</t></is>")]],
        [["id", "name"], [1, Cell(None, "inlineStr", more="<is><t>Anna</t><rPh><t>x</t></rPh></is>")]],
        [["id", "name"], [1, Cell(None, "", more="<is><t>Anna</t></is>")]],
    ],
)  # fmt: skip
def test_cells_of_other_writers(rows: list[list[str | Cell]]) -> None:
    found = read(workbook(rows))
    assert found.columns == ("id", "name")
    assert found.rows == [("1", "Anna")]


def test_shared_strings_with_runs_and_phonetic_hints() -> None:
    shared = [
        "<r><t>An</t></r><r><rPr/><t>na</t></r>",
        "<t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh>",
    ]
    data = packed(parts_of({"S": sheet_xml([["a", "b"], [Cell("0", "s"), Cell("1", "s")]])}, shared=shared))
    assert read(data).rows == [("Anna", "東京")]


def test_a_dimension_that_is_not_true_changes_nothing() -> None:
    xml = sheet_xml([["id"], [1]]).replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    assert read(packed(parts_of({"S": xml}))).rows == [("1",)]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["[Content_Types].xml", "xl/workbook.bin"], r"\.xlsb"),
        (["[Content_Types].xml", "word/document.xml"], r"a Word document \(\.docx\)"),
        (["[Content_Types].xml", "ppt/presentation.xml"], r"a PowerPoint presentation \(\.pptx\)"),
    ],
)
def test_other_packages_are_named(names: list[str], what: str) -> None:
    parts = dict.fromkeys(names, "<x/>")
    parts["_rels/.rels"] = relationships([("rId1", "officeDocument", names[-1])])
    with pytest.raises(UnreadableFileError, match=what) as caught:
        read(packed(parts))
    assert caught.value.reason == "UNSUPPORTED_FILE_TYPE"


def compound(*names: str, sector: int = 3) -> bytes:
    """The beginning of a compound file whose directory has these names, at a sector of 512 bytes."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + b"\x09\0" + bytes(16)
    directory = b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *names))
    return (header + sector.to_bytes(4, "little")).ljust((sector + 1) * 512, b"\0") + directory.ljust(
        512, b"\0"
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (
            compound("EncryptionInfo", "EncryptedPackage"),
            "is a Microsoft Office file that is protected by a password,",
        ),
        (compound("Workbook"), r"is an old Excel workbook \(\.xls\),"),
        (compound("WordDocument"), r"is an old Microsoft Office file"),
        (compound("EncryptedPackage", sector=500), "old format .*, or one that is protected by a password"),
        (
            packed({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}),
            r"an OpenDocument spreadsheet \(\.ods\)",
        ),
    ],
)
def test_other_office_files_are_named_at_once(data: bytes, what: str) -> None:
    with pytest.raises(UnreadableFileError, match=what) as caught:
        plan(data[:HEAD_BYTES], len(data), "t.xlsx", ReadOptions())
    assert caught.value.reason == "UNSUPPORTED_FILE_TYPE"


@pytest.mark.parametrize(
    ("xml", "what"),
    [
        (sheet_xml([["id"], [Cell("1", reference="XFE2")]]), "beyond column XFD"),
        (sheet_xml([["id"], [Cell("1", reference="AAAAAAAAAA2")]]), "beyond column XFD"),
        (sheet_xml({1: ["id"], 1_048_577: [1]}), "a row 1048577"),
        (sheet_xml([["id"], [1]]).replace('<row r="2"', '<row r="two"'), "'two'"),
        (sheet_xml([["id"], [1]])[:-30], "not XML"),
        ("<!DOCTYPE x><worksheet/>", "document type"),
    ],
)
def test_damaged_sheets_are_refused(xml: str, what: str) -> None:
    with pytest.raises(UnreadableFileError, match=what) as caught:
        read(packed(parts_of({"S": xml})))
    assert caught.value.reason == "XLSX_INVALID"


@pytest.mark.parametrize("data", [b"PK\x03\x04", packed(parts())[:-60], packed({"xl/other.xml": "<x/>"})])
def test_damaged_archives_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read(data)
    assert caught.value.reason == "XLSX_INVALID"


def test_a_damaged_part_is_refused() -> None:
    data = bytearray(packed(parts()))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
    start = entry.header_offset + 30 + len(entry.filename)
    data[start : start + 8] = b"\xff" * 8
    with pytest.raises(UnreadableFileError) as caught:
        read(bytes(data))
    assert caught.value.reason == "XLSX_INVALID"
