"""Headers: where they end, what makes them unusable, and names that are unique."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.records.header import Header, HeaderError, HeaderReason, read_header, unique_columns
from tests.unit.tabular.tables import COMMA, tables

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"a,b\n1,2\n", Header(("a", "b"), 4, 1)),
        (b"a,b", Header(("a", "b"), 3, 1)),
        (BOM + b"a,b\r\n1,2\r\n", Header(("a", "b"), 8, 1)),
        (BOM + b'"a b",b\r', Header(("a b", "b"), 11, 1)),
        (b"\n\r\n\ra;b\n", Header(("a;b",), 8, 4)),
        (b'"two\nlines","say ""x"""\n1,2', Header(("two\nlines", 'say "x"'), 24, 2)),
        (b"a,,a\n", Header(("a", "", "a"), 5, 1)),
        ("größe\n".encode(), Header(("größe",), 8, 1)),
    ],
)
def test_header(data: bytes, header: Header) -> None:
    assert read_header(data, COMMA, final=True) == header


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", HeaderReason.FILE_EMPTY),
        (BOM, HeaderReason.FILE_EMPTY),
        (b"\n\r\n", HeaderReason.FILE_EMPTY),
        (b'a"b,c\n', HeaderReason.HEADER_UNREADABLE),
        (b'"a,c\n1,2\n', HeaderReason.HEADER_UNREADABLE),
        (b"a,\xff\n", HeaderReason.HEADER_UNREADABLE),
        (b"a,\0b\n", HeaderReason.HEADER_UNREADABLE),
        ("a,b\n".encode("utf-16"), HeaderReason.HEADER_UNREADABLE),
        ("a,b\n".encode("utf-16-le"), HeaderReason.HEADER_UNREADABLE),
        (b"\xfe\xff\0a", HeaderReason.HEADER_UNREADABLE),
        ("a,b\n".encode("utf-32"), HeaderReason.HEADER_UNREADABLE),
        (b"\0\0\xfe\xff\0\0\0a", HeaderReason.HEADER_UNREADABLE),
        (b"x" * 1024 * 1024 + b"x\n", HeaderReason.HEADER_TOO_LONG),
        (b"\n" * 1024 * 1024 + b"\n\nx\n", HeaderReason.HEADER_TOO_LONG),
        (b"," * 1592 + b"\n", HeaderReason.TOO_MANY_COLUMNS),
    ],
)
def test_unusable_headers(data: bytes, reason: HeaderReason) -> None:
    with pytest.raises(HeaderError) as caught:
        read_header(data, COMMA, final=True)
    assert caught.value.reason == reason
    assert caught.value.message.endswith(".")


def test_limits_may_be_reached() -> None:
    header = read_header(b"," * 1591 + b"\n", COMMA, final=True)
    assert header is not None and len(header.columns) == 1592
    header = read_header(b"x" * 1024 * 1024 + b"\r\n", COMMA, final=False)
    assert header is not None and header.byte_end == 1024 * 1024 + 2


@given(data=tables.map(lambda table: b"a,b\n"[: len(table) % 5] + table), cut=st.integers(0, 60))
def test_the_beginning_of_a_file_gives_its_header_or_asks_for_more(data: bytes, cut: int) -> None:
    def outcome(piece: bytes, *, final: bool) -> object:
        try:
            return read_header(piece, COMMA, final, Limits(max_header_bytes=20))
        except HeaderError as error:
            return error.reason

    early, whole = outcome(data[:cut], final=False), outcome(data, final=True)
    if early is not None:
        assert early == whole
    assert outcome(data + b"\n" * 25, final=False) is not None


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a", "b"], ("a", "b")),
        (["a", "a", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["", " ", "x"], ("column_1", "column_2", "x")),
        (["", "column_1"], ("column_1_2", "column_1")),
        (["A", "a"], ("A", "a")),
    ],
)
def test_unique_columns(labels: list[str], names: tuple[str, ...]) -> None:
    assert unique_columns(labels) == names


@given(labels=st.lists(st.sampled_from(["a", "a_2", "a_2_2", "", " ", "column_1", "column_2"]), max_size=9))
def test_names_are_unique_and_stable(labels: list[str]) -> None:
    names = unique_columns(labels)
    assert len(set(names)) == len(labels)
    assert all(name.strip() for name in names)
    assert unique_columns(names) == names
    # The first column with a label keeps it.
    for label in {label for label in labels if label.strip()}:
        assert names[labels.index(label)] == label
