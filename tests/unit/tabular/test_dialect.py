"""Dialects and their detection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.records.dialect import CANDIDATES, Dialect, detect_delimiter


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        (b"", ","),
        (b"one\n1\n2\n", ","),
        (b"a,b\n1,2\n", ","),
        (b"a;b\n1,5;2\n3,5;4\n", ";"),
        (b"a;b;c\n1,5;2,5;x\n1,5;2,5;y\n", ";"),
        (b"\xef\xbb\xbfa\tb\n1\t2\n", "\t"),
        (b"a|b|c\r\n1|2|3\r\n", "|"),
        (b'"a;b","c;d"\n"1;2","3;4"\n', ","),
        (b'"a,b";c\n"1,2";3\n', ";"),
        (b'"a\nb";c\n1;2\n', ";"),
        (b"name,note\nx,a;b;c\ny,d;e;f\n", ","),
        (b"a;b;c", ";"),
        # Every row is of a wrong width; the header decides.
        (b"a;b;c\n1;2\n3;4\n", ";"),
        (b"a,b\n1,2", ","),
    ],
)
def test_detects(sample: bytes, delimiter: str) -> None:
    assert detect_delimiter(sample) == Dialect(delimiter)


@given(
    delimiter=st.sampled_from(CANDIDATES),
    rows=st.lists(st.lists(st.text("ab1. ", min_size=1), min_size=3, max_size=3), min_size=1, max_size=8),
    cut=st.integers(0, 30),
)
def test_detects_plain_tables_also_from_a_part(delimiter: str, rows: list[list[str]], cut: int) -> None:
    lines = [delimiter.join(cells) + "\n" for cells in [["x", "y", "z"], *rows]]
    sample = "".join(lines).encode()
    assert detect_delimiter(sample[: len(sample) - cut] if cut < len(sample) - 6 else sample) == Dialect(
        delimiter
    )


@pytest.mark.parametrize(
    ("delimiter", "quote"),
    [("", '"'), ("ab", '"'), ("é", '"'), ("\n", '"'), (",", ""), (",", ","), (",", "\0")],
)
def test_senseless_dialects_are_refused(delimiter: str, quote: str) -> None:
    with pytest.raises(ValueError):
        Dialect(delimiter, quote)
