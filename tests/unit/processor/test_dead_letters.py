"""Dead letters: a crash is not the batch's fault, and the row that a process dies of is found."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ingestor.runtime.processes.pool import CallFailedError, OverLimitError, Processes, open_processes
from ingestor.services.processor.batches import RepairedRows, RowBatch
from ingestor.services.processor.checks.parts import CHECK, PARSE
from ingestor.services.processor.dry_run import WORK
from tests.fakes.queue import MemoryQueue
from tests.fakes.work import Here
from tests.unit.processor.test_batches import PIPELINE, Suite, queued

ROWS = 1000


class Mortal(Here):
    """Dies of rows whose name is one of `deadly`, and as often as `killed` says for no reason."""

    def __init__(self, *deadly: str, killed: int = 0, error: Exception | None = None) -> None:
        self.deadly = set(deadly)
        self.killed = killed
        self.calls = 0
        self.error = error or OverLimitError("took more memory than there is for it, or crashed")

    async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
        self.calls += 1
        if self.killed:
            self.killed -= 1
            raise self.error
        if function == CHECK and self.deadly & set(arguments[0].columns[1].to_pylist()):
            raise self.error
        return await super().call(function, *arguments, seconds=seconds, group=group)


@pytest.fixture
async def suite() -> Suite:
    made = Suite()
    made.pipelines.add(json.dumps(PIPELINE))
    return made


def batch(suite: Suite, *bad: int, rows: int = ROWS) -> RowBatch:
    """A batch whose rows with these numbers have the name "BAD"."""
    lines = [f"{number},{'BAD' if number in bad else 'ok'}\n" for number in range(1, rows + 1)]
    return suite.batch(1, "".join(lines).encode(), rows=rows)


async def conclude(suite: Suite, dead: RowBatch, processes: Processes, receives: int = 1) -> None:
    """Handle a dead letter."""
    suite.processes = processes
    queue = MemoryQueue()
    await queue.send(queued(queue, dead))
    (delivery,) = await queue.receive(1)
    await suite.dead(queue)(replace(delivery, receive_count=receives))


def letters(suite: Suite, kind: str) -> float | None:
    return suite.registry.get_sample_value("ingestor_dead_letters_total", {"kind": kind})


async def test_a_batch_whose_processors_were_killed_is_loaded(suite: Suite) -> None:
    await conclude(suite, batch(suite), Mortal())
    outcome = suite.outcome()
    assert (outcome.succeeded, outcome.failed) == (ROWS, 0)
    assert len(suite.rows()) == ROWS
    assert (letters(suite, "recovered"), letters(suite, "batch")) == (1, 0)


async def test_only_the_rows_that_no_process_survives_fail(suite: Suite) -> None:
    processes = Mortal("BAD")
    await conclude(suite, batch(suite, 1, 500, 501, ROWS), processes)
    outcome = suite.outcome()
    assert (outcome.succeeded, outcome.failed) == (ROWS - 4, 4)
    assert [row.row_number for row in outcome.rows] == [1, 500, 501, ROWS]
    first = outcome.rows[0]
    assert (first.line_number, first.cells, first.errors[0].code) == (2, ("1", "BAD"), "batch-error")
    assert first.errors[0].message == (
        "This row cannot be checked: the process took more memory than there is for it, or crashed."
    )
    assert [row["id"] for row in suite.rows()] == [
        n for n in range(1, ROWS + 1) if n not in (1, 500, 501, ROWS)
    ]
    assert processes.calls < 100


async def test_an_error_of_the_program_fails_its_row_only(suite: Suite) -> None:
    await conclude(suite, batch(suite, 7), Mortal("BAD", error=CallFailedError("it raised KeyError")))
    outcome = suite.outcome()
    assert [row.row_number for row in outcome.rows] == [7]
    assert "error in the program" in outcome.rows[0].errors[0].message


async def test_a_process_that_somebody_kills_fails_no_row(suite: Suite) -> None:
    await conclude(suite, batch(suite, rows=1), Mortal(killed=1))  # while it reads the batch
    assert suite.outcome().succeeded == 1


async def test_rows_of_which_very_many_are_deadly_end_too(suite: Suite) -> None:
    processes = Mortal("BAD")
    await conclude(suite, batch(suite, *range(1, ROWS + 1)), processes)
    assert suite.outcome().failed == ROWS
    assert processes.calls < 200


async def test_a_repair_loses_its_guilty_row_only(suite: Suite) -> None:
    await suite.service.apply(suite.batch(1, b"x,a\nx,b\nx,c\n", rows=3))
    repaired, suite.process = suite.process, suite.process[::-1].replace("-", "0")
    rows = RepairedRows(repaired, ("id", "name"), (), 0)
    repair = replace(
        suite.batch(1, b"1,1,a\n2,2,BAD\n3,3,c\n", rows=3), columns=("_row", "id", "name"), repairs=rows
    )
    await conclude(suite, repair, Mortal("BAD"))
    outcome = suite.outcome()
    assert (outcome.succeeded, [row.row_number for row in outcome.rows]) == (2, [2])


async def test_a_batch_that_cannot_be_read_fails_as_a_whole(suite: Suite) -> None:
    await conclude(suite, batch(suite), Mortal(killed=2))
    outcome = suite.outcome()
    assert (outcome.default_state, outcome.failed) == ("failed", ROWS)
    assert letters(suite, "batch") == 1


async def test_a_batch_that_ends_its_processor_in_the_table_again_and_again_is_given_up(suite: Suite) -> None:
    processes = Mortal()
    await conclude(suite, batch(suite), processes, receives=11)
    assert suite.outcome().failed == ROWS
    assert processes.calls == 0


@pytest.fixture
async def pool() -> AsyncIterator[Processes]:
    async with open_processes(WORK, most=1, memory_bytes=384 * 2**20) as made:
        yield made


async def test_in_real_processes(suite: Suite, pool: Processes) -> None:
    await conclude(suite, batch(suite, rows=3), pool)
    assert suite.outcome().succeeded == 3
    await suite.service.apply(batch(suite, rows=3))  # it is known
    with pytest.raises(CallFailedError):
        await pool.call(PARSE, batch(suite, rows=3), b"1,a\n", None, seconds=10)
