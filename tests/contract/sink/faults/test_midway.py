"""What happens to a table while a process loads rows into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ingestor.services.processor.adapters.postgres.sink import PgSink, Target
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.ports import SinkRefusedError, Table
from tests.contract.sink.batches import concluding, good, key, new_process
from tests.contract.sink.faults.test_rows import MADE, T, raising

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

ABC = ((1, "a"), (2, "b"), (3, "c"))
BY_ID = replace(T, primary_key=("id",), upsert=True)


async def load(sink: PgSink, process: str, number: int, table: Table = T) -> BatchOutcome:
    """Load a batch of a process; the outcome."""
    of = key(number, process=process)
    rows = [(id_ + number * 3, name) for id_, name in ABC]
    outcome = (await sink.load(of, good(of, rows, table), concluding(of))).outcome
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("table", [T, BY_ID], ids=["append", "upsert"])
@pytest.mark.parametrize(
    ("broken", "mended", "message"),
    [
        (
            "REVOKE INSERT ON public.t FROM ROLE", "GRANT INSERT ON public.t TO ROLE",
            "The suite's role ROLE lacks the right INSERT on the table public.t: GRANT INSERT ON public.t TO "
            "ROLE.",
        ),
        (
            "REVOKE USAGE ON SCHEMA public FROM PUBLIC, ROLE", "GRANT USAGE ON SCHEMA public TO ROLE",
            "The suite's role ROLE lacks the right USAGE on the schema public: GRANT USAGE ON SCHEMA public "
            "TO ROLE.",
        ),
        (
            "ALTER TABLE public.t RENAME TO gone", "ALTER TABLE public.gone RENAME TO t",
            "The table public.t no longer exists, although the process has loaded rows into it: create it "
            "again, or cancel the process.",
        ),
        (
            "ALTER TABLE public.t RENAME name TO gone", "ALTER TABLE public.t RENAME gone TO name",
            "The table t has no column name.",
        ),
    ],
    ids=["right", "schema", "table", "column"],
)  # fmt: skip
async def test_a_table_that_takes_no_rows_any_more(
    pool: PgPool, database_url: str, table: Table, broken: str, mended: str, message: str
) -> None:
    """The batch is refused midway; a process that has loaded nothing yet fails. Both go on afterwards."""
    role = await pool.fetchval("SELECT current_user")
    owner = await asyncpg.connect(database_url)
    await owner.execute(MADE.format(" PRIMARY KEY", "") + f"GRANT ALL ON public.t TO {role}")
    sink, process = PgSink(pool), new_process()
    await load(sink, process, 1, table)
    await owner.execute(broken.replace("ROLE", role))
    for one in (sink, PgSink(pool)):
        with pytest.raises(SinkRefusedError) as caught:
            await load(one, process, 2, table)
        assert (str(caught.value), caught.value.midway) == (message.replace("ROLE", role), True)
    if "RENAME TO" not in broken:
        with pytest.raises(SinkRefusedError) as caught:
            await load(sink, new_process(), 3, table)
        assert not caught.value.midway
    await owner.execute(mended.replace("ROLE", role))
    await owner.close()
    assert (await load(sink, process, 2, table)).succeeded == 3
    assert await pool.fetchval("SELECT count(*) FROM public.t") == 6


class Overtaken(PgSink):
    """A sink whose table is changed once, between the look at it and the load."""

    change: Callable[[], Awaitable[object]] | None = None

    async def _ensure(self, connection: PgConnection, table: Table, key: BatchKey) -> Target:
        target = await super()._ensure(connection, table, key)
        if (change := self.change) is not None:
            self.change = None
            await change()
        return target


@pytest.mark.parametrize("seen", [False, True], ids=["first-batch", "later-batch"])
@pytest.mark.parametrize("table", [T, BY_ID], ids=["append", "upsert"])
async def test_a_right_that_goes_while_a_batch_is_loaded(
    pool: PgPool, database_url: str, table: Table, seen: bool
) -> None:
    """The reason is the same as if the right had gone before the batch; its first batch or a later one."""
    role = await pool.fetchval("SELECT current_user")
    owner = await asyncpg.connect(database_url)
    await owner.execute(MADE.format(" PRIMARY KEY", "") + f"GRANT ALL ON public.t TO {role}")
    sink, process = Overtaken(pool), new_process()
    await load(sink if seen else PgSink(pool), process, 1, table)
    sink.change = lambda: owner.execute(f"REVOKE INSERT ON public.t FROM {role}")
    with pytest.raises(SinkRefusedError) as caught:
        await load(sink, process, 2, table)
    assert sink.change is None
    assert (str(caught.value), caught.value.midway) == (
        f"The suite's role {role} lacks the right INSERT on the table public.t: GRANT INSERT ON public.t TO "
        f"{role}.",
        True,
    )
    await owner.execute(f"GRANT INSERT ON public.t TO {role}")
    await owner.close()
    assert (await load(sink, process, 2, table)).succeeded == 3


@pytest.mark.parametrize("table", [T, BY_ID], ids=["append", "upsert"])
@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        (raising("RETURN NULL"), [5]),
        ("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; ALTER TABLE public.t FORCE ROW LEVEL SECURITY; "
         "CREATE POLICY p ON public.t USING (true) WITH CHECK (name <> 'b');", [5]),
        ("ALTER TABLE public.t ALTER name TYPE varchar(1)", []),
        ("ALTER TABLE public.t DROP COLUMN more", []),
    ],
    ids=["trigger", "policy", "type", "column"],
)  # fmt: skip
async def test_a_table_that_changes(pool: PgPool, table: Table, changed: str, refused: list[int]) -> None:
    """The next batch is loaded as the table is then."""
    await pool.execute(MADE.format(" PRIMARY KEY", "") + "ALTER TABLE public.t ADD more text")
    sink, process = PgSink(pool), new_process()
    await load(sink, process, 1, table)
    await pool.execute(changed)
    assert [row.row_number for row in (await load(sink, process, 2, table)).rows] == refused
