"""What every parser does with the same table in its own format, the outside one included."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingestor.plugins import TableParser, outside_parsers
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.convert import content, open_plan
from ingestor.tabular.files.formats import parsers, plan
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.normal_form import block_lines, from_normal_form
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect
from ingestor.tabular.text_table import TextTable
from tests.plugins import installed

COLUMNS = ("id", "name", "note")
ROWS = [
    (str(number), f"name {number} é", None if number % 7 == 0 else f'say "{number}"')
    for number in range(1, 25_001)
]


def _xlsx(rows: list[tuple[Any, ...]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("table")
    sheet.append(list(COLUMNS))
    for row in rows:
        sheet.append([int(row[0]), *row[1:]])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet(rows: list[tuple[Any, ...]]) -> bytes:
    buffer = io.BytesIO()
    arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(arrays, names=list(COLUMNS)), buffer)
    return buffer.getvalue()


def _csv(rows: list[tuple[Any, ...]]) -> bytes:
    text = "".join(
        ",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n"
        for row in rows
    )
    return (",".join(COLUMNS) + "\r\n" + text).encode()


def _objects(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _fixed(rows: list[tuple[Any, ...]]) -> bytes:
    lines = [f"{row[0]:<8}{row[1]:<20}{row[2] or '':<20}\n" for row in [COLUMNS, *rows]]
    return ("#fixed 8 20 20\n" + "".join(lines)).encode()


WRITE: dict[str, Callable[[list[tuple[Any, ...]]], bytes]] = {
    "csv": _csv,
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in _objects(rows)).encode(),
    "json": lambda rows: json.dumps(_objects(rows)).encode(),
    "xlsx": _xlsx,
    "parquet": _parquet,
    "fixed-width": _fixed,
}
KNOWS_NULL = {"jsonl", "json", "xlsx", "parquet"}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The outside package, installed."""
    target = tmp_path_factory.mktemp("plugin")
    parsers.cache_clear()
    with installed("plugin_parser", target, "ingestor_fixed_width"):
        yield target
    parsers.cache_clear()


@pytest.fixture(params=sorted(WRITE))
def parser(request: pytest.FixtureRequest, plugin: Path) -> TableParser:
    """A parser."""
    return next(found for found in parsers() if found.name == request.param)


def read(
    parser: TableParser, data: bytes, limits: Limits = DEFAULT_LIMITS
) -> tuple[tuple[str, ...], list[Any]]:
    """Columns and rows."""
    with parser.open(io.BytesIO(data), ReadOptions(), limits) as table:
        columns, rows = tuple(table.columns), list[Any]()
        for block in table.blocks():
            check_block(block, len(columns))
            rows += zip(*(column.to_pylist() for column in block.columns), strict=True)
        return columns, rows


def check_block(block: TextTable, width: int) -> None:
    """What holds for every block."""
    assert len(block.columns) == width
    indices = [*block.row_index.tolist(), *(record.row_number - 1 for record in block.rejected)]
    assert sorted(indices) == list(range(block.record_count))
    assert len(block.row_index) == len(block.line_index)
    assert (np.diff(block.row_index) > 0).all()
    for column in block.columns:
        assert column.type == pa.string()
        assert len(column) == len(block.row_index)


def test_the_table_comes_out(parser: TableParser) -> None:
    columns, rows = read(parser, WRITE[parser.name](ROWS))
    assert columns == COLUMNS
    if parser.name in KNOWS_NULL:
        assert rows == ROWS
    else:
        assert rows == [tuple(cell or "" for cell in row) for row in ROWS]


