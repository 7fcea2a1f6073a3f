"""Lines that are split at once are split as character by character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.detection import text as detection
from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions, parse_options
from ingestor.tabular.records import text_records
from ingestor.tabular.records.quoted_line import quoted_line

TEXTS = st.text(alphabet='a ,;"\n\r', max_size=60)


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("", [None]),
        ("a,b", ["a", "b"]),
        ('"a,b"', ["a,b"]),
        ('"",', ["", None]),
        (',"b",', [None, "b", None]),
        ('"a",,"c"', ["a", None, "c"]),
        ('x,"a","b",,y', ["x", "a", "b", None, "y"]),
        ('"a""b"', None),
        ('a"b"', None),
        ('"a"b', None),
        ('"a",b"c"', None),
        ('"a', None),
        ('a,"b" ,c', None),
    ],
)
def test_cells(line: str, cells: list[str | None] | None) -> None:
    """What is split at once, and what takes a closer look."""
    assert quoted_line(line, ",", '"', None) == cells


def _slowly(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setattr(module, "quoted_line", lambda *_: None)


@given(TEXTS, st.sampled_from([",", ";", " "]))
def test_detection_splits_in_the_same_way(text: str, delimiter: str) -> None:
    """Where detection considers a dialect."""
    form = detection.Form(delimiter)
    quickly = detection.split(text, form)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _slowly(monkeypatch, detection)
        assert quickly == detection.split(text, form)


@given(
    st.lists(TEXTS, max_size=4),
    st.sampled_from(
        ['{"delimiter": ","}', '{"delimiter": ";", "emptyQuoted": "text"}', '{"doubleQuote": false}']
    ),
    st.integers(1, 40),
)
def test_the_reader_splits_in_the_same_way(pieces: list[str], dialect: str, most: int) -> None:
    """However the text arrives in pieces, and whatever the longest record is."""
    options = parse_options(dialect)
    quickly = list(_records(pieces, options, most))
    with pytest.MonkeyPatch.context() as monkeypatch:
        _slowly(monkeypatch, text_records)
        assert quickly == list(_records(pieces, options, most))


def _records(pieces: list[str], options: ReadOptions, most: int) -> Iterator[text_records.Record]:
    yield from text_records.RecordReader(iter(pieces), options, Limits(max_record_bytes=most)).records()
