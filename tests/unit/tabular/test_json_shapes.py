"""Lines of a known shape give what each of them gives alone."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import block_lines
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers import json_lines
from ingestor.tabular.parsers.json_lines import JsonLinesTable
from ingestor.tabular.parsers.json_shapes import LineBlock, line_blocks

_NAMES = ["id", "name", "Straße", "a b", 'x"y', "u\\v", "\ud800", ""]
_VALUES = [
    *(1, 1.5, -0.0, 1e10, 10**30, True, False, None, float("nan"), [1], {"a": 1}),
    *("abc", "1.50", "2024-01-02", "true", "null", "", 'a"b', "a\\", '\\\\"', "ü", "\u2028", "\n", "\t"),
    *("\0", "\ud83d", "12:30", "x" * 50, "{", "}", ",", ":", "[1]"),
]  # fmt: skip
_ODD = [
    *('{"id":1', '{"id":01}', '{"id":1}}', '{"id":1,}', '{"id":1 "name":2}', '{"id":+1}', '{"id":1}x', "5"),
    *('{"id"\\:1}', '{"id":"a"b"}', '{"id":nul}', '{"id":"\\u0000"}', '{"id":"\\ud800"}', '{"id":"\\q"}'),
    *('{"id":"\\"}', '{"id":1,"id":2}', "{}", "{,}", '{"id":}', "{:1}", '{"id":"a\tb"}', '{"id":1.}', '"a"'),
    *('{"id":.5}', '{"id":-}', '{"id":1e}', "", "  \t", '{"id":"a" "b"}', '{id:1}', '{"id":"\udcff"}', "[1]"),
]  # fmt: skip
_PAIRS = [(",", ":"), (", ", ": "), (" ,\t", "  :  "), (" " * 20 + ",", ":" + " " * 20)]


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    shapes = draw(
        st.lists(st.lists(st.sampled_from(_NAMES), min_size=1, unique=True), min_size=1, max_size=3)
    )
    lines = []
    for _ in range(draw(st.integers(0, 20))):
        if draw(st.integers(0, 9)) == 0:
            lines.append(draw(st.sampled_from(_ODD)))
            continue
        value: dict[str, Any] = {
            name: draw(st.sampled_from(_VALUES)) for name in draw(st.sampled_from(shapes))
        }
        text = json.dumps(value, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from(_PAIRS)))
        lines.append(draw(st.sampled_from(["", " "])) + text + draw(st.sampled_from(["", " ", "\r", " \t"])))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    escapes = "\udcff" in text and not {"\ud800"} & set(text)  # only those are bytes
    return text.encode("utf-8", "surrogateescape" if escapes else "replace")


def _read(data: bytes, limits: Limits, skip: int) -> object:
    try:
        table = JsonLinesTable(io.BytesIO(data), ReadOptions(skip_lines=skip), limits)
    except UnreadableFileError as error:
        return error.reason, str(error)
    return table.columns, b"".join(block_lines(block) for block in table.blocks())


@given(_files(), st.sampled_from([40, 10**6]), st.sampled_from([1, 3, 10_000]), st.integers(0, 3))
def test_as_each_line_alone(data: bytes, most: int, rows: int, skip: int) -> None:
    limits = Limits(max_record_bytes=most, block_rows=rows)
    together = _read(data, limits, skip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "_MOST_SHAPES", 0)
        assert _read(data, limits, skip) == together


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ('"a"', "a"),
        ('"a\\"b\\\\"', 'a"b\\'),
        ('"1.50"', "1.50"),
        ("1.50", "1.50"),
        ("null", None),
        ("true", "true"),
        ('"é\\u00e9"', "éé"),
    ],
)
def test_lines_of_a_shape_are_not_decoded(
    written: str, cell: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f'{{"id": {number}, "text": {written}}}' for number in range(1000)]
    table = JsonLinesTable(io.BytesIO("\n".join(lines).encode()), ReadOptions(), Limits())

    def refuse(*_: object, **__: object) -> object:
        raise AssertionError("a line was decoded alone")

    monkeypatch.setattr(JsonLinesTable, "_row", refuse)
    [block] = table.blocks()
    assert [column[999].as_py() for column in block.columns] == ["999", cell]


@given(st.text("ab\n", max_size=60), st.integers(1, 10), st.integers(1, 10), st.integers(1, 7))
def test_blocks_hold_all_lines(text: str, size: int, most: int, piece: int) -> None:
    data = text.encode()
    pieces = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    found = []
    for block, is_cut in line_blocks(pieces, size, most):
        lines = LineBlock(block)
        found += [lines.line(index)[:most] for index in range(len(lines))]
        assert not is_cut or (len(lines) == 1 and len(block) == most + 1)
    expected = data.split(b"\n")
    assert found == [line[:most] for line in (expected[:-1] if not expected[-1] else expected)]
