"""Dialects and their detection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.detection.dialects import COMMON
from ingestor.tabular.detection.table import find_table
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.syntax import Dialect


def found_in(text: str, whole: bool = True, name: str = "", **declared: object) -> dict[str, object]:
    """The detected options."""
    options = ReadOptions.model_validate(declared)
    return find_table(text, options, whole=whole, file_name=name).options


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("", ","),
        ("one\n1\n2\n", ","),
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n3,5;4\n", ";"),
        ("a;b;c\n1,5;2,5;x\n1,5;2,5;y\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b|c\r\n1|2|3\r\n", "|"),
        ('"a;b","c;d"\n"1;2","3;4"\n', ","),
        ('"a,b";c\n"1,2";3\n', ";"),
        ('"a\nb";c\n1;2\n', ";"),
        ("name,note\nx,a;b;c\ny,d;e;f\n", ","),
        ("a;b;c", ";"),
        # Every row is of a wrong width; the header decides.
        ("a;b;c\n1;2\n3;4\n", ";"),
        ("a,b\n1,2", ","),
    ],
)
def test_plain_files_give_a_delimiter_and_nothing_else(sample: str, delimiter: str) -> None:
    assert found_in(sample) == {"delimiter": delimiter}


@given(
    delimiter=st.sampled_from(COMMON),
    rows=st.lists(st.lists(st.text("ab1. ", min_size=1), min_size=3, max_size=3), min_size=1, max_size=8),
    cut=st.integers(0, 30),
)
def test_detects_plain_tables_also_from_a_part(delimiter: str, rows: list[list[str]], cut: int) -> None:
    lines = [delimiter.join(cells) + "\n" for cells in [["x", "y", "z"], *rows]]
    sample = "".join(lines)
    found = found_in(sample[: len(sample) - cut] if cut < len(sample) - 6 else sample)
    assert found["delimiter"] == delimiter


@pytest.mark.parametrize(
    ("delimiter", "quote"),
    [("", '"'), ("ab", '"'), ("é", '"'), ("\n", '"'), (",", ""), (",", ","), (",", "\0")],
)
def test_senseless_dialects_are_refused(delimiter: str, quote: str) -> None:
    with pytest.raises(ValueError):
        Dialect(delimiter, quote)
