"""What the tests of the table reader share: strategies for odd tables, and plain reference versions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.records.exact import ExactRecord, read_exact
from ingestor.tabular.records.slices import Slice
from ingestor.tabular.records.syntax import Dialect

COMMA = Dialect()

# Few tokens, so that quotes meet delimiters and line ends in every way.
_TOKENS = [b",", b'"', b'"', b"\n", b"\r", b"\r\n", b"a", "é".encode(), b"\xc3"]
tables = st.lists(st.sampled_from(_TOKENS), max_size=40).map(b"".join)
limits = st.sampled_from([3, 5, 8, 100]).map(lambda size: Limits(max_record_bytes=size))


def chunked(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data cut at these places (taken modulo its length)."""
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    edges = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def reference_slices(data: bytes, target_bytes: int, max_rows: int, limits: Limits) -> list[Slice]:
    """Slices cut record by record, as RecordDelimiter's docstring says."""
    records = list(read_exact(data, COMMA, limits=limits))
    slices: list[Slice] = []
    first = 0
    while first < len(records):
        stop = first + 1
        while (
            stop < len(records)
            and records[stop].end - records[first].start <= target_bytes
            and stop - first < max_rows
        ):
            stop += 1
        run = records[first:stop]
        text = data[run[0].start : run[-1].end]
        if len(run) == 1 and run[0].broken and len(text.rstrip(b"\r\n")) > limits.max_record_bytes:
            text = text[: limits.max_record_bytes + 1]
        next_line = records[stop].line if stop < len(records) else len(data.splitlines())
        slices.append(
            Slice(text, first + 1, len(run), run[0].line + 1, run[0].start, run[-1].end, next_line + 1)
        )
        first = stop
    return slices


def without_offsets(records: Sequence[ExactRecord], first_line: int = 0) -> list[tuple[object, ...]]:
    """What a record is, wherever it stands: its line, its cells or how it is broken."""
    return [(record.line + first_line, record.cells, record.broken) for record in records]
