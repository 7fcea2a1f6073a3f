"""Records that are split at once give what the reader in Python gives for each."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.notices import merged, shifted
from ingestor.outcomes import Notice
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import block_lines
from ingestor.tabular.options import OptionsError, ReadOptions, parse_options
from ingestor.tabular.parsers.delimited import DelimitedTable
from ingestor.tabular.records import text_blocks
from ingestor.tabular.records.split_text import TextDialect
from ingestor.tabular.records.text_records import Record, RecordReader

_DELIMITERS = [",", "|", "||", "~|~", "§", ", ", " ", "\t", "|§|", "\x01", "\x01\x02"]


@st.composite
def _dialects(draw: st.DrawFn) -> ReadOptions:
    options: dict[str, Any] = {
        "delimiter": draw(st.sampled_from(_DELIMITERS)),
        "skipInitialSpace": draw(st.booleans()),
        "quoteChar": draw(st.sampled_from(['"', "'", "«", "\x02"])),
        "quoting": draw(st.sampled_from([True, True, True, False])),
        "doubleQuote": draw(st.booleans()),
        "escapeChar": draw(st.sampled_from([None, "\\", "^", '"', "¬", "\x03"])),
        "commentChar": draw(st.sampled_from([None, "#", "♯", "\\"])),
        "skipFooter": draw(st.integers(0, 3)),
        "ragged": draw(st.sampled_from(["error", "pad"])),
        "emptyQuoted": draw(st.sampled_from(["null", "text"])),
        "extraEmptyCells": draw(st.sampled_from(["drop", "error"])),
        "columns": ["a", "b", "c"][: draw(st.integers(1, 3))],
        "header": draw(st.booleans()),
    }
    try:
        return parse_options({key: value for key, value in options.items() if value is not None})
    except OptionsError:
        return parse_options({"delimiter": options["delimiter"], "columns": options["columns"]})


@st.composite
def _texts(draw: st.DrawFn, options: ReadOptions) -> bytes:
    """A text that is mostly in order."""
    delimiter, quote = options.delimiter or ",", options.quote
    escape, comment = options.escape_char or "", options.comment_char or "#"
    inside = ["", "a", "bc", "ü", " ", "  ", delimiter, "\n", "\r\n", "\r", quote * 2, escape + quote]
    inside += [escape, escape * 2, escape + delimiter, comment, "\x01", "\x03", "\udcff", "\0", "x" * 30]
    plain = ["", "", "a", "b ", " c", "ü", "1.5", " ", escape, escape + quote, escape + delimiter, escape * 3]
    plain += ["\ufeff", "\udcff", "\0", comment, delimiter[:1], "\x02", quote, "x" * 30]
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))
    orderly = draw(st.booleans())  # without what is odd, so that records are told from quotes
    text = ""
    for _ in range(draw(st.integers(0, 12))):
        kind = 0 if orderly else draw(st.integers(0, 9))
        if kind == 9:
            text += (
                comment + draw(st.sampled_from(["", "it's", quote, delimiter])) + draw(st.sampled_from(ends))
            )
            continue
        if kind == 8:
            text += draw(st.text("".join({delimiter[0], quote, escape[:1] or "a", " ", "a"}), max_size=8))
        cells = []
        for _ in range(draw(st.integers(1, 4))):
            if draw(st.booleans()):
                parts = draw(st.lists(st.sampled_from(inside[:13] if orderly else inside), max_size=3))
                cells.append(draw(st.sampled_from(["", "", " "])) + quote + "".join(parts) + quote)
            else:
                cells.append(draw(st.sampled_from(plain[:12] if orderly else plain)))
        text += delimiter.join(cells) + draw(st.sampled_from(ends))
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return text.encode("utf-8", "surrogateescape")


@st.composite
def _files(draw: st.DrawFn) -> tuple[ReadOptions, bytes]:
    options = draw(_dialects())
    return options, draw(_texts(options))


def _read(data: bytes, options: ReadOptions, limits: Limits) -> object:
    try:
        table = DelimitedTable(text_pieces(io.BytesIO(data), "utf-8"), options, limits)
    except UnreadableFileError as error:
        return error.reason, str(error)
    lines: list[bytes] = []
    notices: list[Notice] = []
    count = 0
    for block in table.blocks():
        assert len(block.row_index) + len(block.rejected) == block.record_count
        lines.append(block_lines(block))
        notices += shifted(block.notices, count)
        count += block.record_count
    return table.columns, b"".join(lines).decode(errors="surrogateescape").split("\n"), merged(notices)


@given(
    file=_files(),
    size=st.sampled_from([1, 20, 10**6]),
    most=st.sampled_from([5, 40, 10**6]),
    rows=st.sampled_from([1, 3, 100]),
)
@example(
    file=(ReadOptions(comment_char="#", header=False, columns=("a", "b")), b'0,0\n#,"\n1,2\n",3\n4,5\n'),
    size=10**6,
    most=100,
    rows=100,
)
def test_as_each_record_alone(file: tuple[ReadOptions, bytes], size: int, most: int, rows: int) -> None:
    options, data = file
    limits = Limits(max_record_bytes=most, block_rows=rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_blocks, "_BLOCK_BYTES", size)
        together = _read(data, options, limits)
        patch.setattr(TextDialect, "of", lambda _: None)
        assert _read(data, options, limits) == together


@pytest.mark.parametrize(
    ("record", "cells", "options"),
    [
        ('1||"2||""3"', ("1", '2||"3', None), {"delimiter": "||"}),
        ('1,"a\\"b\\\\",\\,\\x', ("1", 'a"b\\', ",\\x"), {"escape_char": "\\", "double_quote": False}),
        ('1, "a\r\nb",  c', ("1", "a\r\nb", "c"), {"skip_initial_space": True}),
        ("1,«»,", ("1", "", None), {"quote_char": "«", "empty_quoted": "text"}),
        ("1¦«2¦3«¦4", ("1", "2¦3", "4"), {"delimiter": "¦", "quote_char": "«"}),
        ('1,"2"', ("1", '"2"', None), {"quoting": False}),
        ("1,2,3", ("1", "2", "3"), {"comment_char": "#"}),
        ("1,2,3,,", ("1", "2", "3"), {"skip_footer": 1, "extra_empty_cells": "drop"}),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_plain_records_are_split_at_once(
    record: str, cells: tuple[str, ...], options: dict[str, Any], line_end: str
) -> None:
    if options.get("quote_char") == "«":
        record = record.replace("»", "«")
    how = ReadOptions(columns=("a", "b", "c"), ragged="pad", header=False, **options)
    data = (record + line_end).encode() * 1001
    table = DelimitedTable(text_pieces(io.BytesIO(data), "utf-8"), how, Limits())
    alone = []

    def read_alone(_: RecordReader) -> Record | None:
        alone.append(1)
        return read(_)

    read = RecordReader.record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordReader, "record", read_alone)
        blocks = list(table.blocks())
    assert len(alone) <= 1  # the footer
    rows = [row for block in blocks for row in zip(*(c.to_pylist() for c in block.columns), strict=True)]
    assert rows == [cells] * (1001 - how.skip_footer)
