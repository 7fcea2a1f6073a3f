"""What a file's beginning says: types, formats, rejects, and a draft that loads it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingestor.pipelines.document import parse_pipeline
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.options import ReadOptions, parse_options

SAMPLE = Path(__file__).parents[3] / "examples" / "sample" / "customers.csv"


def inspect(tmp_path: Path, data: bytes, dialect: str = "{}", **more: Any) -> dict[str, Any]:
    """Inspect bytes; the draft must be a valid pipeline."""
    path = tmp_path / "My Table-2024.csv"
    path.write_bytes(data)
    found = inspect_file(path, path.name, parse_options(dialect), **more)
    parse_pipeline(json.dumps(found["pipeline"]))
    return found


def column(tmp_path: Path, *values: str) -> tuple[str, str, float]:
    """Type, format and confidence of a column of values."""
    found = inspect(tmp_path, ("x,y\n" + "".join(f'"{value}",1\n' for value in values)).encode())
    (first, _) = found["columns"]
    return first["type"], first["format"], first["confidence"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "+3"], ("integer", "default", 1.0)),
        (["007", "008"], ("string", "default", 1.0)),  # codes keep their zeros
        (["9223372036854775808"], ("number", "default", 1.0)),
        (["1.5", "2", ".5", "1e3"], ("number", "default", 1.0)),
        (["true", "FALSE"], ("boolean", "default", 1.0)),
        (["0", "1", "1"], ("integer", "default", 1.0)),
        (["2024-02-29"], ("date", "default", 1.0)),
        (["31.12.2024", "01.02.2024"], ("date", "%d.%m.%Y", 1.0)),
        (["31/12/2024"], ("date", "%d/%m/%Y", 1.0)),
        (["12/31/2024"], ("date", "%m/%d/%Y", 1.0)),
        (["01/02/2024"], ("string", "default", 0.5)),  # either way round: asked, not guessed
        (["2024-02-29T10:00:00Z"], ("datetime", "default", 1.0)),
        (["31.12.2024 10:11"], ("datetime", "%d.%m.%Y %H:%M", 1.0)),
        (["a", "1"], ("string", "default", 1.0)),
        (["", ""], ("string", "default", 1.0)),
        ([*map(str, range(19)), "x"], ("integer", "default", 0.95)),
        (["1", "NULL", "2"], ("integer", "default", 1.0)),
    ],
)
def test_types(tmp_path: Path, values: list[str], expected: tuple[str, str, float]) -> None:
    assert column(tmp_path, *values) == expected


def test_the_draft(tmp_path: Path) -> None:
    data = b"Kunde Nr.;Name;Name;;ctid\n1;a;b;NULL;x\n2;c;d;5;y\n"
    found = inspect(tmp_path, data)
    assert found["pipeline"] == {
        "name": "my-table-2024",
        "schema": {
            "fields": [
                {"name": "kunde_nr", "type": "integer"},
                {"name": "name", "type": "string"},
                {"name": "name_2", "type": "string"},
                {"name": "column_4", "type": "integer", "missingValues": ["", "NULL"]},
                {"name": "ctid_2", "type": "string"},
            ],
        },
        "transforms": [
            {"column": column, "op": "trim"} for column in ("Kunde Nr.", "Name", "Name_2", "column_4", "ctid")
        ],
        "mapping": {"kunde_nr": "Kunde Nr.", "name": "Name", "name_2": "Name_2", "ctid_2": "ctid"},
        "sink": {"table": "my_table_2024"},
    }


def test_a_draft_keeps_nothing_of_how_its_file_is_written(tmp_path: Path) -> None:
    text = "Titel\n\nStraße;Größe\nÄckerweg;1\nHof;2\n"
    drafts = [
        inspect(tmp_path, data, json.dumps(dialect))["pipeline"]
        for data, dialect in [
            (text.encode(), {}),
            (text.encode("cp1252"), {"encoding": "cp1252", "delimiter": ";", "skipLines": 2}),
            (gzip.compress(text.replace(";", "\t").encode("utf-16")), {"format": "csv"}),
        ]
    ]
    assert "dialect" not in drafts[0]
    assert drafts[0] == drafts[1] == drafts[2]


def test_a_draft_keeps_what_is_of_the_table(tmp_path: Path) -> None:
    declared = {"header": False, "columns": ["id", "name"], "missingColumns": "ignore", "delimiter": ","}
    drafted = inspect(tmp_path, b"1,a\n2,b\n", json.dumps(declared))["pipeline"]
    assert drafted["dialect"] == {key: declared[key] for key in ("header", "columns", "missingColumns")}


def test_what_may_be_a_key(tmp_path: Path) -> None:
    data = b"id,country,note,gap\n1,DE,x,1\n2, DE,y,\n3,FR,x,3\n"
    found = inspect(tmp_path, data, key=["country", "note"])
    assert [column["unique"] for column in found["columns"]] == [True, False, False, False]
    assert [tuple(column["values"]) for column in found["columns"]] == [
        ("1", "2", "3"), ("DE", "FR"), ("x", "y"), ("1", "3")
    ]  # fmt: skip
    assert (found["duplicate_count"], found["duplicate_rows"]) == (0, [])
    found = inspect(tmp_path, data, key=["country"])
    assert (found["duplicate_count"], found["duplicate_rows"]) == (1, [2])
    # A row without a key repeats none.
    assert inspect(tmp_path, b"a,b\n1,\n2,\n", key=["b"])["duplicate_count"] == 0


def test_values_are_told_where_they_are_few_and_short(tmp_path: Path) -> None:
    rows = "".join(f"{number},{'x' * 101}\n" for number in range(101))
    found = inspect(tmp_path, f"a,b\n{rows}".encode())
    assert [tuple(column["values"]) for column in found["columns"]] == [(), ()]


def test_the_sample_that_ships(tmp_path: Path) -> None:
    found = inspect(tmp_path, SAMPLE.read_bytes())
    assert (found["sampled_rows"], found["complete"], found["rejected_count"]) == (1000, True, 5)
    assert [column["type"] for column in found["columns"]] == [
        "integer", "string", "string", "string", "date", "number", "boolean", "string"
    ]  # fmt: skip
    assert found["first_rows"][0]["row"] == 1
    assert {record["code"] for record in found["rejected"]} == {
        "extra-cell", "missing-cell", "blank-row", "quote-error"
    }  # fmt: skip


def test_only_the_beginning_is_read(tmp_path: Path) -> None:
    data = b"a,b\n" + b"1,2\n" * 3_000_000
    for packed in (data, gzip.compress(data, 1)):
        found = inspect(tmp_path, packed, rows=500)
        assert (found["sampled_rows"], found["complete"]) == (500, False)


def test_an_upload_that_goes_on(tmp_path: Path) -> None:
    found = inspect(tmp_path, b"a,b\n1,2\n3,", whole=False)
    assert (found["sampled_rows"], found["complete"]) == (1, False)
    with pytest.raises(UnreadableFileError):
        inspect(tmp_path, b"a,", whole=False)


def test_a_record_that_would_be_rejected_has_its_line(tmp_path: Path) -> None:
    found = inspect(tmp_path, b"a,b\n1,2\n3\n4,5\n")
    assert [(record["row"], record["line"], record["code"]) for record in found["rejected"]] == [
        (2, 3, "missing-cell")
    ]


def test_json_that_goes_on_or_is_no_text(tmp_path: Path) -> None:
    found = inspect(tmp_path, b'{"a": "1"}\n{"a": "x\\u0000"}\n{"a": ', '{"format": "jsonl"}', whole=False)
    assert [record["code"] for record in found["rejected"]] == ["encoding-error"]
    assert (found["sampled_rows"], found["complete"]) == (2, False)


@pytest.mark.parametrize(
    ("dialect", "data", "cells"),
    [
        ({"skipLines": 2}, b"x\ny,z\na,b\n1,2\n", [["1", "2"]]),
        ({"header": False}, b"1,2\n", [["1", "2"]]),
        ({"commentChar": "#"}, b"a,b\n#c\n1,2\n", [["1", "2"]]),
        ({"format": "jsonl"}, b'{"a":1.50,"b":null}\n', [["1.50", None]]),
    ],
)
def test_dialects(tmp_path: Path, dialect: dict[str, Any], data: bytes, cells: list[Any]) -> None:
    found = inspect(tmp_path, data, json.dumps(dialect))
    assert [row["cells"] for row in found["first_rows"]] == cells
    assert found["dialect"].items() >= dialect.items()


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"%PDF-1.7 and so on")
    with pytest.raises(UnreadableFileError, match="PDF"):
        inspect_file(path, path.name, ReadOptions())
