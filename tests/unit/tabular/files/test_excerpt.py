"""The first records of a file in normal form: the rows of the whole file, whatever its form, and of a file
that is still coming only what nothing behind it can change."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.excerpt import make_excerpt
from ingestor.tabular.normal_form import from_normal_form
from ingestor.tabular.options import ReadOptions, parse_options
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.layout import read_table_head
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect


def excerpt(
    tmp_path: Path,
    data: bytes,
    name: str = "a.csv",
    dialect: str = "{}",
    rows: int = 1000,
    whole: bool = True,
) -> tuple[dict[str, Any], list[tuple[int, str | list[str]]]]:
    """RESULT, and each record of the normal form: (line, cells or the code of its rejection)."""
    path = tmp_path / "source"
    path.write_bytes(data)
    with path.open("rb") as file:
        result, content = make_excerpt(file, name, parse_options(dialect), rows=rows, whole=whole)
    head = read_table_head(content, True, ReadOptions(), True)
    assert head is not None
    assert list(head.labels) == list(result["columns"])  # type: ignore[call-overload]
    table = read_csv_slice(
        content[head.byte_end :], len(head.labels) + len(EXTRA_COLUMNS), Dialect(), empty_is_null=True
    )
    read = from_normal_form(table)
    found: list[tuple[int, int, str | list[str]]] = []
    for place, (index, line) in enumerate(zip(read.row_index, read.line_index, strict=True)):
        cells = [column[place].as_py() or "" for column in read.columns]
        found.append((int(index), int(line) + 1, cells))
    found += [(record.row_number - 1, record.line_number, record.errors[0].code) for record in read.rejected]
    found.sort(key=lambda record: record[0])
    assert [index for index, _, _ in found] == list(range(len(found)))
    return result, [(line, what) for _, line, what in found]


CSV = b'id,name\n1,a\n2,"b\nb"\n3\n\n5,\xff\xff\n6,f\n'
RECORDS = [(2, ["1", "a"]), (3, ["2", "b\nb"]), (5, "missing-cell"), (6, "blank-row"), (7, "encoding-error"),
           (8, ["6", "f"])]  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: zstandard.compress(data)])
def test_delimited_text(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    result, records = excerpt(tmp_path, pack(CSV), dialect='{"encoding": "utf-8"}')
    assert records == RECORDS
    assert result["complete"]
    assert result["columns_known"]
    assert [row[:2] for row in result["rows"]] == [
        [number, line] for number, (line, _) in enumerate(RECORDS, 1)
    ]
    assert result["rows"][1][2] == ["2", "b\nb"]
    assert result["rows"][2][2] == ["3"]  # a record of another width has its cells
    assert result["rows"][3][2] is None


def test_other_encodings_and_dialects(tmp_path: Path) -> None:
    data = "# x\nid;näme\n1;ä\\;ö\n2;'q'\n".encode("utf-16")
    result, records = excerpt(
        tmp_path,
        data,
        dialect='{"delimiter": ";", "commentChar": "#", "escapeChar": "\\\\", "quoteChar": "\'"}',
    )
    assert (result["columns"], records) == (("id", "näme"), [(3, ["1", "ä;ö"]), (4, ["2", "q"])])
    assert result["dialect"]["encoding"] == "utf-16-le"


def test_rows_are_bounded(tmp_path: Path) -> None:
    for name, data in (("a.csv", CSV), ("a.jsonl", b'{"a": 1}\n' * 9), ("a.json", b'[{"a": 1}, {"a": 2}]')):
        result, records = excerpt(tmp_path, data, name, '{"encoding": "utf-8"}', rows=1)
        assert (len(records), len(result["rows"]), result["complete"]) == (1, 1, False)


def test_bytes_are_bounded(tmp_path: Path) -> None:
    wide = b"x" * 900
    for name, data in (
        ("a.csv", b"a,b\n" + (wide + b"," + wide + b"\n") * 5_000),
        ("a.jsonl", (b'{"a": "' + wide + b'", "b": "' + wide + b'"}\n') * 5_000),
    ):
        result, records = excerpt(tmp_path, data, name)
        assert len(records) == 1000
        shown = result["rows"]
        assert 1000 < len(shown) * 2 < 2400
        assert sum(len(cell) for row in shown for cell in row[2]) <= 2 * 2**20
        assert not result["complete"]
    cell = "y" * 200_000
    result, _ = excerpt(tmp_path, f"a,b\n{cell},1\n".encode())
    assert [len(text) for text in result["rows"][0][2]] == [1000, 1]


def of_partial(
    tmp_path: Path, data: bytes, name: str, dialect: str
) -> list[tuple[int, str | list[str]]] | None:
    """The records of a file of which only `data` are there; None when it cannot be read yet."""
    try:
        result, records = excerpt(tmp_path, data, name, dialect, whole=False)
    except UnreadableFileError:
        return None
    assert not result["complete"]
    return records


@pytest.mark.parametrize(
    ("name", "dialect", "data"),
    [
        ("a.csv", '{"encoding": "utf-8", "delimiter": ","}', CSV),
        ("a.csv", '{"delimiter": ",", "escapeChar": "\\\\"}', b'id,name\n1,a\n2,"b\nb"\n3\\,x,c\n4,"d\n'),
        (
            "a.csv",
            '{"delimiter": ",", "commentChar": "#", "skipFooter": 1}',
            b"id,name\n1,a\n#c\n2,b\n3,c\nx",
        ),
        ("a.jsonl", "{}", b'{"id": 1, "name": "a"}\n{"id": 2}\nno\n{"id": 3, "name": "c"}\n'),
        ("a.json", "{}", b'[{"id": 1, "name": "a"}, {"id": 12},\n {"id": 3, "name": "]"}, 7]'),
    ],
)
def test_a_file_that_is_still_coming(tmp_path: Path, name: str, dialect: str, data: bytes) -> None:
    """At any cut the records are the first ones of the whole file."""
    _, whole = excerpt(tmp_path, data, name, dialect)
    most = 0
    for cut in range(1, len(data) + 1):
        found = of_partial(tmp_path, data[:cut], name, dialect)
        if found is None:
            continue
        if name == "a.jsonl" and '"name"' not in data[:cut].decode():  # its columns are those so far
            continue
        expected = whole[: len(found)]
        if "skipFooter" in dialect and len(found) == len(whole):
            expected = [*expected[:-1], found[-1]]  # it is not known yet that this is the footer
        assert found == expected, cut
        most = max(most, len(found))
    assert most >= len(whole) - 1


def test_a_compressed_file_that_is_still_coming(tmp_path: Path) -> None:
    data = b"id,name\n" + b"".join(b"%d,%x\n" % (number, number**9) for number in range(40_000))
    for packed in (gzip.compress(data), zstandard.compress(data)):
        found = of_partial(tmp_path, packed[: len(packed) // 2], "a.csv", "{}")
        assert found is not None
        assert found[:2] == [(2, ["0", "0"]), (3, ["1", "1"])]
        with pytest.raises(UnreadableFileError, match="damaged"):
            excerpt(tmp_path, packed[: len(packed) // 2])


def test_a_workbook_needs_its_end(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "name": ["a", None]}), sink)
    _, records = excerpt(tmp_path, sink.getvalue(), "a.parquet")
    assert [cells for _, cells in records] == [["1", "a"], ["2", ""]]
    assert of_partial(tmp_path, sink.getvalue()[:-9], "a.parquet", "{}") is None


def test_columns_of_json_may_come_later(tmp_path: Path) -> None:
    assert excerpt(tmp_path, b'{"a": 1}\n', "a.jsonl")[0]["columns_known"]
    assert not excerpt(tmp_path, b'{"a": 1}\n', "a.jsonl", whole=False)[0]["columns_known"]
    assert not excerpt(tmp_path, b'{"a": 1}\n' * 9, "a.jsonl", rows=3)[0]["columns_known"]


def test_text_that_is_no_text(tmp_path: Path) -> None:
    data = json.dumps([{"a": "x\0"}, {"a": "y"}]).encode()
    _, records = excerpt(tmp_path, data, "a.json")
    assert [what for _, what in records] == ["encoding-error", ["y"]]
