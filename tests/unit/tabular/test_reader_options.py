"""Options of delimited text, read as plan and reader of the suite do it."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.convert import open_plan
from ingestor.tabular.files.formats import is_fast
from ingestor.tabular.files.sample import Sample, read_sample
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import OptionsError, parse_options
from ingestor.tabular.parsers.delimited import DelimitedParser
from ingestor.tabular.records.text_records import RecordReader

Rows = list[tuple[str | None, ...]]


def read(text: str | bytes, **options: Any) -> Sample:
    data = text.encode() if isinstance(text, str) else text
    return read_sample(io.BytesIO(data), len(data), "t.csv", parse_options(options))


def rows_of(sample: Sample) -> Rows:
    return list(zip(*sample.cells, strict=True))


def codes_of(sample: Sample) -> dict[int, str]:
    return {record.row_number: record.errors[0].code for record in sample.rejected}


def slowly(text: str, **options: Any) -> tuple[tuple[str, ...], Rows, dict[int, str]]:
    """The columns, the rows and the codes of the rejected records, read by the reader in Python."""
    data = text.encode()
    how = open_plan(io.BytesIO(data), len(data), "t.csv", parse_options(options))
    with DelimitedParser().open(io.BytesIO(data), how.options, DEFAULT_LIMITS) as table:
        (block,) = table.blocks()
        rows = list(zip(*(column.to_pylist() for column in block.columns), strict=True))
        return table.columns, rows, {row.row_number: row.errors[0].code for row in block.rejected}


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("a||b\n1||x|y\n", {"delimiter": "||"}, [("1", "x|y")]),
        ('a~|~b\n"1~|~2"~|~x\n3~|~~|\n', {"delimiter": "~|~"}, [("1~|~2", "x"), ("3", "~|")]),
        ('"id", "name"\n1, "An, na"\n', {"delimiter": ",", "skipInitialSpace": True}, [("1", "An, na")]),
        (
            "  id  name   x\n   1  Anna   7\n  22  Bo    -1  \n",
            {"delimiter": " ", "skipInitialSpace": True},
            [("1", "Anna", "7"), ("22", "Bo", "-1")],
        ),
        ('a b\n1 "x  y"\n', {"delimiter": " ", "skipInitialSpace": True}, [("1", "x  y")]),
        (
            'id,path,gone\n1,"C:\\temp\\new",\\N\n2,"say \\"hi\\"",x\\,y\n3,\\\\,z\\\n',
            {"escapeChar": "\\", "doubleQuote": False},
            [("1", "C:\\temp\\new", "\\N"), ("2", 'say "hi"', "x,y"), ("3", "\\", "z\\")],
        ),
        (
            'a,b\n"x\\,y",\\"q\\"\n',
            {"escapeChar": "\\", "quoting": False},
            [('"x,y"', '"q"')],
        ),
        ("a||b\n1\\||2||x\\|\n", {"delimiter": "||", "escapeChar": "\\"}, [("1||2", "x\\|")]),
    ],
)
def test_dialects(text: str, options: dict[str, Any], rows: Rows) -> None:
    sample = read(text, **options)
    assert rows_of(sample) == rows
    assert sample.rejected == []


@given(
    text=st.text(st.sampled_from('a ,|\\"\n\r'), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    delimiter=st.sampled_from([",", "||", " ", ", "]),
    space=st.booleans(),
    escape=st.sampled_from(["", "\\"]),
)
def test_pieces_do_not_matter(text: str, cuts: list[int], delimiter: str, space: bool, escape: str) -> None:
    options = parse_options(
        {"delimiter": delimiter, "skipInitialSpace": space, **({"escapeChar": escape} if escape else {})}
    )
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    whole = list(RecordReader(iter([text]), options, DEFAULT_LIMITS).records())
    assert list(RecordReader(iter(pieces), options, DEFAULT_LIMITS).records()) == whole


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delimiter": ""}, "delimiter: must have 1 to 8 characters, none of them a line end"),
        ({"delimiter": "123456789"}, "delimiter: must have 1 to 8 characters, none of them a line end"),
        ({"delimiter": "|\n"}, "delimiter: must have 1 to 8 characters, none of them a line end"),
        ({"delimiter": ',"'}, "delimiter and quoteChar must differ"),
        ({"delimiter": "#", "commentChar": "#"}, "delimiter and commentChar must differ"),
        ({"delimiter": "~|", "escapeChar": "|"}, "delimiter and escapeChar must differ"),
        ({"columns": []}, "columns: must have 1 to 1592 labels, one for each column of the file"),
        ({"rowNames": True, "header": False}, "rowNames goes with a header"),
        ({"emptyQuoted": "empty"}, "emptyQuoted: must be 'null' or 'text'"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionsError) as refused:
        parse_options(options)
    assert problem in str(refused.value)


def test_options_that_do_not_go_together() -> None:
    with pytest.raises(OptionsError, match="delimiter and commentChar must differ"):
        parse_options({"commentChar": ";"}).over(parse_options({"delimiter": ";"}))
    with pytest.raises(UnreadableFileError, match="delimiter and commentChar must differ"):
        read("a,b\n1,2\n3,4\n", commentChar=",")


BOTH = pytest.mark.parametrize("more", [{}, {"commentChar": "#"}], ids=["fast", "in Python"])


@BOTH
def test_rows_that_hold_nothing_are_blank(more: dict[str, Any]) -> None:
    sample = read('id,name\n1,a\n,\n"",\n2,b\n,,,\n\n ,\n   \n ,,\t\n', **more)
    assert rows_of(sample) == [("1", "a"), ("2", "b"), (" ", "")]
    assert codes_of(sample) == dict.fromkeys((2, 3, 5, 6, 8, 9), "blank-row")
    assert {record.state for record in sample.rejected} == {"skipped"}


@BOTH
def test_a_delimiter_at_the_end_of_the_rows_is_no_cell(more: dict[str, Any]) -> None:
    sample = read('id,name\n1,a,\n2,b,,""\n3,c\n4,d,x\n5,"e",\n', **more)
    assert rows_of(sample) == [("1", "a"), ("2", "b"), ("3", "c"), ("5", "e")]
    assert sample.row_numbers == [1, 2, 3, 5]
    assert codes_of(sample) == {4: "extra-cell"}
    (notice,) = sample.notices
    assert (notice.code, notice.rows, notice.row_numbers) == ("empty-cells-dropped", 3, (1, 2, 5))


@BOTH
def test_a_single_empty_cell_too_many_is_an_error(more: dict[str, Any]) -> None:
    # It may as well be a delimiter too many before it, which shifted the cells.
    text = "id,name\n1,a,\n2,b\n3,c\n"
    assert codes_of(read(text, **more)) == {1: "extra-cell"}
    declared = read(text, extraEmptyCells="drop", **more)
    assert rows_of(declared) == [("1", "a"), ("2", "b"), ("3", "c")]
    assert codes_of(read("id,name\n1,a,\n2,b,\n", extraEmptyCells="error", **more)) == {
        1: "extra-cell",
        2: "extra-cell",
    }


@BOTH
def test_columns_at_the_end_without_label_and_content_are_not_read(more: dict[str, Any]) -> None:
    sample = read("id,name,,\n1,a,,\n2,b,,\n", **more)
    assert sample.names == ("id", "name")
    assert rows_of(sample) == [("1", "a"), ("2", "b")]
    assert "empty-columns-not-read" in {notice.code for notice in sample.notices}
    kept = read("id,name,,\n1,a,,x\n2,b,,\n", **more)
    assert kept.names == ("id", "name", "column_3", "column_4")
    assert read("id,name,\n1,a,\n", extraEmptyCells="error", **more).names == ("id", "name", "column_3")


@BOTH
def test_without_a_header_most_records_decide(more: dict[str, Any]) -> None:
    sample = read('1,"Bert" x\n2,Carl\n3,Dora\n4,5,6\n', header=False, **more)
    assert sample.names == ("column_1", "column_2")
    assert rows_of(sample) == [("2", "Carl"), ("3", "Dora")]
    assert codes_of(sample) == {1: "quote-error", 4: "extra-cell"}
    declared = read("1,2\n3,4,5\n6,7\n", header=False, columns=["a", "b", "c"], **more)
    assert declared.names == ("a", "b", "c")
    assert codes_of(declared) == {1: "missing-cell", 3: "missing-cell"}


@BOTH
@pytest.mark.parametrize("header", ["x,y", 'x,"y" z', "x,y,z", "\xff", '"x,y'])
def test_declared_columns_count_instead_of_the_header(header: str, more: dict[str, Any]) -> None:
    data = header.encode("latin-1") + b"\n1,2\n"
    sample = read(data, columns=["a", "b"], encoding="utf-8", **more)
    assert sample.labels == ("a", "b")
    assert rows_of(sample) == [("1", "2")]
    assert is_fast(sample.plan.options) == (not more)


@BOTH
@pytest.mark.parametrize("header", [b"id,n\xe4me", b"id,n\0me"])
def test_a_header_that_is_no_text(header: bytes, more: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read(header + b"\n1,x\n", encoding="utf-8", **more)
    assert refused.value.reason == "HEADER_UNREADABLE"


@BOTH
def test_row_names(more: dict[str, Any]) -> None:
    sample = read('"mpg","cyl"\n"Mazda",21,6\n"Fiat",32,4\n"Audi",3\n', rowNames=True, **more)
    assert sample.names == ("row_name", "mpg", "cyl")
    assert rows_of(sample) == [("Mazda", "21", "6"), ("Fiat", "32", "4")]
    assert codes_of(sample) == {3: "missing-cell"}
    assert read("row_name,b\n1,2,3\n", rowNames=True, **more).names == ("row_name", "row_name_2", "b")


@BOTH
def test_a_byte_order_mark_further_down(more: dict[str, Any]) -> None:
    text = '\ufeffid,name\n1,x\n\ufeff2,y\n\ufeff"3",z\n4,\ufeff\n'
    sample = read(text, **more)
    assert rows_of(sample) == [("1", "x"), ("4", "\ufeff")]
    assert codes_of(sample) == {2: "encoding-error", 3: "encoding-error"}
    assert all("byte order mark" in record.errors[0].message for record in sample.rejected)
    assert codes_of(read("\ufeff1,x\n2,y\n", header=False, **more)) == {}


@BOTH
def test_a_stray_nul_costs_its_row(more: dict[str, Any]) -> None:
    sample = read(b"id,name\n1,a\0b\n2,c\n", **more)
    assert rows_of(sample) == [("2", "c")]
    assert codes_of(sample) == {1: "encoding-error"}


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 8, b"\0\1\2\0" * 100, b"\x89PNG\0\0", b"BM" + bytes(200) + b"\xff" * 99]
)
def test_binary_data_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read(data)
    assert refused.value.reason == "UNSUPPORTED_FILE_TYPE"


@BOTH
def test_empty_text_in_quotes(more: dict[str, Any]) -> None:
    text = 'id,name,x\n1,"",\n2,,""\n,,\n"","",""\n'
    sample = read(text, emptyQuoted="text", **more)
    assert rows_of(sample) == [("1", "", None), ("2", None, ""), ("", "", "")]
    assert codes_of(sample) == {3: "blank-row"}


@given(
    rows=st.lists(
        st.lists(st.sampled_from(["", '""', "a", '"b"', " ", '" "', '"c""d"']), min_size=1, max_size=5),
        max_size=8,
    ),
    drop=st.sampled_from([None, "drop", "error"]),
    empty=st.sampled_from(["null", "text"]),
)
def test_both_readers_agree(rows: list[list[str]], drop: str | None, empty: str) -> None:
    text = "x,y,z\n" + "".join(",".join(cells) + "\n" for cells in [["1", "2", "3"], *rows])
    layout = {
        "skipLines": 0,
        "header": True,
        "headerRows": 1,
        "skipFooter": 0,
        "rowNames": False,
        "skipInitialSpace": False,
    }
    options = {
        "delimiter": ",",
        "emptyQuoted": empty,
        **layout,
        **({"extraEmptyCells": drop} if drop else {}),
    }
    fast = read(text, **options)
    assert is_fast(fast.plan.options)
    assert slowly(text, **options) == (fast.names, rows_of(fast), codes_of(fast))
