"""What every sink does, of the tree or of an outside package: a batch has its effect once, whatever happens
between the effect and its marker."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestor.outcomes import RowError
from ingestor.plugin_sinks import sink_maker
from ingestor.plugins import (
    PlugInError,
    RefusedBatchError,
    RowFault,
    SinkBatch,
    SinkUndo,
    TransientSinkError,
    Undone,
    WrongOptionError,
)
from ingestor.runtime.errors import TransientError
from ingestor.services.processor.adapters import plugin_sink
from ingestor.services.processor.adapters.sinks import Sinks, Undos, open_sinks
from ingestor.services.processor.batches import BatchKey, BatchOutcome, failed_outcome, unprocessed_outcome
from ingestor.services.processor.pipelines import json_table
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    GoodRows,
    Loaded,
    Refused,
    SinkChoice,
    SinkRefusedError,
    Table,
    UndoCounts,
    UndoImpossibleError,
)
from tests.contract.sink.batches import concluding, key, new_process
from tests.plugins import installed

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

Value = tuple[int | None, str | None]
COLUMNS = (("id", "bigint"), ("name", "text"))
FILES = SinkChoice("batch-files", {"folder": "people", "max_bytes": 100})


@dataclass(frozen=True)
class Kind:
    """A kind of sink: its rows to load, and what it holds as (id, name, row number), by row number."""

    rows: Callable[[BatchKey, Sequence[Value]], GoodRows]
    content: Callable[[PgPool, Path], AsyncIterator[tuple[Any, ...]]]


def _data(values: Sequence[Value]) -> pa.Table:
    ids, names = [value[0] for value in values], [value[1] for value in values]
    return pa.table({"id": pa.array(ids, pa.int64()), "name": pa.array(names, pa.string())})


def _numbers(of: BatchKey, values: Sequence[Value]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(len(values), dtype=np.int64) + of.range.first_row


def _table_rows(of: BatchKey, values: Sequence[Value]) -> GoodRows:
    return GoodRows(Table("public", "people", COLUMNS, ()), _data(values), _numbers(of, values), TABLE_SINK)


def _json_rows(of: BatchKey, values: Sequence[Value]) -> GoodRows:
    texts = [json.dumps({"id": id_, "name": name}) for id_, name in values]
    return GoodRows(json_table(), pa.table({"data": pa.array(texts, pa.string())}), _numbers(of, values),
                    JSON_SINK)  # fmt: skip


def _file_rows(of: BatchKey, values: Sequence[Value]) -> GoodRows:
    return GoodRows(Table("", "people", COLUMNS, ()), _data(values), _numbers(of, values), FILES)


async def _in_table(pool: PgPool, folder: Path) -> AsyncIterator[tuple[Any, ...]]:
    if await pool.fetchval("SELECT to_regclass('public.people')"):
        for row in await pool.fetch("SELECT id, name, _row_number FROM public.people ORDER BY 3"):
            yield tuple(row)


async def _in_json(pool: PgPool, folder: Path) -> AsyncIterator[tuple[Any, ...]]:
    if await pool.fetchval("SELECT to_regclass('public.ingested_rows')"):
        for row in await pool.fetch("SELECT data, _row_number FROM public.ingested_rows ORDER BY 2"):
            found = json.loads(row[0])
            yield found["id"], found["name"], row[1]


async def _in_files(pool: PgPool, folder: Path) -> AsyncIterator[tuple[Any, ...]]:
    for row in _rows_of_files(folder):
        yield row


def _rows_of_files(folder: Path) -> list[tuple[Any, ...]]:
    assert not list(folder.rglob(".*"))  # nothing unfinished
    tables = [pq.read_table(path) for path in folder.rglob("*.parquet")]
    rows = [(row["id"], row["name"], row["_row_number"]) for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: row[2])


KINDS = {
    "table": Kind(_table_rows, _in_table),
    "json-rows": Kind(_json_rows, _in_json),
    "plug-in": Kind(_file_rows, _in_files),
}


@pytest.fixture(scope="module", autouse=True)
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example, installed for the tests of this module only."""
    with installed("plugin_sink", tmp_path_factory.mktemp("site"), "batch_files"):
        sink_maker.cache_clear()
        yield
    sink_maker.cache_clear()


