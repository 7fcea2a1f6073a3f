"""Columns and rejected records are those of the exact reader, whatever pyarrow makes of the bytes."""

from __future__ import annotations

import csv
import io
from unittest.mock import patch

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.parsers.slice_records import MAX_TEXT_CHARACTERS, SliceRecords
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.syntax import BrokenKind, Dialect
from ingestor.tabular.text_table import TextTable
from tests.unit.tabular.tables import COMMA


def rows_of(table: TextTable) -> list[tuple[str, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def rejections_of(table: TextTable) -> list[tuple[object, ...]]:
    return [
        (record.row_number - 1, record.line_number - 1, record.errors[0].code, record.cells)
        for record in table.rejected
    ]


def is_text(record: bytes) -> bool:
    try:
        return "\0" not in record.decode()
    except UnicodeDecodeError:
        return False


def expected(
    data: bytes, column_count: int, dialect: Dialect, limits: Limits
) -> tuple[list[tuple[str, ...]], list[tuple[int, int]], list[tuple[object, ...]]]:
    rows, places, rejected = [], [], list[tuple[object, ...]]()
    for index, record in enumerate(read_exact(data, dialect, limits=limits)):
        cells: tuple[str, ...] = ()
        if data.startswith(b"\xef\xbb\xbf", record.start):
            code = "encoding-error"
        elif record.broken is not None:
            code = "record-too-long" if record.broken is BrokenKind.TOO_LONG else "quote-error"
        elif not is_text(data[record.start : record.end]):
            code = "encoding-error"
        elif not any(
            cell if len(record.cells or ()) == column_count else cell.strip(b" \t")
            for cell in record.cells or ()
        ):
            code = "blank-row"
        else:
            assert record.cells is not None
            cells = tuple(cell.decode() for cell in record.cells)
            if len(cells) == column_count:
                rows.append(cells)
                places.append((index, record.line))
                continue
            code = "missing-cell" if len(cells) < column_count else "extra-cell"
        rejected.append((index, record.line, code, cells))
    return rows, places, rejected


@st.composite
def slices(draw: st.DrawFn) -> tuple[bytes, Dialect]:
    dialect = draw(st.sampled_from([COMMA, Dialect(";"), Dialect("\t", "'"), Dialect("|", '"')]))
    tokens = [
        dialect.delimiter,
        dialect.delimiter,
        dialect.quote,
        "\n",
        "\r",
        "\r\n",
        "a",
        "é",
        " ",
        "\\",
        "\ufeff",
    ]
    broken = draw(st.sampled_from([[], [b"\xc3"], [b"\0", b"\xff"]]))
    pieces = st.sampled_from([*(token.encode() for token in tokens), *broken])
    return b"".join(draw(st.lists(pieces, max_size=40))), dialect


@given(
    table=slices(), column_count=st.integers(1, 3), limits=st.sampled_from([Limits(5), Limits(100), Limits()])
)
@example(table=(b'""\n\n""\n', COMMA), column_count=1, limits=Limits())
@example(table=(b"\xef\xbb\xbfa,b\n", COMMA), column_count=2, limits=Limits())
@example(table=(b"\xef\xbb\xbf\xef\xbb\xbf\n", COMMA), column_count=1, limits=Limits())
@example(table=(b"a\r\nb\rc", COMMA), column_count=1, limits=Limits())
@example(table=(b"NULL,NA\n,\n", COMMA), column_count=2, limits=Limits())
@example(table=(b"", COMMA), column_count=2, limits=Limits())
def test_agrees_with_the_exact_reader(
    table: tuple[bytes, Dialect], column_count: int, limits: Limits
) -> None:
    data, dialect = table
    read = read_csv_slice(data, column_count, dialect, limits)
    rows, places, rejected = expected(data, column_count, dialect, limits)
    assert rows_of(read) == rows
    assert list(zip(read.row_index.tolist(), read.line_index.tolist(), strict=True)) == places
    assert rejections_of(read) == rejected
    assert read.record_count == len(rows) + len(rejected)
    assert not read.used_exact_reader
    for record in read.rejected:
        assert record.state == ("skipped" if record.errors[0].code == "blank-row" else "failed")
        assert "\0" not in record.errors[0].value
        record.errors[0].value.encode()


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_reads_what_the_csv_module_writes(rows: list[list[str]], line_end: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    read = read_csv_slice(out.getvalue().encode(), 3, COMMA)
    assert rows_of(read) == [tuple(row) for row in rows if any(row)]
    assert {record.errors[0].code for record in read.rejected} <= {"blank-row"}


def test_every_reason_is_told() -> None:
    data = (
        b"1,ok\n"
        b'2,bare"quote\n'
        b"\n"
        b"3\n"
        b"4,a,b\n"
        b"5,caf\xe9\n"
        b"6,nul\0\n"
        b'7,"two\nlines"\n' + b"8," + b"x" * 100 + b"\n"
        b'9,"open\n'
        b'10,"""q""",x\n'
        b"11,last"
    )
    limits = Limits(max_record_bytes=60)
    read = read_csv_slice(data, 2, COMMA, limits, first_row=100, first_line=200, byte_start=1000)
    assert rows_of(read) == [("1", "ok"), ("7", "two\nlines"), ("11", "last")]
    assert read.row_index.tolist() == [0, 7, 11]
    assert read.line_index.tolist() == [0, 7, 12]
    messages = [record.errors[0].message.split(" It begins at ") for record in read.rejected]
    assert [
        (record.row_number - 100, record.line_number - 200, record.errors[0].code, message)
        for record, (message, *_) in zip(read.rejected, messages, strict=True)
    ] == [
        (1, 1, "quote-error", "A quote stands inside an unquoted cell, or text follows a closing quote."),
        (2, 2, "blank-row", "The record is blank."),
        (3, 3, "missing-cell", "The record has 1 of 2 cells."),
        (4, 4, "extra-cell", "The record has 3 cells, the header has 2."),
        (
            5, 5, "encoding-error",
            'Byte 0xE9 ("é" in cp1252) at offset 5 of the record is not UTF-8. '
            "If the whole file is in another encoding, declare it.",
        ),
        (6, 6, "encoding-error", "The record holds a NUL byte at offset 5."),
        (8, 9, "record-too-long", "The record is longer than 60 bytes."),
        (9, 10, "quote-error", "A quoted cell is open at the end of the line and is never properly closed."),
        (10, 11, "extra-cell", "The record has 3 cells, the header has 2."),
    ]  # fmt: skip
    assert messages[0][1:] == ["byte 1005 of the file's text."]
    assert messages[1][1:] == []  # a skipped record
    assert messages[2][1:] == ["byte 1019 of the file's text."]
    assert all(len(message) == 2 for message in messages[2:])
    assert [record.errors[0].value for record in read.rejected[4:6]] == ["5,caf\\xe9", "6,nul\\x00"]
    assert read.rejected[-1].cells == ("10", '"q"', "x")


def test_text_is_capped() -> None:
    data = b"1," + "é".encode() * 5000 + b',"x\n'
    (record,) = read_csv_slice(data, 2, COMMA).rejected
    assert record.errors[0].value == "1," + "é" * (MAX_TEXT_CHARACTERS - 2)


def test_a_ten_mebibyte_cell() -> None:
    cell = '"\r\n,é' * (10 * 1024 * 1024 // 6)
    data = b'1,"' + cell.replace('"', '""').encode() + b'"\n2,b\n'
    read = read_csv_slice(data, 2, COMMA)
    assert read.columns[0].to_pylist() == ["1", "2"]
    assert read.columns[1][0].as_py() == cell
    assert read.line_index.tolist() == [0, 1 + cell.count("\n")]


def test_a_wide_table() -> None:
    data = b",".join(str(number).encode() for number in range(1592)) + b"\n"
    read = read_csv_slice(data * 3, 1592, COMMA)
    assert [column.to_pylist() for column in read.columns] == [[str(number)] * 3 for number in range(1592)]


def test_where_every_record_is_bad() -> None:
    read = read_csv_slice(b"a,b\n" * 20_000, 1, COMMA)
    assert [len(column) for column in read.columns] == [0]
    assert len(read.rejected) == read.record_count == 20_000


def test_a_table_has_a_column() -> None:
    with pytest.raises(ValueError, match="at least one column"):
        read_csv_slice(b"a\n", 0, COMMA)


DATA = b'a,"b\nc"\n\nd\ne,f\n"g",""\n'


@pytest.mark.parametrize(
    "fault",
    [
        pa.ArrowInvalid("straddling object"),
        pa.table({"0": ["a,b"], "1": ["c"]}),  # fewer rows than the scan found
        pa.table({"0": ["a"] * 9, "1": ["b"] * 9}),  # more
    ],
)
def test_where_pyarrow_disagrees_with_the_scan_the_exact_reader_reads(fault: object) -> None:
    # Only a fault of pyarrow's leads here, so one is put in its place.
    honest = read_csv_slice(DATA, 2, COMMA)
    effect = {"side_effect": fault} if isinstance(fault, Exception) else {"return_value": fault}
    with patch.object(pacsv, "read_csv", **effect):
        read = read_csv_slice(DATA, 2, COMMA)
    assert read.used_exact_reader and not honest.used_exact_reader
    assert rows_of(read) == rows_of(honest) == [("a", "b\nc"), ("e", "f"), ("g", "")]
    assert read.rejected == honest.rejected
    assert read.row_index.tolist() == honest.row_index.tolist() == [0, 3, 4]


TEXTS = st.text(st.sampled_from(",;\"\r\n'\\ aé\x00")).map(str.encode)
BYTES = st.lists(TEXTS | st.binary(max_size=3), min_size=2)


@given(cells=BYTES, delimiter=st.sampled_from([",", ";", "\t"]))
@example(cells=[b"x" * (csv.field_size_limit() + 1), b"a\nb"], delimiter=",")
def test_cells_of_one_record_are_those_of_the_exact_reader(cells: list[bytes], delimiter: str) -> None:
    dialect = Dialect(delimiter, '"')
    content = delimiter.encode().join(b'"' + cell.replace(b'"', b'""') + b'"' for cell in cells)
    limits = Limits(max_record_bytes=2**20)
    scan = scan_records(content, dialect, final=True, limits=limits)
    records = SliceRecords(content, scan, dialect, limits, 1, 1, None)
    assert records.cells(content) == tuple(cells)
    [exact] = read_exact(content, dialect, limits=limits)
    assert exact.cells == tuple(cells)
