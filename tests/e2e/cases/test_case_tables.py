"""Rows into tables that a person already has (tables/targets.sql), on the running suite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.e2e.conftest import Suite

TARGETS = (Path(__file__).parent / "tables" / "targets.sql").read_text("utf-8")


@pytest.fixture(scope="module")
def targets(suite: Suite) -> None:
    """The tables; the processor's role may read and write them."""
    asyncio.run(_make_targets(suite))


async def _make_targets(suite: Suite) -> None:
    connection = await asyncpg.connect(suite.dsn)
    try:
        await connection.execute(TARGETS)
        await connection.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ingestor_processor"
        )
    finally:
        await connection.close()


class Loader:
    """Loads small CSV files into the tables."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite = suite
        self._folder = folder
        self._number = 0

    def document(self, table: str, fields: Mapping[str, str], **more: Any) -> Path:
        """A pipeline into a table of the schema public."""
        key = more.pop("key", None)
        made = {
            "name": table.replace("_", "-"),
            "schema": {
                "fields": [{"name": name, "type": type_} for name, type_ in fields.items()],
                **({"primaryKey": key} if key else {}),
            },
            "sink": {"table": table, **more},
        }
        path = self._folder / f"{table}.pipeline.json"
        path.write_text(json.dumps(made), "utf-8")
        return path

    def file(self, text: str) -> Path:
        """A file with this text."""
        self._number += 1
        path = self._folder / f"{self._number}.csv"
        path.write_text(text, "utf-8")
        return path

    def load(self, text: str, pipeline: Path, status: int = 0) -> Any:
        """Ingest a text; what `ingest --json` prints."""
        return self.suite.ingest(self.file(text), "--pipeline", str(pipeline), status=status)

    def errors(self, process: Any) -> dict[int, str]:
        """The messages of failed rows by number."""
        found = self.suite.json("rows", process["process_id"], "--filter", "status=FAILED")
        return {row["row_number"]: row["errors"][0]["message"] for row in found["rows"]}

    def dry(self, text: str, pipeline: Path, status: int = 0) -> dict[int, str]:
        """The messages of a dry run by row number."""
        found = self.suite.json(
            "ingest", str(self.file(text)), "--pipeline", str(pipeline), "--dry-run", status=status
        )
        return {row["row_number"]: row["errors"][0]["message"] for row in found["rows"]}


@pytest.fixture
def loader(suite: Suite, targets: None, tmp_path: Path) -> Loader:
    """A loader with a folder of its own."""
    return Loader(suite, tmp_path)


async def table(suite: Suite, columns: Sequence[str], name: str) -> list[tuple[Any, ...]]:
    """The rows of a table as texts, in order."""
    listed = ", ".join(f"{column}::text" for column in columns)
    return await suite.fetch(f"SELECT {listed} FROM public.{name} ORDER BY 1, 2")


@pytest.mark.parametrize("name", ["stock", "stock_plain"])
async def test_rows_that_were_there_before_are_replaced(suite: Suite, loader: Loader, name: str) -> None:
    before = await table(suite, ("sku", "qty"), name)
    pipeline = loader.document(name, {"sku": "string", "qty": "integer"}, key="sku", mode="upsert")
    text = "sku,qty\na-1,100\na-2,200\na-3,300\n"
    assert loader.dry(text, pipeline) == {}
    process = loader.load(text, pipeline)
    assert process["counts"]["succeeded"] == 3
    assert await table(suite, ("sku", "qty"), name) == [("a-1", "100"), ("a-2", "200"), ("a-3", "300")]
    suite.run("undo", process["process_id"], "--yes")
    assert await table(suite, ("sku", "qty"), name) == before


async def test_a_pipeline_is_drafted_from_a_table(suite: Suite, loader: Loader) -> None:
    file = loader.file("SKU,Qty,note\nc-1,7,x\n")
    document = suite.json("pipelines", "infer", str(file), "--table", "stock_plain")
    assert document["mapping"] == {"sku": "SKU", "qty": "Qty"}
    assert document["schema"] == {
        "fields": [
            {"name": "sku", "type": "string", "constraints": {"required": True, "maxLength": 20}},
            {
                "name": "qty",
                "type": "integer",
                "constraints": {"required": True, "minimum": -(2**31), "maximum": 2**31 - 1},
            },
        ],
        "primaryKey": ["sku"],
    }
    pipeline = file.with_suffix(".json")
    pipeline.write_text(json.dumps(document), "utf-8")
    assert suite.ingest(file, "--pipeline", str(pipeline))["counts"]["succeeded"] == 1
    assert ("c-1", "7") in await table(suite, ("sku", "qty"), "stock_plain")


async def test_what_the_column_would_round_or_cut_is_refused(suite: Suite, loader: Loader) -> None:
    fields = {"sku": "string", "qty": "integer", "price": "number", "seen": "datetime"}
    pipeline = loader.document("stock_plain", fields, key="sku", mode="upsert")
    text = (
        "sku,qty,price,seen\n"
        "b-1,1,1.23,2024-01-01T00:00:00Z\n"
        "b-2,1,1.239,2024-01-01T00:00:00Z\n"
        "b-3,1,1.23,2024-01-01T00:00:00.6Z\n"
        f"{'b' * 21},1,1.23,2024-01-01T00:00:00Z\n"
        "b-5,3000000000,1.23,2024-01-01T00:00:00Z\n"
        "b-6,1,12345.00,2024-01-01T00:00:00Z\n"
    )
    assert set(loader.dry(text, pipeline, 3)) == {2, 3, 4, 5, 6}
    process = loader.load(text, pipeline, 3)
    found = loader.errors(process)
    for row, word in (
        (2, "numeric(6,2)"),
        (3, "timestamp"),
        (4, "varchar(20)"),
        (5, "integer"),
        (6, "numeric"),
    ):
        assert word in found[row] or word.replace("varchar", "character varying") in found[row]
    suite.run("undo", process["process_id"], "--yes")


ID_V = {"id": "integer", "v": "string"}


async def test_a_trigger_refuses_one_row(suite: Suite, loader: Loader) -> None:
    process = loader.load("id,v\n1,a\n2,b\n3,c\n", loader.document("picky", ID_V), 3)
    assert loader.errors(process).keys() == {2}
    assert "v must not be b" in loader.errors(process)[2]
    assert await table(suite, ("id", "v"), "picky") == [("1", "a"), ("3", "c")]


async def test_a_row_that_a_trigger_drops_is_told(suite: Suite, loader: Loader) -> None:
    process = loader.load("id,v\n1,a\n2,b\n3,c\n", loader.document("swallows", ID_V), 3)
    assert process["counts"]["succeeded"] == 2
    assert loader.errors(process).keys() == {2}
    assert "rows-left-out" in [notice["code"] for notice in process["notices"]]
    assert await table(suite, ("id", "v"), "swallows") == [("1", "a"), ("3", "c")]


async def test_deferred_constraints_are_checked_row_by_row(suite: Suite, loader: Loader) -> None:
    process = loader.load("id,v\n1,a\n1,b\n2,c\n", loader.document("late_unique", ID_V), 3)
    assert loader.errors(process).keys() == {2}
    assert await table(suite, ("id", "v"), "late_unique") == [("1", "a"), ("2", "c")]
    process = loader.load("id,v\n1,a\n7,b\n1,c\n", loader.document("late_child", ID_V), 3)
    assert loader.errors(process).keys() == {2}
    assert await table(suite, ("id", "v"), "late_child") == [("1", "a"), ("1", "c")]


async def test_a_trigger_may_name_its_table_without_a_schema(suite: Suite, loader: Loader) -> None:
    process = loader.load("id,v\n1,a\n2,b\n3,c\n", loader.document("audited", ID_V))
    assert process["counts"]["succeeded"] == 3
    assert await suite.fetch("SELECT id FROM public.audit_log ORDER BY id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_row_level_security_refuses_single_rows(suite: Suite, loader: Loader, mode: str) -> None:
    pipeline = loader.document("guarded", ID_V, key="id", mode=mode)
    base = 10 if mode == "upsert" else 1
    text = f"id,v\n{base},a\n{base + 1},b\n{base + 2},c\n"
    assert set(loader.dry(text, pipeline, 3)) == {2}
    process = loader.load(text, pipeline, 3)
    assert loader.errors(process).keys() == {2}
    found = await suite.fetch("SELECT v FROM public.guarded WHERE id BETWEEN $1 AND $1 + 2 ORDER BY id", base)
    assert found == [("a",), ("c",)]


EVERYDAY = {
    "id": "integer", "code": "string", "flag": "string", "small": "integer", "ratio": "number",
    "part": "number", "price": "number", "share": "number", "state": "string", "ref": "string",
    "doc": "object", "raw": "string", "made": "datetime", "day": "date", "tags": "string",
    "addr": "string", "span": "string",
}  # fmt: skip
GOOD = {
    "id": "1", "code": "abcde", "flag": "y", "small": "7", "ratio": "0.25", "part": "1.5",
    "price": "12.50", "share": "99.5", "state": "fine", "ref": "6e5f7a2c-4e0c-4a3e-9d5e-6f1a2b3c4d5e",
    "doc": '"{""a"": 1}"', "raw": "\\x6869", "made": "2024-01-02T03:04:05Z", "day": "2024-01-02",
    "tags": '"{a,b}"', "addr": "10.0.0.1", "span": "1 day",
}  # fmt: skip
BAD = {
    "code": "abcdef", "flag": "yy", "small": "70000", "price": "1.239", "share": "100.5", "state": "sad",
    "ref": "6e5f", "raw": "\\xzz", "tags": '"{a"', "addr": "10.0.0.300", "span": "1 moon",
}  # fmt: skip


async def test_types_that_people_use(suite: Suite, loader: Loader) -> None:
    pipeline = loader.document("everyday", EVERYDAY)
    lines = [",".join(GOOD)]
    lines += [",".join(GOOD.values())]
    for number, (name, value) in enumerate(BAD.items(), 2):
        lines.append(",".join({**GOOD, "id": str(number), name: value}.values()))
    text = "\n".join(lines) + "\n"
    rows = range(2, 2 + len(BAD))
    assert set(loader.dry(text, pipeline, 3)) == set(rows)
    process = loader.load(text, pipeline, 3)
    found = loader.errors(process)
    assert found.keys() == set(rows)
    for row, name in zip(rows, BAD, strict=True):
        assert name in found[row], found[row]
    (loaded,) = await suite.fetch(
        "SELECT code, small, price::text, total::text, addr::text FROM public.everyday"
    )
    assert loaded == ("abcde", 7, "12.50", "25.00", "10.0.0.1/32")
