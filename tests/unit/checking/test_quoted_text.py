"""Missing values in quotes are text where the dialect says that quotes matter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch
from ingestor.services.processor.reading import check

DATA = b'1,"",x\n2,,y\n3,NULL,z\n4,"NULL",-\n5,"a","-"\n'


def pipeline_of(*, missing: list[str], note: list[str] | None = None, name: str = "string") -> Pipeline:
    last: dict[str, Any] = {"name": "note", "type": "string"}
    if note is not None:
        last["missingValues"] = note
    fields = [{"name": "id", "type": "integer"}, {"name": "name", "type": name}, last]
    schema = {"fields": fields, "missingValues": missing}
    return parse_pipeline(json.dumps({"name": "p", "schema": schema, "sink": {"table": "t"}}))


def checked(
    pipeline: Pipeline | None, data: bytes = DATA, *, quoted: bool = True, normal: bool = False
) -> Any:
    count = data.count(b"\n")
    key = BatchKey("p", "t", BatchRange(1, 1, count, 1, 0, len(data)))
    batch = RowBatch(
        key, ("id", "name", "note"), "", 0, ",", data, None, normal_form=normal, quoted_is_text=quoted
    )
    return check(batch, data, pipeline)


def test_quotes_matter() -> None:
    found = checked(pipeline_of(missing=["", "NULL"]))
    assert found.rejected == []
    assert found.good.column("name").to_pylist() == ["", None, None, "NULL", "a"]
    assert found.good.column("note").to_pylist() == ["x", "y", "z", "-", "-"]


def test_each_field_has_its_own_missing_values() -> None:
    found = checked(pipeline_of(missing=["", "NULL"], note=["-", "x"]))
    assert found.good.column("name").to_pylist() == ["", None, None, "NULL", "a"]
    assert found.good.column("note").to_pylist() == [None, "y", "z", None, "-"]


def test_by_default_quotes_do_not_matter() -> None:
    found = checked(pipeline_of(missing=["", "NULL"]), quoted=False)
    assert found.good.column("name").to_pylist() == [None, None, None, None, "a"]


@pytest.mark.parametrize("quoted", [True, False])
def test_a_missing_number_may_have_quotes(quoted: bool) -> None:
    data = b'1,"",x\n2,,y\n3,"NULL",z\n4,7,z\n'
    found = checked(pipeline_of(missing=["", "NULL"], name="integer"), data, quoted=quoted)
    assert found.good.column("name").to_pylist() == [None, None, None, 7]


def test_rows_without_a_pipeline() -> None:
    rows = [json.loads(row) for row in checked(None).good.column("data").to_pylist()]
    assert [row["name"] for row in rows] == ["", None, "NULL", "NULL", "a"]


def test_of_converted_text_empty_cells_are_told_apart() -> None:
    data = b'1,,1,"",x\n2,,2,,y\n3,,3,NULL,\n'
    found = checked(pipeline_of(missing=["", "NULL"]), data, normal=True)
    assert found.good.column("name").to_pylist() == ["", None, None]
    assert found.good.column("note").to_pylist() == ["x", "y", None]
