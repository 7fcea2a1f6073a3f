"""A reference model: whatever is loaded, repaired, retried, undone, deleted and expired, in any order and
with batches in any order, twice or given up, table, counts, rows and report are what a dictionary says."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingestor.access import scope
from ingestor.access.scope import DEFAULT_TENANT
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from tests.examples import NIGHTLY
from tests.model.services import Services

T = TypeVar("T")
KEYS = st.integers(1, 5)
NAMES = st.sampled_from(["a", "b", "c", "a", "b", ""])  # "" is missing: the row fails
ROWS = st.lists(st.tuples(KEYS, NAMES), min_size=1, max_size=4)
_TABLES = itertools.count(1)


@dataclass
class Process:
    """What the model knows of a process: its rows as [key, name, state, code], by number."""

    mode: str
    rows: dict[int, list[Any]]
    repairs: str = ""  # the repaired process
    undone: bool = False
    expired: bool = False

    def state(self) -> str:
        if self.undone:
            return "UNDONE"
        return "COMPLETED_WITH_ERRORS" if self.counts()["FAILED"] else "COMPLETED"

    def counts(self) -> Counter[str]:
        return Counter(row[2] for row in self.rows.values())


@dataclass
class Model:
    """Two tables, of an append and of an upsert, and the processes that have loaded into them."""

    processes: dict[str, Process] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    appended: dict[int, tuple[str, str, int]] = field(default_factory=dict)  # key: name, process, row
    # key: of each process the row that counts. The table has that of the last process.
    upserted: dict[int, dict[str, tuple[int, str]]] = field(default_factory=dict)

    def put(self, owner: str, mode: str, number: int, key: int, name: str) -> tuple[str, str]:
        """Load a row; its state and the code of its error."""
        if not name:
            return "FAILED", "constraint-error"
        if mode == "upsert":
            rows = self.upserted.setdefault(key, {})
            if owner not in rows or rows[owner][0] < number:
                rows[owner] = number, name
            return "SUCCEEDED", ""
        if key in self.appended:
            return "FAILED", "primary-key"
        self.appended[key] = name, owner, number
        return "SUCCEEDED", ""

    def take_out(self, process: str) -> None:
        """Undo a process."""
        self.appended = {key: row for key, row in self.appended.items() if row[1] != process}
        for rows in self.upserted.values():
            rows.pop(process, None)

    def table(self, mode: str) -> dict[int, tuple[str, str, int]]:
        """What is in a table: name, process and row by key."""
        if mode == "append":
            return self.appended
        tops = {key: max(rows.items()) for key, rows in self.upserted.items() if rows}
        return {key: (name, process, number) for key, (process, (number, name)) in tops.items()}

    def repairs_of(self, process: str) -> list[str]:
        return [key for key, found in self.processes.items() if found.repairs == process]

    def ended(self, *codes: str) -> list[str]:
        """Processes that are no repairs and can still be changed, with a row that failed for such a code."""
        return [
            key for key, found in self.processes.items()
            if not (found.repairs or found.undone or found.expired)
            and (not codes or any(row[3] in codes for row in found.rows.values()))
        ]  # fmt: skip


class Machine(RuleBasedStateMachine):
    """Does the same to the services and to the model."""

    runner: asyncio.Runner
    services: Services

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        suffix = next(_TABLES)
        self.names = {mode: f"{mode}_{suffix}" for mode in ("append", "upsert")}
        for mode, name in self.names.items():
            self.services.add_pipeline(name, mode)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(
        mode=st.sampled_from(["append", "upsert"]),
        batches=st.lists(ROWS, min_size=1, max_size=3),
        order=st.permutations(range(3)),
        again=st.sets(st.integers(0, 2)),
        dead=st.sets(st.integers(0, 2), max_size=1),
    )
    def load(
        self,
        mode: str,
        batches: list[list[tuple[int, str]]],
        order: list[int],
        again: set[int],
        dead: set[int],
    ) -> None:
        """Batches come in any order; some come twice, and some are given up before they come again."""

        async def work() -> str:
            process, messages = await self.services.dispatch(self.names[mode], batches)
            for place in [place for place in order if place < len(messages)]:
                if place in dead:
                    await self.services.give_up(messages[place])
                else:
                    await self.services.batches.apply(messages[place])
                if place in again:
                    await self.services.batches.apply(messages[place])
            return process

        process = self.run(work())
        made = self.model.processes[process] = Process(mode, {})
        for place, rows in enumerate(batches):
            for key, name in rows:
                number = len(made.rows) + 1
                state = ("FAILED", "batch-error")
                if place not in dead:
                    state = self.model.put(process, mode, number, key, name)
                made.rows[number] = [key, name, *state]

    @precondition(lambda self: self.model.ended("constraint-error", "primary-key", "batch-error"))
    @rule(data=st.data(), again=st.booleans())
    def repair(self, data: st.DataObject, again: bool) -> None:
        """Some failed rows, and perhaps one that has not failed, come back with other values."""
        parent = data.draw(
            st.sampled_from(self.model.ended("constraint-error", "primary-key", "batch-error"))
        )
        process = self.model.processes[parent]
        numbers = sorted(data.draw(st.sets(st.sampled_from(sorted(process.rows)), min_size=1, max_size=4)))
        rows = {number: data.draw(st.tuples(KEYS, NAMES)) for number in numbers}

        async def work() -> str:
            repair, message = await self.services.repair(parent, self.names[process.mode], rows)
            for _ in range(1 + again):
                await self.services.batches.apply(message)
            return repair

        repair = self.run(work())
        self._repaired(repair, parent, rows)

    @precondition(lambda self: self.model.ended("batch-error"))
    @rule(data=st.data(), again=st.booleans())
    def retry(self, data: st.DataObject, again: bool) -> None:
        """Rows of batches that were given up run again from the file."""
        parent = data.draw(st.sampled_from(self.model.ended("batch-error")))
        process = self.model.processes[parent]
        rows = {
            number: (key, name)
            for number, (key, name, _, code) in process.rows.items()
            if code == "batch-error"
        }

        async def work() -> str:
            retry, messages = await self.services.retry(parent)
            for message in messages:
                for _ in range(1 + again):
                    await self.services.batches.apply(message)
            return retry

        self._repaired(self.run(work()), parent, rows)

    def _repaired(self, repair: str, parent: str, rows: dict[int, tuple[int, str]]) -> None:
        process = self.model.processes[parent]
        made = self.model.processes[repair] = Process(process.mode, {}, parent)
        for place, (number, (key, name)) in enumerate(rows.items(), 1):
            if process.rows[number][2] == "FAILED":
                state = self.model.put(parent, process.mode, number, key, name)
                process.rows[number] = [key, name, *state]
            else:
                state = "SKIPPED", "not-failed"
            made.rows[place] = [key, name, *state]

    @precondition(lambda self: self.model.processes)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        """A process is undone with its repairs; repeating it changes nothing, and an expired one refuses."""
        process = data.draw(st.sampled_from(sorted(self.model.processes)))
        found = self.model.processes[process]
        try:
            self.run(self.services.undo(process))
        except FailedPreconditionError as error:
            assert error.reason == ("REPAIR" if found.repairs else "UNDO_IMPOSSIBLE"), error
            assert found.repairs or (found.expired and not found.undone)
            return
        assert not found.repairs and (found.undone or not found.expired)
        self.model.take_out(process)
        for one in (process, *self.model.repairs_of(process)):
            self.model.processes[one].undone = True

    @precondition(lambda self: self.model.processes)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(sorted(self.model.processes)))
        self.run(self.services.expire(process))
        self.model.processes[process].expired = True

    @precondition(lambda self: self.model.processes)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Its rows stay in the table."""
        process = data.draw(st.sampled_from(sorted(self.model.processes)))
        repairs = self.model.repairs_of(process)
        self.run(self.services.delete(process, repairs))
        for one in (process, *repairs):
            del self.model.processes[one]
            self.model.deleted.add(one)

    @invariant()
    def the_services_say_what_the_model_says(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        for mode, name in self.names.items():
            assert await self._table(name) == self.model.table(mode)
        for process, expected in self.model.processes.items():
            found = await self.services.reader.process(process)
            assert found is not None
            counts = expected.counts()
            assert (found.state.name, found.expired) == (expected.state(), expected.expired)
            assert (found.read, found.succeeded, found.failed, found.skipped, found.unprocessed) == (
                len(expected.rows), counts["SUCCEEDED"], counts["FAILED"], counts["SKIPPED"], 0,
            )  # fmt: skip
            if expected.expired:
                continue
            rows = await self.services.reader.rows(process, (), 0, 100)
            assert {
                row.row_number: (row.state.name, row.errors[0].code if row.errors else "") for row in rows
            } == {number: (state, code) for number, (_, _, state, code) in expected.rows.items()}
            if not expected.repairs:  # the report of a repair has the numbers of the repaired process
                report = await self.services.report(process)
                assert report == {number: row[2] for number, row in expected.rows.items()}
            failed = Counter(row[3] for row in expected.rows.values() if row[2] == "FAILED")
            groups = await self.services.reader.error_groups(process)
            assert Counter({group.code: group.count for group in groups}) == failed
        for process in self.model.deleted:
            try:
                await self.services.reader.process(process)
            except NotFoundError as error:
                assert error.reason == "PROCESS_DELETED"
            else:
                raise AssertionError(f"{process} was deleted")

    async def _table(self, name: str) -> dict[int, tuple[str, str, int]]:
        async with self.services.tables.transaction() as connection:
            if not await connection.fetchval("SELECT to_regclass($1)", f"public.{name}"):
                return {}
            rows = await connection.fetch(f"SELECT id, name, _process_id, _row_number FROM public.{name}")
        assert len({row["id"] for row in rows}) == len(rows)
        return {row["id"]: (row["name"], str(row["_process_id"]), row["_row_number"]) for row in rows}


async def test_the_services_do_what_the_model_does(database_url: str) -> None:
    def run() -> None:
        scope.enter(DEFAULT_TENANT)
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            Machine.runner, Machine.services = runner, runner.run(Services.open(stack, database_url))
            try:
                run_state_machine_as_test(
                    Machine,
                    settings=settings(
                        max_examples=400 if NIGHTLY else 10,
                        stateful_step_count=20 if NIGHTLY else 10,
                        deadline=None,
                        # To find the least example takes minutes.
                        phases=[phase for phase in Phase if NIGHTLY or phase is not Phase.shrink],
                        suppress_health_check=list(HealthCheck),
                    ),
                )
            finally:
                runner.run(stack.aclose())

    await asyncio.to_thread(run)
