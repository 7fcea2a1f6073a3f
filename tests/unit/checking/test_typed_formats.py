"""Values that a file keeps typed, in every format that does: read as they are, and text beside them as the
pipeline says, whatever it says.

The oracle: a typed value is itself; a text is what it is in a CSV file under the same pipeline.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.checking.readings import field_readings
from ingestor.checking.rows import check_rows
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.tabular.files.convert import content, open_plan
from ingestor.tabular.files.sample import read_sample, sample_table
from ingestor.tabular.normal_form import from_normal_form
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect
from ingestor.tabular.text_table import TextTable
from ingestor.types.notation.json_text import canonical_json

Rows = Sequence[tuple[Any, str]]


def as_xlsx(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["x", "t", "n"])
    for value, text in rows:
        sheet.append([value, text, "n"])
    for row in sheet.iter_rows(min_row=2):
        row[1].data_type = "s"
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def objects(rows: Rows) -> list[str]:
    return [f'{{"x": {json.dumps(value)}, "t": {json.dumps(text)}, "n": "n"}}' for value, text in rows]


def as_json(rows: Rows) -> bytes:
    return ("[" + ",".join(objects(rows)) + "]").encode()


def as_jsonl(rows: Rows) -> bytes:
    return "\n".join(objects(rows)).encode()


def as_parquet(rows: Rows) -> bytes:
    values, texts = zip(*rows, strict=True)
    table = pa.table({"x": list(values), "t": list(texts), "n": ["n"] * len(rows)})
    data = io.BytesIO()
    pq.write_table(table, data)
    return data.getvalue()


NUMBERS: dict[str, Callable[[Rows], bytes]] = {
    "t.xlsx": as_xlsx, "t.json": as_json, "t.jsonl": as_jsonl, "t.parquet": as_parquet,
}  # fmt: skip
KEYS = [
    {"type": "number", "decimalChar": ",", "groupChar": "."},
    {"type": "number", "decimalChar": ","},
    {"type": "number", "groupChar": ","},
    {"type": "number", "decimalChar": ",", "groupChar": " "},
    {"type": "number", "decimalChar": "'", "groupChar": "."},
    {"type": "integer", "groupChar": ","},
    {"type": "integer", "groupChar": " "},
]
MOMENTS = {name: NUMBERS[name] for name in ("t.xlsx", "t.parquet")}


def normal_form(data: bytes, name: str) -> tuple[TextTable, tuple[str, ...], ReadOptions]:
    """The table that an ingestion cuts into batches."""
    file = io.BytesIO(data)
    how = open_plan(file, len(data), name, ReadOptions())
    header, *blocks = content(file, how)
    labels = header.decode().strip().replace('"', "").split(",")
    read = read_csv_slice(b"".join(blocks), len(labels), Dialect(), empty_is_null=True)
    return from_normal_form(read), tuple(labels[len(EXTRA_COLUMNS) :]), how.options


def pipeline(**field: Any) -> Pipeline:
    """Reads both columns in one notation."""
    fields = [{"name": name, **field} for name in ("x", "t")]
    document = {"name": "p", "schema": {"fields": fields}, "sink": {"table": "s"}}
    return parse_pipeline(canonical_json(document))


def loaded(data: bytes, name: str, by: Pipeline) -> dict[int, list[Any]]:
    """The values of the rows that are loaded, by row."""
    table, labels, options = normal_form(data, name)
    assert options.keeps_types
    found = check_rows(table, labels, by, typed="marked")
    rows = zip(*(column.to_pylist() for column in found.good.columns), strict=True)
    return dict(zip(found.good_index.tolist(), map(list, rows), strict=True))


def of_text(text: str, by: Pipeline) -> list[Any]:
    """What a text becomes in a CSV file; empty: nothing."""
    made = [pa.array([text]), pa.array([text])]
    found = check_rows(TextTable(made, np.array([0]), np.array([0]), 1, []), ("x", "t"), by, typed="none")
    return list(found.good.column("t").to_pylist())


@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=40)
@given(
    values=st.lists(
        st.tuples(
            st.decimals(-10_000, 10_000, places=3).map(float),
            st.one_of(
                st.from_regex(r"-?[0-9]{1,3}([.,' ][0-9]{3}){0,2}([.,][0-9]{1,3})?", fullmatch=True),
                st.sampled_from(["1e5", "12.", ".5", "x", "true", "2024-02-03", "007"]),
            ),
        ),
        min_size=1, max_size=8,
    ),
    keys=st.sampled_from(KEYS),
)  # fmt: skip
def test_numbers(name: str, values: Rows, keys: dict[str, Any]) -> None:
    by = pipeline(**keys)
    expected = {}
    for row, (value, text) in enumerate(values):
        read = of_text(text, by)
        whole = Decimal(str(value)) % 1 == 0
        if read and (keys["type"] == "number" or (whole and ".0" not in json_form(name, value))):
            expected[row] = (Decimal(str(value)), read[0])
    found = {
        row: (Decimal(str(number)), text)
        for row, (number, text) in loaded(NUMBERS[name](values), name, by).items()
    }
    assert found == expected


def json_form(name: str, value: float) -> str:
    """How a format writes a whole number that was given as a float."""
    return str(int(value)) if name == "t.xlsx" else str(value)


@pytest.mark.parametrize("name", NUMBERS)
def test_thousands_that_are_none(name: str) -> None:
    rows = [(12.345, "12.345"), (1.5, "1.234,5")]
    by = pipeline(type="number", decimalChar=",", groupChar=".")
    assert loaded(NUMBERS[name](rows), name, by) == {0: ["12.345", "12345"], 1: ["1.5", "1234.5"]}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_fraction_is_no_whole_number(name: str) -> None:
    data = NUMBERS[name]([(12.345, "12.345")])
    table, labels, _ = normal_form(data, name)
    found = check_rows(table, labels, pipeline(type="integer", groupChar=","), typed="marked")
    (row,) = found.rejected
    assert row.errors[0].message == 'x: "12.345" is not an integer'


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["1.234 EUR", "€1.234"])
def test_text_around_a_number(name: str, text: str) -> None:
    by = pipeline(type="number", decimalChar=",", groupChar=".", bareNumber=False)
    assert loaded(NUMBERS[name]([(1.234, text)]), name, by) == {0: ["1.234", "1234"]}


@pytest.mark.parametrize("name", NUMBERS)
def test_truth_values(name: str) -> None:
    by = pipeline(type="boolean", trueValues=["ja"], falseValues=["nein"])
    rows = [(True, "ja"), (False, "nein"), (True, "true")]
    assert loaded(NUMBERS[name](rows), name, by) == {0: [True, True], 1: [False, False]}


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    ("kind", "format_", "value", "texts"),
    [
        ("date", "%d.%m.%Y", date(2024, 2, 3), ["03.02.2024", "2024-02-03"]),
        ("date", "%Y-%d-%m", date(2024, 2, 3), ["2024-02-03", "2024-03-02"]),
        ("datetime", "%Y-%d-%mT%H:%M:%S", datetime(2024, 2, 3, 4, 5, 6), ["2024-02-03T04:05:06", "x"]),
        ("time", "%H.%M", time(8, 30), ["08.30", "08:30:00"]),
    ],
)
def test_moments(name: str, kind: str, format_: str, value: Any, texts: Sequence[str]) -> None:
    by = pipeline(type=kind, format=format_)
    itself = of_text(value.isoformat(), pipeline(type=kind))
    expected = {row: [*itself, *read] for row, text in enumerate(texts) if (read := of_text(text, by))}
    assert loaded(NUMBERS[name]([(value, text) for text in texts]), name, by) == expected


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_dates_in_json_are_text(name: str) -> None:
    rows = [("2024-02-03", "03.02.2024"), ("03.02.2024", "03.02.2024")]
    found = loaded(NUMBERS[name](rows), name, pipeline(type="date", format="%d.%m.%Y"))
    assert found == {1: [date(2024, 2, 3), date(2024, 2, 3)]}


@pytest.mark.parametrize("name", NUMBERS)
def test_readings_show_both(name: str) -> None:
    data = NUMBERS[name]([(12.345, "12.345")])
    sample = read_sample(io.BytesIO(data), len(data), name, ReadOptions(), faults=True)
    by = pipeline(type="number", decimalChar=",", groupChar=".")
    found = field_readings(sample_table(sample), sample.names, by, typed="marked")
    assert [reading.values for reading in found] == [(("12.345", "12.345"),), (("12.345", "12345"),)]


@pytest.mark.parametrize("name", MOMENTS)
def test_readings_of_dates(name: str) -> None:
    data = NUMBERS[name]([(date(2024, 2, 3), "04.03.2024")])
    sample = read_sample(io.BytesIO(data), len(data), name, ReadOptions(), faults=True)
    found = field_readings(
        sample_table(sample), sample.names, pipeline(type="date", format="%d.%m.%Y"), typed="marked"
    )
    assert [reading.values for reading in found] == [
        (("2024-02-03", "2024-02-03"),), (("04.03.2024", "2024-03-04"),),
    ]  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_normal_form_keeps_what_is_text(name: str) -> None:
    """Many rows, in blocks of their own, some of them rejected."""
    rows = [(number + 0.5, f"{number}.5" if number % 3 else "x") for number in range(12_000)]
    table, _, _ = normal_form(NUMBERS[name](rows), name)
    assert {column: found.tolist() for column, found in table.words.items()} == {
        1: [number for number in range(12_000) if number % 3]
    }