def test_it_is_recognised_and_goes_through_the_normal_form(parser: TableParser) -> None:
    data = WRITE[parser.name](ROWS[:100])
    for packed in (data, gzip.compress(data), zstandard.compress(data)):
        if parser.name in ("xlsx", "parquet") and packed is not data:
            continue  # they are compressed themselves and are read at random
        file = io.BytesIO(packed)
        how = open_plan(file, len(packed), "t.dat", ReadOptions())
        assert how.format == parser.name
        if how.form != "normal":
            continue  # csv: its own bytes are what is cut
        lines = b"".join(content(file, how))
        header, _, body = lines.partition(b"\n")
        assert header == ",".join(f'"{name}"' for name in (*EXTRA_COLUMNS, *COLUMNS)).encode()
        text = read_csv_slice(body, 5, Dialect(), empty_is_null=True)
        table = from_normal_form(text)
        assert table.columns[0].to_pylist() == [row[0] for row in ROWS[:100]]


def test_a_declared_format_is_used_or_refused(parser: TableParser) -> None:
    data = WRITE[parser.name](ROWS[:3])
    assert plan(data, len(data), "t", ReadOptions(format=parser.name)).format == parser.name
    if parser.name in ("xlsx", "parquet"):
        for other in ("csv", "jsonl"):
            with pytest.raises(UnreadableFileError) as caught:
                plan(data, len(data), "t", ReadOptions(format=other))
            assert caught.value.reason == "FORMAT_MISMATCH"
        with pytest.raises(UnreadableFileError):
            plan(b"id\n1\n", 5, "t", ReadOptions(format=parser.name))


def test_no_rows(parser: TableParser) -> None:
    if parser.name in ("json", "jsonl"):
        with pytest.raises(UnreadableFileError) as caught:
            read(parser, WRITE[parser.name]([]))
        assert caught.value.reason == "FILE_EMPTY"
    elif parser.name == "parquet":
        empty = pa.table({name: pa.array([], pa.string()) for name in COLUMNS})
        buffer = io.BytesIO()
        pq.write_table(empty, buffer)
        assert read(parser, buffer.getvalue()) == (COLUMNS, [])
    else:
        assert read(parser, WRITE[parser.name]([])) == (COLUMNS, [])


def test_too_many_columns(parser: TableParser) -> None:
    if parser.name == "fixed-width":
        return  # an example has no limits
    with pytest.raises(UnreadableFileError) as caught:
        read(parser, WRITE[parser.name](ROWS[:3]), Limits(max_columns=2))
    assert caught.value.reason == "TOO_MANY_COLUMNS"


def test_an_unknown_format_names_the_known_ones(plugin: Path) -> None:
    with pytest.raises(UnreadableFileError, match="csv, fixed-width, json, jsonl, parquet, xlsx"):
        plan(b"a\n", 2, "t", ReadOptions(format="dbase"))


def test_the_outside_parser_is_found(plugin: Path) -> None:
    assert [found.name for found in outside_parsers()] == ["fixed-width"]


def test_blocks_with_rejects_keep_their_places() -> None:
    (found,) = [found for found in parsers() if found.name == "jsonl"]
    data = b'{"a":"1"}\nnope\n\n{"a":"\\ud800"}\n{"a":null}\n{"a":"x\\u0000y"}\n{"a":""}\n'
    with found.open(io.BytesIO(data), ReadOptions(), DEFAULT_LIMITS) as table:
        lines = b"".join(block_lines(block) for block in table.blocks())
    text = read_csv_slice(lines, 3, Dialect(), empty_is_null=True)
    back = from_normal_form(text)
    assert back.columns[0].to_pylist() == ["1", None, ""]
    assert back.row_index.tolist() == [0, 4, 6]
    assert (back.line_index + 1).tolist() == [1, 5, 7]
    assert [(r.row_number - 1, r.line_number, r.state, r.errors[0].code) for r in back.rejected] == [
        (1, 2, "failed", "json-error"),
        (2, 3, "skipped", "blank-row"),
        (3, 4, "failed", "encoding-error"),
        (5, 6, "failed", "encoding-error"),
    ]


def test_bytes_of_parquet_are_as_postgresql_writes_them() -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"raw": pa.array([b"\0\xff", b"", None], pa.binary())}), buffer)
    parquet = next(found for found in parsers() if found.name == "parquet")
    assert read(parquet, buffer.getvalue()) == (("raw",), [("\\x00ff",), ("\\x",), (None,)])
