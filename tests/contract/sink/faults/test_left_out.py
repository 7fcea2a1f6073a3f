"""Rows that a trigger, a rule or a policy leaves out without an error have not succeeded, and it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ingestor.outcomes import Notice
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchOutcome
from ingestor.services.processor.ports import Table
from tests.contract.sink.batches import concluding, good, key, new_process
from tests.contract.sink.faults.test_rows import BY_ID, BY_ID_ONLY, GUARD, KEYED, MADE, T, raising, trigger

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

LEFT = "A trigger or rule of the table left the row out."
ABC = ((1, "a"), (2, "b"), (3, "c"))
PARTS = (
    MADE.format("", "")
    + "CREATE TABLE public.t_even () INHERITS (public.t); CREATE TABLE public.t_odd () INHERITS (public.t); "
    + trigger(
        "IF new.name = 'no' THEN RETURN NULL; ELSIF new.name = 'bad' THEN RAISE 'bad'; "
        "ELSIF new.id % 2 = 0 THEN INSERT INTO public.t_even VALUES (new.*); "
        "ELSE INSERT INTO public.t_odd VALUES (new.*); END IF; RETURN NULL;"
    )
)


@dataclass(frozen=True)
class Case:
    """A table, rows of it, and the messages of those that are refused, by their numbers; `left` of them are
    left out."""

    made: str
    messages: dict[int, str]
    left: tuple[int, ...]
    rows: Sequence[tuple[int, str]] = ABC
    ways: Sequence[Table] = (T, BY_ID, BY_ID_ONLY)


CASES = {
    "before": Case(KEYED + raising("RETURN NULL"), {2: LEFT}, (2,)),
    "before, with others that are refused": Case(
        KEYED + "ALTER TABLE public.t ADD CHECK (id < 9);" + raising("RETURN NULL"),
        {2: LEFT, 3: "The table's constraint t_id_check refuses the row."}, (2,),
        ((1, "a"), (2, "b"), (9, "c"), (4, "d")),
    ),
    "before, with a key that is taken": Case(
        KEYED + raising("RETURN NULL"),
        {2: LEFT, 3: "The table already has a row with the same id."}, (2,),
        ((1, "a"), (2, "b"), (1, "c"), (4, "d")), (T,),
    ),
    "parts by a trigger": Case(PARTS, {2: LEFT}, (2,), ((1, "a"), (2, "no"), (3, "c")), (T,)),
    "parts by a trigger, with others that are refused": Case(
        PARTS, {2: LEFT, 3: "bad"}, (2,), ((1, "a"), (2, "no"), (3, "bad"), (4, "c")), (T,)
    ),
    "a trigger that changes the key": Case(
        KEYED + trigger("new.id := new.id + 100; RETURN new;"), {}, ()
    ),
    "a view that nobody stands behind": Case(
        MADE.format("", "").replace("public.t", "public.behind")
        + "CREATE VIEW public.t AS SELECT * FROM public.behind; "
        "CREATE RULE r AS ON INSERT TO public.t DO INSTEAD NOTHING;",
        dict.fromkeys((1, 2, 3), LEFT), (1, 2, 3), ways=(T,),
    ),
}  # fmt: skip


async def load(
    pool: PgPool, table: Table, rows: Sequence[tuple[int, str]], process: str | None = None
) -> BatchOutcome:
    """Load rows; the outcome."""
    of = key(rows=len(rows), process=process)
    outcome = (await PgSink(pool).load(of, good(of, rows, table), concluding(of))).outcome
    assert outcome is not None
    return outcome


def told(*numbers: int, count: int | None = None) -> tuple[Notice, ...]:
    """The notices of an outcome with rows that were left out."""
    text = "A trigger or rule of the table left rows out."
    count = len(numbers) if count is None else count
    return (Notice("rows-left-out", text, count, numbers),) if count else ()


@pytest.mark.parametrize(
    ("name", "way"), [(name, number) for name, case in CASES.items() for number in range(len(case.ways))]
)
async def test_a_row_that_is_not_there_has_not_succeeded(pool: PgPool, name: str, way: int) -> None:
    case = CASES[name]
    await pool.execute(case.made)
    outcome = await load(pool, case.ways[way], case.rows)
    assert {row.row_number: row.errors[0].message for row in outcome.rows} == case.messages
    assert outcome.notices == told(*case.left)
    assert outcome.succeeded == len(case.rows) - len(case.messages)
    assert await pool.fetchval("SELECT count(*) FROM public.t") == outcome.succeeded


@pytest.mark.parametrize("table", [BY_ID, BY_ID_ONLY])
@pytest.mark.parametrize(
    "made",
    [
        KEYED + trigger("IF old.name = 'fixed' THEN RETURN NULL; END IF; RETURN new;", "BEFORE UPDATE"),
        KEYED + GUARD + "CREATE POLICY p ON public.t FOR INSERT WITH CHECK (true); "
        "CREATE POLICY q ON public.t FOR SELECT USING (true); "
        "CREATE POLICY r ON public.t FOR UPDATE USING (name <> 'fixed');",
    ],
    ids=["trigger", "policy"],
)  # fmt: skip
async def test_a_row_that_is_not_replaced_has_not_succeeded(pool: PgPool, table: Table, made: str) -> None:
    await pool.execute(made)
    await load(pool, table, ((1, "a"), (2, "fixed"), (3, "c")))
    outcome = await load(pool, table, ((1, "x"), (2, "y"), (3, "z")))
    assert [row.row_number for row in outcome.rows] == [2]
    rows = await pool.fetch("SELECT id, name FROM public.t ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, "x"), (2, "fixed"), (3, "z")]


async def test_a_row_that_comes_late_is_not_left_out(pool: PgPool) -> None:
    """The table has a row of a later process, as it should."""
    await pool.execute(KEYED + trigger("RETURN new;"))
    first, second = new_process(), new_process()
    await load(pool, BY_ID, ABC, second)
    outcome = await load(pool, BY_ID, ABC, first)
    assert (outcome.succeeded, outcome.notices) == (3, ())


async def test_nobody_knows_which_rows_are_left_out(pool: PgPool) -> None:
    """Of a table that may not be read: it is told how many."""
    await pool.execute(MADE.format("", "") + raising("RETURN NULL"))
    await pool.execute("REVOKE SELECT ON public.t FROM CURRENT_USER")
    outcome = await load(pool, T, ABC)
    assert (outcome.succeeded, outcome.notices) == (3, told(count=1))


async def test_a_row_that_is_left_out_of_a_repair_may_come_again(pool: PgPool) -> None:
    await pool.execute(KEYED + raising("RETURN NULL"))
    parent = new_process()
    for expected in ([2], [2]):
        of = key()
        rows = replace(good(of, ABC, BY_ID), repairs=parent)
        outcome = (await PgSink(pool).load(of, rows, concluding(of))).outcome
        assert outcome is not None
        assert [row.row_number for row in outcome.rows if row.errors[0].message == LEFT] == expected
