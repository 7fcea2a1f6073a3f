"""Workbooks of other writers, and archives that are something else."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from ingestor.tabular.errors import UnreadableFileError
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
    "no styles": lambda: packed(without("xl/styles.xml")),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_workbooks_of_other_writers(writer: str) -> None:
    found = read(WRITERS[writer]())
    assert found.columns == ("id", "name")
    assert found.rows == [("1", "Anna")]


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
