"""JSON documents: where their rows are, and that pieces, sizes and nesting do not matter."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.convert import open_plan
from ingestor.tabular.files.formats import parsers
from ingestor.tabular.files.sample import read_sample
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_document import whole_elements
from ingestor.tabular.parsers.json_text import JsonText
from tests.examples import examples


def read(data: bytes, name: str = "t", limits: Limits = DEFAULT_LIMITS, **options: Any) -> dict[str, Any]:
    """What a file is read as: format, columns, rows, reasons by row number, notices."""
    file = io.BytesIO(data)
    how = open_plan(file, len(data), name, ReadOptions(**options))
    parser = next(found for found in parsers() if found.name == how.format)
    with parser.open(file, how.options, limits) as table:
        blocks = list(table.blocks())
        return {
            "format": how.format,
            "columns": tuple(table.columns),
            "rows": [row for b in blocks for row in zip(*(c.to_pylist() for c in b.columns), strict=True)],
            "lines": [line + 1 for block in blocks for line in block.line_index.tolist()],
            "rejected": {r.row_number: r.errors[0] for block in blocks for r in block.rejected},
            "notices": [notice.code for block in blocks for notice in block.notices],
        }


OBJECTS: list[Any] = [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
ROWS = [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("text", "name", "form", "notices"),
    [
        ("\n".join(map(json.dumps, OBJECTS)), "t", "jsonl", []),
        ("\ufeff\n\n" + "\n\n".join(map(json.dumps, OBJECTS)) + "\n\n", "t", "jsonl", []),
        ("\n".join(json.dumps(o, indent=1) for o in OBJECTS), "t", "json", []),
        ("".join(json.dumps(o, indent=1) for o in OBJECTS), "t.json", "json", []),
        ("".join(map(json.dumps, OBJECTS)), "t", "json", []),
        (json.dumps(OBJECTS), "t", "json", []),
        ("\ufeff" + json.dumps(OBJECTS, indent=2), "t", "json", []),
        (json.dumps({"n": 2, "data": {"page": [1], "items": OBJECTS}}), "t", "json", ["json-path"]),
        (json.dumps({"data": {"items": OBJECTS}, "next": None}, indent=2), "t", "json", ["json-path"]),
        (json.dumps({"a": {"b": {"c": {"d": OBJECTS}}}}), "t.json", "json", ["json-path"]),
    ],
)
def test_where_the_rows_are(text: str, name: str, form: str, notices: list[str]) -> None:
    found = read(text.encode(), name)
    assert (found["format"], found["columns"]) == (form, ("id", "v"))
    assert found["rows"] == ROWS
    assert [code for code in found["notices"] if code == "json-path"] == notices


@pytest.mark.parametrize(
    ("text", "form", "count"),
    [
        ('{"rows":[\n{"id":1}\n]}', "json", 1),
        ('{"rows":[\n{"id":1},\n{"id":2}\n]}', "json", 2),
        ('{"id":\n{"id":2}\n{"id":3}', "jsonl", 3),
        ('{"id": nope}\nnothing\n{"id":3}', "jsonl", 3),
        ('{"id":1,"t":[{"x":1}]}\n{"id":2}', "jsonl", 2),
        ('{"id":1,"t":[{"x":1},{"x":2}]}\n', "json", 2),
        ('{"id":1}', "jsonl", 1),
        ('{\n"id":1, "t": []}', "json", 1),
    ],
)
def test_one_object_to_a_line_or_a_document(text: str, form: str, count: int) -> None:
    found = read(text.encode())
    assert (found["format"], len(found["rows"]) + len(found["rejected"])) == (form, count)


def test_one_object_as_a_row_is_told() -> None:
    assert read(b'{\n"id":1, "t": []}')["notices"] == ["json-path"]
    assert read(b'{\n"id":1, "t": []}', path="")["notices"] == []


def test_lines_are_those_of_the_file() -> None:
    assert read(b'{\n "id": 1\n}\n\n{"id":\n2}{"id": 3}')["lines"] == [1, 5, 6]
    assert read(b'{"x": 1,\n "rows": [\n{"id": 1},\n\n{"id": 2}]}')["lines"] == [3, 5]


def test_a_declared_path_wins() -> None:
    data = json.dumps({"a": [{"x": 1}], "b.c": [{"y": 2}, {"y": 3}], "e": []}).encode()
    assert read(data, path="b.c")["rows"] == [("2",), ("3",)]
    assert read(data, path="a")["notices"] == []
    whole = read(data, path="")
    assert whole["columns"] == ("a", "b.c", "e") and len(whole["rows"]) == 1


@pytest.mark.parametrize(
    ("data", "path", "reason", "words"),
    [
        (b'{"a":[{"x":1}],"b":{"c":[{"x":1}]}}', None, "JSON_PATH_UNKNOWN", '"a", "b.c"'),
        (b'{"a":[{"x":1}]}', "b", "JSON_PATH_UNKNOWN", '"b"'),
        (b'{"a":{"x":1}}', "a", "JSON_PATH_UNKNOWN", '"a"'),
        (b'[{"a":1}]', "a", "JSON_PATH_UNKNOWN", '"a"'),
        (b'[{"a":1}]\n[{"a":2}]', None, "JSON_INVALID", "Line 2"),
        (b'{"a":1},\n{"a":2}', None, "JSON_INVALID", "brackets"),
        (b'[{"a":1}\n{"a":2}]', None, "JSON_INVALID", "Line 2: a comma"),
        (b'[{"a":1},\n{"a":nope}]', None, "JSON_INVALID", "Line 2"),
        (b'[{"a":1},\n\n{"a":1', None, "JSON_INVALID", "line 3"),
        (b'{\n"d":[{"a":1}]', None, "JSON_INVALID", "Line 2"),
        (b"[]", None, "FILE_EMPTY", "no object"),
        (b"[20e1]", None, "FILE_EMPTY", "no object"),
    ],
)  # fmt: skip
def test_refusals_say_where(data: bytes, path: str | None, reason: str, words: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read(data, format="json", path=path)
    assert caught.value.reason == reason
    assert words in caught.value.message


def test_rows_that_postgresql_cannot_keep_are_rejected_alone() -> None:
    data = rb"""[{"id":1,"t":"a\u0000b"}, {"id":2,"t":"bad \ud83d end"}, {"id":3,"t":"\ud83d\ude00"},
        {"id":4,"t":{"n":["\udfff"]}}, {"id":5,"k\ud800":1}, {"id":6,"t":"a\\u0000b"},
        {"id":7,"x\u0000":1}]"""
    for form in (data, b"\n".join(json.dumps(o).encode() for o in json.loads(data))):
        found = read(form)
        assert found["columns"] == ("id", "t")
        assert found["rows"] == [("3", "\U0001f600"), ("6", r"a\u0000b")]
        said = {row: error.message for row, error in found["rejected"].items()}
        assert all(message.startswith("PostgreSQL cannot keep ") for message in said.values())
        assert list(said) == [1, 2, 4, 5, 7]
        assert r'\u0000 in the member "t"' in said[1]
        assert '"t.n"' in said[4] and r'"k\ud800"' in said[5] and r'"x\u0000"' in said[7]


def test_damaged_bytes_cost_their_row() -> None:
    for data in (b'[{"a":"x\xff"},{"a":"\xc3\xa9"}]', b'{"a":"x\xff"}\n{"a":"\xc3\xa9"}'):
        found = read(data)
        assert found["rows"] == [("é",)]
        assert found["rejected"][1].code == "encoding-error"
        assert r"x\xff" in found["rejected"][1].value


def test_what_is_no_json_value_costs_its_row() -> None:
    for data in (b'[{"a":NaN},{"a":1}]', b'{"a":NaN}\n{"a":1}'):
        found = read(data)
        assert found["rows"] == [("1",)]
        assert "NaN is not a JSON value" in found["rejected"][1].message


@pytest.mark.parametrize("depth", [100, 500, 1000, 100_000])
def test_deep_nesting_is_a_row_or_a_reason(depth: int) -> None:
    deep = '{"a":' + "[" * depth + "]" * depth + "}"
    for text in (f'[{{"a":1}},{deep},{{"a":2}}]', f'{{"a":1}}\n{deep}\n{{"a":2}}'):
        found = read(text.encode())
        reasons = [(row, error.code) for row, error in found["rejected"].items()]
        assert (len(found["rows"]), reasons) in [(3, []), (2, [(2, "json-error")])]


def test_an_element_over_the_limit_costs_its_row_at_once() -> None:
    limits = Limits(max_record_bytes=1000)
    data = b'[{"a":"1"},{"a":"' + b"x\\n" * 10_000_000 + b'"},\n{"a":"2"}]'
    began = time.process_time()
    found = read(data, limits=limits)
    assert time.process_time() - began < 20
    assert found["rows"] == [("1",), ("2",)]
    assert found["rejected"][2].code == "record-too-long"
    assert found["lines"] == [1, 2]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5) | st.just('a"\\\n[{'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=examples(100))
@given(st.lists(VALUES, min_size=1, max_size=4), st.booleans(), st.integers(1, 7))
def test_the_answer_is_the_same_wherever_pieces_end(values: list[Any], array: bool, size: int) -> None:
    texts = [json.dumps(value, indent=1 if size % 2 else None) for value in values]
    text = "[" + ",".join(texts) + "]" if array else "\n".join(texts)

    def taken(pieces: list[str]) -> list[Any]:
        cursor = JsonText(iter(pieces), 10_000)
        if array:
            return [(e.line, e.text, e.size) for e in cursor.elements()]
        found = []
        while cursor.peek():
            element = cursor.value()
            found.append((element.line, element.text, element.size))
        return found

    whole = taken([text])
    assert [found[1] for found in whole] == texts
    for cut in range(len(text)):
        assert taken([text[:cut], text[cut:]]) == whole
    assert taken([text[at : at + size] for at in range(0, len(text), size)]) == whole


@pytest.mark.parametrize("text", ['[20e1,{"a":1}]', '[1,-0.5E-3,true,null,"\\"",{"a":[1]}]'])
def test_numbers_at_a_border(text: str) -> None:
    for cut in range(len(text)):
        elements = JsonText(iter([text[:cut], text[cut:]]), 1000).elements()
        assert len([element.text for element in elements]) == len(json.loads(text))


@pytest.mark.parametrize("wrap", ["{}", '{{"n":1,"d":{{"i":{},"z":2}}}}'])
@pytest.mark.parametrize("rows", ["[{}]", "{}"])
def test_a_beginning_holds_its_whole_rows(wrap: str, rows: str) -> None:
    objects = [json.dumps({"id": number, "t": [{"x": "]"}]}, indent=1) for number in range(4)]
    array = rows == "[{}]"
    if not array and wrap != "{}":
        return
    text = wrap.format(rows.format((", " if array else "\n").join(objects)))
    ends = [text.index(piece) + len(piece) for piece in objects]
    for cut in range(len(text)):
        made = whole_elements(text[:cut], None)
        whole = sum(end <= cut for end in ends)
        if not whole:
            assert made == "" or not array  # the first object may hold the array
        else:
            assert len(read(made.encode(), format="json")["rows"]) == whole
        if array and whole:
            data = made.encode()
            sample = read_sample(io.BytesIO(data), len(data), "t.json", ReadOptions(), rows=2)
            assert sample.record_count == min(whole, 2)
