"""Parquet's types as text: exact, in the words that the field types and PostgreSQL read."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.parquet import ParquetParser


def read(table: pa.Table, **options: Any) -> list[list[str | None]]:
    """The columns of a table that was written to a file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    with ParquetParser().open(buffer, ReadOptions(), DEFAULT_LIMITS) as found:
        blocks = list(found.blocks())
    return [
        [cell for block in blocks for cell in block.columns[position].to_pylist()]
        for position in range(table.num_columns)
    ]


ARRAYS: list[tuple[Any, list[str | None]]] = [
    (pa.array([1_500_000_000, 1_500_000_001, None], pa.timestamp("ns")),
     ["1970-01-01T00:00:01.500000000", "1970-01-01T00:00:01.500000001", None]),
    (pa.array([-5_000], pa.timestamp("ns", "UTC")), ["1969-12-31T23:59:59.999995000Z"]),
    (pa.array([45_296_123_456_789, 45_296_123_456_000, 0], pa.time64("ns")),
     ["12:34:56.123456789", "12:34:56.123456", "00:00:00"]),
    (pa.array([86_399_999_999, None], pa.time64("us")), ["23:59:59.999999", None]),
    (pa.array([1500], pa.time32("ms")), ["00:00:01.5"]),
    (pa.array([90_061_500_000, -1, 0, None], pa.duration("us")),
     ["PT25H1M1.5S", "-PT0.000001S", "PT0S", None]),
    (pa.array([1_000, 1], pa.duration("ns")), ["PT0.000001S", "PT0.000000001S"]),
    (pa.array([b"\0\xff", b"", None]), [r"\x00ff", r"\x", None]),
    (pa.array([b"ab"], pa.binary(2)), [r"\x6162"]),
    (pa.array([Decimal("1.50"), Decimal("-0.05")], pa.decimal128(10, 2)), ["1.50", "-0.05"]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array([date(2024, 2, 29), None]), ["2024-02-29", None]),
    (pa.array([1.1, 16_777_216, None], pa.float32()), ["1.1", "16777216.0", None]),
    (pa.array([0.1, 1e22, None]), ["0.1", "1e+22", None]),
    (pa.array([None, -1, 1_500], pa.timestamp("ms", "Europe/Berlin")),
     [None, "1969-12-31T23:59:59.999000Z", "1970-01-01T00:00:01.500000Z"]),
    (pa.array([253_402_300_800_000_000, -62_167_219_200_000_000], pa.timestamp("us")),
     ["10000-01-01T00:00:00.000000", "0000-01-01T00:00:00.000000"]),
    (pa.array([[1.5, None], [], None]), ["[1.5,null]", "[]", None]),
    (pa.array([{"a": 1, "b": b"\x01", "c": "é"}, None]), [r'{"a":1,"b":"\\x01","c":"é"}', None]),
    (pa.array([[{"t": 1_501, "d": Decimal("1.50")}]],
              pa.list_(pa.struct([("t", pa.timestamp("ns")), ("d", pa.decimal128(5, 2))]))),
     ['[{"t":"1970-01-01T00:00:00.000001501","d":"1.50"}]']),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), ['[["k",1]]']),
]  # fmt: skip


@pytest.mark.parametrize(("array", "texts"), ARRAYS, ids=lambda value: str(getattr(value, "type", ""))[:30])
def test_types_as_text(array: Any, texts: list[str | None]) -> None:
    assert read(pa.table({"x": array})) == [texts]
    # Slices, as large files have them, read like the whole.
    if not pa.types.is_dictionary(array.type):
        twice = pa.table({"x": pa.concat_arrays([array] * 7_000)})
        assert read(twice)[0] == texts * 7_000


DECIMALS = st.decimals(-(10**12), 10**12, places=6).map(float)


@given(st.lists(st.none() | st.floats() | DECIMALS | st.integers(-(10**18), 10**18).map(float)))
@example([1e9, 1e9 - 0.1, 1e-4, 9.999999e-5, -0.0, 1e15, 1e16, 1e17, math.nan, -math.inf])
def test_floats_are_written_as_python_does(numbers: list[float | None]) -> None:
    texts = [None if number is None else repr(number) for number in numbers]
    assert read(pa.table({"x": pa.array(numbers, pa.float64())})) == [texts]


def test_int96_keeps_its_years_and_its_nanoseconds() -> None:
    moments = [
        datetime(1, 1, 1),
        datetime(2024, 2, 29, 12, 0, 0, 5),
        datetime(9999, 12, 31, 23, 59, 59),
        None,
    ]
    table = pa.table({"id": pa.array([1, 2, 3, 4]), "at": pa.array(moments, pa.timestamp("us"))})
    found = read(table, use_deprecated_int96_timestamps=True)
    assert found[1] == [
        "0001-01-01T00:00:00.000000", "2024-02-29T12:00:00.000005", "9999-12-31T23:59:59.000000", None,
    ]  # fmt: skip
    exact = pa.table({"at": pa.array([1_500_000_001, -1_500_000_000], pa.timestamp("ns"))})
    assert read(exact, use_deprecated_int96_timestamps=True) == [
        ["1970-01-01T00:00:01.500000001", "1969-12-31T23:59:58.500000"]
    ]


def test_labels_may_stand_twice() -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert read(table) == [["1"], ["2"]]


def test_moments_with_a_zone_are_in_utc() -> None:
    moments = pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("ms", "Europe/Berlin"))
    assert read(pa.table({"x": moments})) == [["2024-01-01T00:00:00.000000Z"]]
