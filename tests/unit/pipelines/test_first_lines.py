"""The first lines of a file as a person sees them, the sheets of a workbook, and candidates of a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.options import parse_options
from tests.unit.tabular.workbooks.building import Cell, packed, parts_of, sheet_xml

CASES = Path(__file__).parents[2] / "e2e" / "cases"


def inspect(path: Path, **options: Any) -> dict[str, Any]:
    return inspect_file(path, path.name, parse_options(options))


def written(tmp_path: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def roles(found: dict[str, Any]) -> list[tuple[int, str]]:
    return [(line["line"], line["role"]) for line in found["lines"]]


def test_lines_say_what_they_are_taken_for(tmp_path: Path) -> None:
    found = inspect(CASES / "files/title-blank-header.csv")
    assert roles(found) == [
        (1, "above"), (2, "above"), (3, "above"), (4, "header"), (5, "row"), (6, "row"), (7, "footer"),
    ]  # fmt: skip
    assert found["lines"][3]["cells"] == ["id", "name", "city"]
    assert found["lines"][6]["why"]


def test_a_declared_header_is_the_one_that_is_marked() -> None:
    found = inspect(CASES / "files/title-blank-header.csv", skipLines=4, header=True, headerRows=1)
    assert dict(roles(found))[5] == "header"
    assert [column["label"] for column in found["columns"]] == ["1", "a", "x"]


def test_records_of_several_lines_blank_and_bad_ones(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, 'a,b\n1,"x\ny"\n\n2,"z\n3,w\n'))
    assert [(line["line"], line["role"]) for line in found["lines"]] == [
        (1, "header"), (2, "row"), (4, "skipped"), (5, "failed"), (6, "row"),
    ]  # fmt: skip
    assert list(found["lines"][3]["cells"]) == ['2,"z']


def test_long_lines_and_many_are_cut(tmp_path: Path) -> None:
    wide = ",".join(f"c{number}" for number in range(200))
    rows = "\n".join(",".join("v" * 300 for _ in range(200)) for _ in range(50))
    found = inspect(written(tmp_path, f"{wide}\n{rows}\n"))
    first = found["lines"][1]
    assert (len(found["lines"]) <= 30, first["width"], len(first["cells"])) == (True, 200, 50)
    assert {len(cell) for cell in first["cells"]} == {100}


def test_a_footer_far_below_is_shown_behind_the_first_lines(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number}.5\n" for number in range(100))
    found = inspect(written(tmp_path, f"name,amount\n{rows}Total,99\n"))
    *first, last = found["lines"]
    assert len(first) == 30
    assert (last["line"], last["role"], list(last["cells"])) == (102, "footer", ["Total,99"])


def test_other_encodings_and_bytes_that_are_none(tmp_path: Path) -> None:
    found = inspect(CASES / "files/cyrillic.csv")
    assert "Анна" in found["lines"][1]["cells"]
    found = inspect(written(tmp_path, b"id,name\n1,a\xffb\n2,c\x00d\n3,ok\n"))
    assert [line["role"] for line in found["lines"]] == ["header", "failed", "failed", "row"]


def test_lines_are_of_text_and_workbooks_alone(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, '{"a": 1}\n{"a": 2}\n', "rows.jsonl"))
    assert (found["lines"], found["sheets"]) == ([], [])


def test_rows_of_a_sheet_and_all_sheets() -> None:
    found = inspect(CASES / "workbooks/title-rows.xlsx")
    assert roles(found) == [(1, "above"), (3, "header"), (4, "row"), (5, "row")]
    found = inspect(CASES / "workbooks/hidden-first.xlsx")
    assert found["sheets"] == [
        {"name": "Lists", "rows": 3, "columns": 1, "hidden": True, "readable": True},
        {"name": "Data", "rows": 3, "columns": 2, "hidden": False, "readable": True},
    ]
    assert dict(roles(inspect(CASES / "workbooks/merged-header.xlsx")))[2] == "header"


@pytest.mark.parametrize(("text", "format_"), [("08/01/2025", "%d/%m/%Y"), ("1-2-2025", "%d-%m-%Y")])
def test_a_column_in_doubt_has_its_candidates_with_what_they_make_of_it(
    tmp_path: Path, text: str, format_: str
) -> None:
    found = inspect(written(tmp_path, f"id,day\n1,{text}\n2,{text}\n"))
    column = found["columns"][1]
    drafted = found["pipeline"]["schema"]["fields"][1]
    assert [one["keys"] for one in column["candidates"]] == drafted["x-candidates"]
    first, second = column["candidates"]
    assert first["keys"] == {"type": "date", "format": format_}
    ((written_as, day_first),), ((_, month_first),) = first["values"], second["values"]
    assert written_as == text
    assert day_first[5:7] == month_first[8:] and day_first != month_first


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["01067", "99084"], '"01067" begins with a zero'),
        (["4111111111111111", "4222222222222222"], "identify something"),
        (["+49 151 1234567", "+49 151 7654321"], "telephone"),
        (["10.0.0.1", "10.0.0.2"], "addresses"),
        (["Anna", "Bert"], ""),
        (["0a", "0b"], ""),
    ],
)
def test_why_digits_stay_text(tmp_path: Path, values: list[str], why: str) -> None:
    rows = "".join(f"{value},x\n" for value in values)
    column = inspect(written(tmp_path, f"v,w\n{rows}"))["columns"][0]
    assert column["type"] == "string"
    assert why in column["why"] and bool(why) == bool(column["why"])


def test_every_column_is_trimmed_as_far_as_a_document_has_room(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, "a,b\n1,x\n"))
    assert found["pipeline"]["transforms"] == [{"column": name, "op": "trim"} for name in ("a", "b")]
    many = ",".join(f"c{number}" for number in range(600))
    cells = ",".join([" 1", *["2"] * 599])
    found = inspect(written(tmp_path, f"{many}\n{cells}\n{cells}\n"))
    assert found["pipeline"]["transforms"] == [{"column": "c0", "op": "trim"}]


def test_a_workbook_is_read_as_far_as_its_first_rows_need_it(tmp_path: Path) -> None:
    """What no look at the first rows asks for may even be damaged."""
    shared = [f"<t>{text}</t>" for text in ("id", "name", *(f"name {number}" for number in range(50_000)))]
    rows = [
        [Cell("0", "s"), Cell("1", "s")],
        *[[number, Cell(str(number + 2), "s")] for number in range(20_000)],
    ]
    parts = parts_of({"S": sheet_xml(rows)}, shared=shared)
    parts["xl/sharedStrings.xml"] += "<"
    parts["xl/worksheets/sheet1.xml"] += "<"
    path = written(tmp_path, packed(parts), "book.xlsx")
    found = inspect_file(path, path.name, parse_options({}), rows=5)
    assert (found["sampled_rows"], found["complete"]) == (5, False)
    assert [list(row["cells"]) for row in found["first_rows"]] == [[str(n), f"name {n}"] for n in range(5)]
