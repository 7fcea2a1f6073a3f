"""How often a flawed file is silently read as something else: see docs/accuracy.md, which shows the table."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.parsers.delimited import DelimitedParser
from ingestor.tabular.records.header import read_header
from ingestor.tabular.records.slices import RecordDelimiter
from ingestor.tabular.records.syntax import Dialect
from tests.unit.tabular.pollution import CLEAN, Reading, Row, clean_text, polluted, read_all, shown, table_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "accuracy.md"


def read_fast(text: str, delimiter: str) -> Reading:
    """As orchestrator and processor do."""
    data, dialect = text.encode(), Dialect(delimiter)
    header = read_header(data, dialect, True)
    assert header is not None
    cutter = RecordDelimiter(dialect, start_offset=header.byte_end, first_line=header.line_count + 1)
    rows: list[Row] = []
    rejected = 0
    for piece in cutter.feed(data[header.byte_end :]) + cutter.finish():
        table = read_csv_slice(piece.data, len(header.columns), dialect)
        rows += zip(*(column.to_pylist() for column in table.columns), strict=True)
        rejected += len(table.rejected)
    return Reading(tuple(rows), rejected)


def read_exactly(text: str, delimiter: str, escape: str = "") -> Reading:
    """As the converter does for dialects that the fast reader does not know."""
    rows: list[Row] = []
    rejected = 0
    options = ReadOptions(
        encoding="utf-8", delimiter=delimiter, escape_char=escape or None, double_quote=not escape
    )
    with DelimitedParser().open(io.BytesIO(text.encode()), options, DEFAULT_LIMITS) as table:
        for block in table.blocks():
            rows += zip(*(column.to_pylist() for column in block.columns), strict=True)
            rejected += len(block.rejected)
    return Reading(tuple(rows), rejected)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
def test_a_flaw_is_told(delimiter: str, line_end: str) -> None:
    assert read_fast(clean_text(delimiter, line_end), delimiter) == Reading(CLEAN, 0)
    results, wrong = read_all(lambda text: read_fast(text, delimiter), delimiter, line_end)
    print(table_of(results))  # noqa: T201 - pytest -s shows it
    # What remains has a line break in it, or lost the quote of a cell that has one; docs/accuracy.md says
    # why.
    kinds = {file.kind for file in wrong}
    assert kinds <= {
        "add line end", "add other line end", "replace quote by line end", "replace quote by other line end",
        "add quote", "delete quote",
    }, shown(wrong)  # fmt: skip
    for file in wrong:
        reading = read_fast(file.text, delimiter)
        assert reading.rejected, f"not reported: {file}"
        if file.kind in ("add quote", "delete quote"):
            assert "two" in file.text[file.place - 8 : file.place + 8]  # the cell of two lines


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_flaw_is_told_where_quotes_are_escaped(line_end: str) -> None:
    def read(text: str) -> Reading:
        return read_exactly(text, ",", "\\")

    assert read(clean_text(",", line_end, "\\")) == Reading(CLEAN, 0)
    results, wrong = read_all(read, ",", line_end, "\\")
    print(table_of(results))  # noqa: T201 - pytest -s shows it
    if line_end == "\n":
        assert table_of(results) in DOCUMENT.read_text("utf-8"), table_of(results)
    for file in wrong:
        assert read(file.text).rejected, f"not reported: {file}"


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_both_readers_read_the_same(delimiter: str) -> None:
    for line_end in ("\n", "\r\n", "\r"):
        for file in polluted(delimiter, line_end):
            assert read_fast(file.text, delimiter) == read_exactly(file.text, delimiter), file


def test_the_document_shows_the_table() -> None:
    results, _ = read_all(lambda text: read_fast(text, ","), ",", "\n")
    assert table_of(results) in DOCUMENT.read_text("utf-8"), table_of(results)
