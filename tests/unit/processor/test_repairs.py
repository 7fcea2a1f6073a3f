"""Failed rows of another process in a batch: which are brought, under which numbers, and what is left out."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.outcomes import RejectedRow, RowError
from ingestor.services.processor.batches import (
    BatchKey,
    BatchOutcome,
    BatchRange,
    Repaired,
    RepairedRows,
    RowBatch,
)
from ingestor.services.processor.ports import SinkRefusedError
from ingestor.services.processor.reading import failed_rows, repair_table
from ingestor.tabular.normal_form import block_lines
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect
from ingestor.tabular.text_table import TextTable
from tests.unit.processor.test_batches import PIPELINE, Suite


@given(
    lines=st.lists(
        st.sampled_from([b"1,a", b"2,b", b"", b"3", b'4,"x"y', b"5,c,d"]), min_size=1, max_size=12
    ),
    chosen=st.sets(st.integers(0, 11), min_size=1),
    failed=st.sets(st.integers(0, 11)),
)
def test_chosen_records_are_those_of_the_whole_file(
    lines: list[bytes], chosen: set[int], failed: set[int]
) -> None:
    """Choosing, then leaving out, is what picking the same records by hand is."""
    table = read_csv_slice(b"\n".join(lines) + b"\n", 2, Dialect())
    rows = sorted(index for index in chosen if index < len(lines))
    if not rows:
        return
    first = 41
    numbers = tuple(first + index for index in rows)
    found = repair_table(RepairedRows("p", ("id", "name"), numbers, first), table)
    assert found.numbers.tolist() == list(numbers)
    assert found.table.record_count == len(rows)
    states = {first + index: "failed" if index in failed else "succeeded" for index in rows}
    kept, skipped = failed_rows(found, states)
    whole = {int(index): tuple(c[place].as_py() for c in table.columns)
             for place, index in enumerate(table.row_index.tolist())}  # fmt: skip
    broken = {record.row_number - 1: record for record in table.rejected}
    assert {
        rows[int(index)]: tuple(c[place].as_py() for c in kept.columns)
        for place, index in enumerate(kept.row_index.tolist())
    } == {index: whole[index] for index in rows if index in whole and index in failed}
    assert {rows[record.row_number - 1]: record.errors[0].code for record in kept.rejected} == {
        index: broken[index].errors[0].code for index in rows if index in broken and index in failed
    }
    assert sorted(rows[row.row_number - 1] for row in skipped) == [i for i in rows if i not in failed]
    assert {row.errors[0].code for row in skipped} <= {"not-failed"}


@pytest.mark.parametrize("numbers", [(1,), (8,), (5, 5), (6, 5)])
def test_rows_that_the_bytes_do_not_have_are_an_error(numbers: tuple[int, ...]) -> None:
    table = read_csv_slice(b"1,a\n2,b\n3,c\n", 2, Dialect())
    with pytest.raises(ValueError, match="lack some of the rows"):
        repair_table(RepairedRows("p", ("id", "name"), numbers, 5), table)


class Repair(Suite):
    """A process whose rows 1 to 8 are: succeeded, failed four times, skipped, failed, failed."""

    def __init__(self) -> None:
        super().__init__()
        self.parent = str(uuid.uuid4())

    async def begin(self) -> None:
        """The parent is there."""
        self.pipelines.add(json.dumps(PIPELINE))
        key = BatchKey(self.parent, "default", BatchRange(1, 1, 8, 2, 0, 9))
        error = RowError("type-error", "id", "x", "no", "validate")
        rows = [RejectedRow(n, n + 1, "failed", (error,), ("x", "y")) for n in (2, 3, 4, 5, 7, 8)]
        rows.append(RejectedRow(6, 7, "skipped", (error,), ()))
        await self.status.record(BatchOutcome(key, "succeeded", 1, 6, 1, tuple(rows)))

    def report(self, rows: list[tuple[int, str, str]], number: int = 1) -> RowBatch:
        """A batch of a corrected report; a number 0 is a record that was rejected before."""
        good = [row for row in rows if row[0]]
        rejected = [
            RejectedRow.by_reader(index + 1, index + 1, "failed", "row-number", "no", row[1:], "")
            for index, row in enumerate(rows)
            if not row[0]
        ]
        places = np.array([index for index, row in enumerate(rows) if row[0]], np.int64)
        columns = read_csv_slice(b"\n".join(",".join(map(str, row)).encode() for row in good), 3, Dialect())
        data = block_lines(TextTable(columns.columns, places, places, len(rows), rejected))
        key = replace(self.key(number, len(rows)), range=BatchRange(number, 1, len(rows), 1, 0, len(data)))
        return RowBatch(
            key, ("_row", "id", "name"), "people", 1, ",", data, None, normal_form=True,
            repairs=RepairedRows(self.parent, ("id", "name"), (), 0),
        )  # fmt: skip


async def test_a_corrected_report_is_loaded_for_its_process() -> None:
    suite = Repair()
    await suite.begin()
    rows = [(7, "70", "g"), (2, "x", "still"), (0, "1", "none"), (1, "10", "there"), (6, "60", "skip"),
            (3, "30", "c")]  # fmt: skip
    await suite.service.apply(suite.report(rows))
    assert [(row["id"], row["_row_number"], row["_process_id"]) for row in suite.rows()] == [
        (30, 3, suite.parent), (70, 7, suite.parent)
    ]  # fmt: skip
    outcome = suite.outcome()
    assert (outcome.succeeded, outcome.failed, outcome.skipped) == (2, 2, 2)
    assert outcome.repaired == Repaired(suite.parent, (7, 2, 0, 1, 6, 3))
    assert [(row.row_number, row.state, row.errors[0].code) for row in outcome.rows] == [
        (2, "failed", "type-error"), (3, "failed", "row-number"), (4, "skipped", "not-failed"),
        (5, "skipped", "not-failed"),
    ]  # fmt: skip
    assert "has succeeded" in outcome.rows[2].errors[0].message
    assert "is skipped" in outcome.rows[3].errors[0].message
    states = await suite.status.row_states(suite.parent, range(1, 9))
    assert [number for number, state in states.items() if state == "failed"] == [2, 4, 5, 8]


async def test_of_equal_keys_the_first_row_of_the_process_wins_in_whatever_order_they_come() -> None:
    for order in ((8, 2, 5), (2, 5, 8), (5, 8, 2)):
        suite = Repair()
        await suite.begin()
        await suite.service.apply(suite.report([(number, "1", f"n{number}") for number in order]))
        assert [(row["name"], row["_row_number"]) for row in suite.rows()] == [("n2", 2)]
        failed = [row.cells for row in suite.outcome().rows]
        assert sorted(failed) == [("1", "n5"), ("1", "n8")]


async def test_a_sink_that_takes_nothing_leaves_the_corrected_cells_with_the_process() -> None:
    suite = Repair()
    await suite.begin()

    async def refuses(*arguments: object) -> object:
        raise SinkRefusedError("The table people has no column id.")

    suite.sink.load = refuses  # type: ignore[method-assign, assignment]
    await suite.service.apply(suite.report([(2, "20", "b"), (3, "x", "c"), (1, "10", "a")]))
    outcome = suite.outcome()
    assert (outcome.succeeded, outcome.failed, outcome.skipped) == (0, 2, 1)
    assert [(row.row_number, row.errors[0].code, row.cells) for row in outcome.rows] == [
        (1, "sink-error", ("20", "b")), (2, "type-error", ("x", "c")), (3, "not-failed", ("10", "a")),
    ]  # fmt: skip
    assert outcome.repaired == Repaired(suite.parent, (2, 3, 1))


async def test_a_message_of_a_repair_that_comes_again_repeats_its_outcome() -> None:
    suite = Repair()
    await suite.begin()
    batch = suite.report([(2, "20", "b")])
    record, told = suite.status.record, list[BatchOutcome]()

    async def dies(outcome: BatchOutcome) -> None:
        told.append(outcome)
        if len(told) == 1:
            raise RuntimeError("the machine is gone")
        await record(outcome)

    suite.status.record = dies  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await suite.service.apply(batch)
    await suite.service.apply(batch)
    assert told[0] == told[1]
    assert len(suite.rows()) == 1
    assert (await suite.status.row_states(suite.parent, [2])) == {2: "succeeded"}


def test_markers_keep_what_is_repaired_and_old_ones_can_be_read() -> None:
    key = BatchKey("p", "default", BatchRange(1, 1, 2, 2, 0, 9))
    outcome = BatchOutcome(key, "succeeded", 2, 0, 0, (), repaired=Repaired("q", (3, 0)))
    assert BatchOutcome.from_bytes(outcome.to_bytes()) == outcome
    old = json.dumps(json.loads(replace(outcome, repaired=None).to_bytes())[:7]).encode()
    assert BatchOutcome.from_bytes(old) == replace(outcome, repaired=None)
