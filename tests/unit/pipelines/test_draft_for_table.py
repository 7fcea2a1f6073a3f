"""A file's draft for a table that exists: the table says what goes in, the file how it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingestor.pipelines.document import parse_pipeline
from ingestor.pipelines.inference.table import draft_for_table
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.options import ReadOptions

Field = dict[str, Any]


def drafted(
    tmp_path: Path, text: str, fields: list[Field], needed: tuple[str, ...] = (), **schema: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The draft, which is valid, and its notices by code."""
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    table = {"name": "stock", "schema": {"fields": fields, **schema}, "sink": {"table": "shop.stock"}}
    document, notices = draft_for_table(table, needed, inspect_file(path, "a.csv", ReadOptions()))
    pipeline = parse_pipeline(json.dumps(document))
    head = [column["name"] for column in inspect_file(path, "a.csv", ReadOptions())["columns"]]
    assert needed or pipeline.check_header(head) == []
    return document, {notice.code: notice.message for notice in notices}


def test_columns_are_found_by_their_labels(tmp_path: Path) -> None:
    fields = [
        {"name": name, "type": "string"} for name in ("sku", "unit_price", "Qty", "qty", "seen", "note")
    ]
    document, told = drafted(
        tmp_path,
        "SKU,Unit Price,qty,Seen,seen,extra\na,b,c,d,e,f\n",
        fields,
        primaryKey=["sku"],
        uniqueKeys=[["note"], ["qty", "sku"]],
        foreignKeys=[
            {"fields": ["note"], "reference": {"resource": "notes", "fields": ["id"]}},
            {"fields": ["qty"], "reference": {"resource": "stock", "fields": ["qty"]}},
        ],
    )
    assert [field["name"] for field in document["schema"]["fields"]] == ["sku", "unit_price", "qty", "seen"]
    assert document["mapping"] == {"sku": "SKU", "unit_price": "Unit Price"}
    assert document["schema"]["primaryKey"] == ["sku"]
    assert document["schema"]["uniqueKeys"] == [["qty", "sku"]]
    assert [found["fields"] for found in document["schema"]["foreignKeys"]] == [["qty"]]
    assert document["sink"] == {"table": "shop.stock"}
    assert told == {
        "columns-left-out": "The file lacks columns of the table, which stay empty or get their defaults: "
        "Qty, note.",
        "columns-not-read": "The table lacks columns of the file, which are not loaded: Seen, extra.",
    }


def test_a_column_that_is_needed_stays_and_is_told(tmp_path: Path) -> None:
    fields = [{"name": "id", "type": "integer"}, {"name": "other", "type": "string"}]
    document, told = drafted(tmp_path, "other,x\na,b\n", fields, ("id",), primaryKey=["id"])
    assert [field["name"] for field in document["schema"]["fields"]] == ["id", "other"]
    assert document["schema"]["primaryKey"] == ["id"]
    assert "need values: id." in told["columns-needed"]


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        # The file's notation, the table's limits.
        (
            {"type": "number", "constraints": {"required": True, "maximum": 9999.99}}, ["1.234,50", "2,25"],
            {"type": "number", "decimalChar": ",", "groupChar": ".",
             "constraints": {"required": True, "maximum": 9999.99}},
        ),
        ({"type": "date"}, ["31.12.2024", "01.02.2024"], {"type": "date", "format": "%d.%m.%Y"}),
        # A moment may be written as a day, a number without a fraction.
        (
            {"type": "datetime", "constraints": {"required": True}}, ["31.12.2024", "01.02.2024"],
            {"type": "date", "format": "%d.%m.%Y", "constraints": {"required": True}},
        ),
        ({"type": "number", "constraints": {"maximum": 9.99}}, ["1", "2"], {"type": "integer"}),
        # The type is the table's, whatever the file has.
        ({"type": "string", "constraints": {"maxLength": 5}}, ["1", "2"],
         {"type": "string", "constraints": {"maxLength": 5}}),
        ({"type": "integer"}, ["a", "b"], {"type": "integer"}),
        ({"type": "array"}, ["{a,b}", "{c}"], {"type": "string"}),
        ({"type": "array"}, ["[1]", "[2]"], {"type": "array"}),
        ({"type": "object"}, ["[1]", "[2]"], {"type": "array"}),
    ],
)  # fmt: skip
def test_how_a_field_is_written(tmp_path: Path, field: Field, values: list[str], expected: Field) -> None:
    text = "v;x\n" + "".join(f'"{value}";y\n' for value in values)
    document, _ = drafted(tmp_path, text, [{"name": "v", **field}])
    assert document["schema"]["fields"] == [{"name": "v", **expected}]


def test_missing_values_and_blanks_are_the_files(tmp_path: Path) -> None:
    document, _ = drafted(
        tmp_path,
        "n,t\n 1 ,a\nn/a,b\n 3 ,NULL\n",
        [{"name": "n", "type": "integer"}, {"name": "t", "type": "string"}],
    )
    n, t = document["schema"]["fields"]
    assert (n["missingValues"], t) == (["", "n/a"], {"name": "t", "type": "string"})
    assert document["transforms"] == [{"column": column, "op": "trim"} for column in ("n", "t")]