@dataclass
class Case:
    """A kind of sink and what it needs."""

    kind: Kind
    sinks: Sinks
    pool: PgPool
    folder: Path

    async def load(self, of: BatchKey, values: Sequence[Value]) -> BatchOutcome | None:
        """Load rows; the outcome."""
        return (await self.sinks.load(of, self.kind.rows(of, values), concluding(of))).outcome

    async def content(self) -> list[tuple[Any, ...]]:
        """Rows as (id, name, row number), in the order of the file."""
        return [row async for row in self.kind.content(self.pool, self.folder)]


@pytest.fixture(params=KINDS)
def case(
    request: pytest.FixtureRequest, pool: PgPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Case:
    """A sink behind the table of sinks."""
    monkeypatch.setenv("BATCH_FILES_ROOT", str(tmp_path))
    return Case(KINDS[request.param], open_sinks(pool), pool, tmp_path)


VALUES: list[Value] = [(1, 'a\n"b"'), (2, ""), (None, None)]
LOADED = [(1, 'a\n"b"', 1), (2, "", 2), (None, None, 3)]


async def test_rows_are_loaded_with_their_lineage(case: Case) -> None:
    batch = key()
    assert await case.load(batch, VALUES) == BatchOutcome(batch, "succeeded", 3, 0, 0, ())
    assert await case.content() == LOADED


async def test_a_batch_has_its_effect_once(case: Case) -> None:
    batch = key()
    first = await case.load(batch, VALUES)
    assert await case.load(batch, [(4, "d"), (5, "e"), (6, "f")]) == first
    await case.sinks.forget_outcome(batch)
    assert await case.load(batch, [(7, "g")]) is None
    assert await case.content() == LOADED


async def test_the_same_batch_at_the_same_time(case: Case) -> None:
    batch = key()
    outcomes = await asyncio.gather(*(case.load(batch, VALUES) for _ in range(5)))
    assert len(set(outcomes)) == 1
    assert await case.content() == LOADED


async def test_many_batches_at_the_same_time(case: Case) -> None:
    process = str(uuid.uuid4())
    batches = [key(number, process=process) for number in range(1, 9)]
    await asyncio.gather(
        *(case.load(of, [(of.range.first_row + n, "x") for n in range(3)]) for of in batches)
    )
    assert await case.content() == [(number, "x", number) for number in range(1, 25)]


@pytest.mark.parametrize("crashes", [1, 3])
async def test_a_crash_between_the_effect_and_its_marker(case: Case, crashes: int) -> None:
    batch = key()

    def crash(_: Sequence[Refused]) -> BatchOutcome:
        raise RuntimeError("crash")

    for _ in range(crashes):
        with pytest.raises(RuntimeError, match="crash"):
            await case.sinks.load(batch, case.kind.rows(batch, VALUES), crash)
    assert await case.pool.fetchval("SELECT count(*) FROM processor.applied_batches") == 0
    assert await case.load(batch, VALUES) == BatchOutcome(batch, "succeeded", 3, 0, 0, ())
    assert await case.content() == LOADED


async def test_a_lost_connection_between_the_effect_and_its_marker(case: Case) -> None:
    batch = key()

    def cut(refused: Sequence[Refused]) -> BatchOutcome:
        connections: Any = case.pool.connections
        for holder in connections.pool._holders:
            if holder._con is not None and holder._in_use:
                holder._con.terminate()
        return concluding(batch)(refused)

    with pytest.raises(TransientError):
        await case.sinks.load(batch, case.kind.rows(batch, VALUES), cut)
    assert await case.load(batch, VALUES) == BatchOutcome(batch, "succeeded", 3, 0, 0, ())
    assert await case.content() == LOADED


async def test_a_settled_batch_is_never_loaded(case: Case) -> None:
    batch = key()
    settled = failed_outcome(batch, RowError("batch-error", "", "", "Dead.", "load"))
    assert (await case.sinks.settle(settled)).outcome == settled
    assert await case.load(batch, VALUES) == settled
    assert await case.content() == []


async def test_a_loaded_batch_cannot_be_settled(case: Case) -> None:
    batch = key()
    loaded = await case.load(batch, VALUES)
    assert (await case.sinks.settle(unprocessed_outcome(batch))).outcome == loaded


async def test_no_good_rows(case: Case) -> None:
    batch = key(rows=0)
    assert await case.load(batch, []) == BatchOutcome(batch, "succeeded", 0, 0, 0, ())
    assert await case.content() == []


async def test_a_failed_row_is_repaired_once(case: Case) -> None:
    """Two repairs bring the same rows at the same time: each row is loaded once, as a row of the process."""
    process = new_process()
    outcome = await case.load(key(process=process), VALUES)
    repairs = [key(rows=4), key(rows=4)]

    async def repair(of: BatchKey) -> BatchOutcome:
        rows = case.kind.rows(of, [(number, f"{number}") for number in range(11, 15)])
        brought = replace(rows, repairs=process, row_numbers=np.arange(11, 15, dtype=np.int64))
        found = (await case.sinks.load(of, brought, concluding(of))).outcome
        assert found is not None
        return found

    assert outcome is not None
    first, second = await asyncio.gather(*map(repair, repairs))
    assert first.succeeded + second.succeeded == first.skipped + second.skipped == 4
    assert first.failed == second.failed == 0
    assert await case.content() == [*LOADED, *((number, f"{number}", number) for number in range(11, 15))]
    assert await repair(repairs[0]) == first


async def test_what_is_undone_is_there_no_more(case: Case) -> None:
    """With what repairs have brought; nothing of other processes."""
    process, repairing, other = key(), key(), key(2)
    await case.load(process, VALUES)
    rows = replace(
        case.kind.rows(repairing, [(9, "i")]), repairs=process.process_id, row_numbers=np.array([9])
    )  # fmt: skip
    await case.sinks.load(repairing, rows, concluding(repairing))
    await case.load(other, VALUES)
    left = [(id_, name, number + 3) for id_, name, number in LOADED]
    before = await case.content()
    undos = Undos(case.pool, case.pool)
    of = Loaded(process.process_id, "default", (repairing.process_id,), rows.table, rows.sink)

    async def undo(*, dry_run: bool) -> UndoCounts:
        return await undos.undo(of, dry_run=dry_run)

    assert await undo(dry_run=True) == UndoCounts(4, 0, 0)
    assert await case.content() == before
    assert await undos.undone(process.process_id) is None
    assert await undo(dry_run=False) == UndoCounts(4, 0, 0)
    assert await case.content() == left
    assert await undo(dry_run=False) == UndoCounts(4, 0, 0)
    assert await undos.undone(process.process_id) == UndoCounts(4, 0, 0)
    late = replace(process, range=replace(process.range, number=7))
    assert await case.load(late, VALUES) == unprocessed_outcome(late)
    assert await case.content() == left


# -- what only a plug-in's sink does ---------------------------------------------------------------


@pytest.fixture
def files(pool: PgPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The example's sink."""
    monkeypatch.setenv("BATCH_FILES_ROOT", str(tmp_path))
    return Case(KINDS["plug-in"], open_sinks(pool), pool, tmp_path)


async def test_rows_that_a_plug_in_refuses(files: Case) -> None:
    batch = key()
    outcome = await files.load(batch, [(1, "x" * 101), (2, "y"), (3, "z" * 200)])
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (1, 2)
    assert [(row.row_number, row.errors[0]) for row in outcome.rows] == [
        (1, RowError("sink-error", "name", "x" * 101, "name: is longer than 100 bytes", "load")),
        (3, RowError("sink-error", "name", "z" * 200, "name: is longer than 100 bytes", "load")),
    ]
    assert await files.content() == [(2, "y", 2)]
    assert await files.load(batch, []) == outcome


async def test_a_plug_in_that_can_take_nothing(files: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_FILES_ROOT", "/nowhere")
    with pytest.raises(SinkRefusedError, match="must name an existing folder"):
        await files.load(key(), VALUES)
    assert await files.pool.fetchval("SELECT count(*) FROM processor.applied_batches") == 0


async def test_a_plug_in_whose_trouble_may_pass(files: Case) -> None:
    (files.folder / "people").write_text("no folder")
    batch = key()
    with pytest.raises(TransientError, match="sink batch-files"):
        await files.load(batch, VALUES)
    (files.folder / "people").unlink()
    assert await files.load(batch, VALUES) is not None
    assert await files.content() == LOADED


@pytest.mark.parametrize(
    ("what", "raised", "message"),
    [
        (TransientSinkError("away"), TransientError, "away"),
        (RefusedBatchError("Never."), SinkRefusedError, "Never."),
        # Not taken for the database's.
        (OSError("disk"), PlugInError, "the sink odd failed"),
        (ValueError("bug"), PlugInError, "the sink odd failed"),
        ([RowFault(3, "", "", "m")], PlugInError, "a row that does not exist"),
        ([RowFault(-1, "", "", "m")], PlugInError, "a row that does not exist"),
    ],
)
async def test_what_a_plug_in_may_do(
    pool: PgPool, monkeypatch: pytest.MonkeyPatch, what: Any, raised: type[Exception], message: str
) -> None:
    class Odd:
        def write(self, batch: SinkBatch) -> Sequence[RowFault]:
            if isinstance(what, Exception):
                raise what
            faults: list[RowFault] = what
            return faults

    monkeypatch.setattr(plugin_sink, "make_sink", lambda name, options: Odd())
    batch = key()
    rows = GoodRows(
        Table("", "p", COLUMNS, ("id",)), _data(VALUES), _numbers(batch, VALUES), SinkChoice("odd", {})
    )
    with pytest.raises(raised, match=message):
        await open_sinks(pool).load(batch, rows, concluding(batch))
    assert await pool.fetchval("SELECT count(*) FROM processor.applied_batches") == 0


@pytest.mark.parametrize(
    ("what", "raised", "message"),
    [
        (None, UndoImpossibleError, "The sink odd cannot undo."),
        (TransientSinkError("away"), TransientError, "away"),
        (RefusedBatchError("Never."), UndoImpossibleError, "Never."),
        (OSError("disk"), PlugInError, "the sink odd failed"),
        (WrongOptionError(["a"], "is odd"), UndoImpossibleError, "cannot be opened: is odd"),
    ],
)
async def test_a_plug_in_that_does_not_undo(
    pool: PgPool,
    monkeypatch: pytest.MonkeyPatch,
    what: Exception | None,
    raised: type[Exception],
    message: str,
) -> None:
    class Odd:
        def write(self, batch: SinkBatch) -> Sequence[RowFault]:
            raise AssertionError

    class Undoing(Odd):
        def undo(self, undo: SinkUndo, *, dry_run: bool) -> Undone:
            assert what
            raise what

    def make(name: str, options: object) -> Odd:
        if isinstance(what, WrongOptionError):
            raise what
        return Undoing() if what else Odd()

    monkeypatch.setattr(plugin_sink, "make_sink", make)
    process = new_process()
    of = Loaded(process, "default", (), Table("", "p", COLUMNS, ("id",)), SinkChoice("odd", {}))
    with pytest.raises(raised, match=message):
        await Undos(pool, pool).undo(of, dry_run=False)
    assert await Undos(pool, pool).undone(process) is None


async def test_a_plug_in_that_is_not_installed(pool: PgPool) -> None:
    batch = key()
    rows = GoodRows(
        Table("", "p", COLUMNS, ()), _data(VALUES), _numbers(batch, VALUES), SinkChoice("nowhere", {})
    )
    with pytest.raises(PlugInError, match="no sink is named nowhere"):
        await open_sinks(pool).load(batch, rows, concluding(batch))
