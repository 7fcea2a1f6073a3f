"""Text that the library's reader splits is split as the reader of this project splits it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.tabular.detection.text import Form, _split, split
from ingestor.tabular.options import parse_options
from ingestor.tabular.records import width
from ingestor.tabular.records.quick_text import quick_lines, quick_records

# Texts that are right, and others where anything may stand.
_RIGHT = st.sampled_from(["", "a", " ", "é b", '"a"', '""', '"a,b"', '"a""b"'])
_CELLS = _RIGHT | st.sampled_from(['"', 'a"b', '"a" ', '"a', 'b"', "\0", "\r"])


def _text(cells: st.SearchStrategy[str], lasts: list[str]) -> st.SearchStrategy[str]:
    lines = st.lists(st.lists(cells, max_size=4).map(",".join), max_size=8)
    ends = st.sampled_from(["\n", "\r\n"])
    return st.builds(lambda made, end, last: end.join([*made, last]), lines, ends, st.sampled_from(lasts))


_TEXTS = (
    _text(_RIGHT, ["", "a,b", '"a']) | _text(_CELLS, ["", "a\r\r", '"a']) | st.text('a ,;"\r\n', max_size=30)
)


@given(_TEXTS, st.sampled_from([",", ";", " ", "a"]), st.sampled_from(['"', "'", ""]), st.integers(1, 9))
@settings(max_examples=300)
def test_detection_finds_the_same_records(text: str, delimiter: str, quote: str, most: int) -> None:
    form = Form(delimiter, quote)
    assert split(text, form, most=most, first_line=3) == _split(text, form, most, 3)


@given(
    _TEXTS,
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "header": st.booleans(),
            "skipLines": st.integers(0, 3),
            "headerRows": st.integers(1, 3),
            "quoting": st.booleans(),
            "emptyQuoted": st.just("text"),
            "delimiter": st.sampled_from([";", "||"]),
            "commentChar": st.just("#"),
        },
    ),
)
@settings(max_examples=300)
def test_the_width_is_the_same(text: str, whole: bool, dialect: dict[str, Any]) -> None:
    if dialect.get("header") is False:
        dialect.pop("headerRows", None)
    options = parse_options(dialect)
    quickly, found = width._records(text, whole, options), width.detect_width(text, whole, options)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(width, "quick_lines", lambda *_: None)
        assert list(map(_texts, quickly)) == list(map(_texts, width._records(text, whole, options)))
        assert found == width.detect_width(text, whole, options)


def _texts(cells: width.Row | None) -> list[str] | None:
    return None if cells is None else [cell or "" for cell in cells]


def test_what_is_regular_takes_the_quick_way() -> None:
    lines = quick_lines('a,"b ""c"""\r\n\r\n"d, e",\n', 9)
    assert lines == ['a,"b ""c"""', "", '"d, e",']
    assert quick_records(lines, ",", '"') == [["a", 'b "c"'], [], ["d, e", ""]]


@pytest.mark.parametrize("text", ['a"b', '"a"b', '"a" ,b', '"a', 'a,"b""', 'a,b"c"', '"a\nb"'])
def test_a_quote_at_another_place_takes_a_closer_look(text: str) -> None:
    assert quick_records(["a,b", *text.split("\n"), "c,d"], ",", '"') is None


def test_long_lines_and_those_that_end_with_cr_take_a_closer_look() -> None:
    assert quick_lines("a" * 9_000, 9) is None
    assert quick_lines("a\rb\n", 9) is None
    assert quick_lines("a\nb\nc", 2) == ["a", "b"]
