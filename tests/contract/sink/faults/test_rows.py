"""Whatever the database says about a row costs that row alone, in tables that people have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchKey
from ingestor.services.processor.ports import Table
from tests.contract.sink.batches import concluding, good, key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

T = Table("public", "t", (("id", "bigint"), ("name", "text")), ())
BY_ID = replace(T, primary_key=("id",), upsert=True)
BY_ID_ONLY = replace(BY_ID, undo=False)

MADE = "CREATE TABLE public.t (id bigint{}, name text{}, _row_number bigint, _process_id uuid);"


def trigger(body: str, when: str = "BEFORE INSERT OR UPDATE") -> str:
    """A trigger for each row of t."""
    return (
        f"CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; "
        f"CREATE TRIGGER f {when} ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();"
    )


def raising(how: str) -> str:
    """A trigger that refuses rows named b."""
    return trigger(f"IF new.name = 'b' THEN {how}; END IF; RETURN new;")


POLICY = "A row-level security policy of the table refuses the row."
GUARD = (
    "CREATE TABLE public.names (name text); INSERT INTO public.names VALUES ('a'), ('c'), ('e'); "
    "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; ALTER TABLE public.t FORCE ROW LEVEL SECURITY;"
)


@dataclass(frozen=True)
class Case:
    """A table, rows of it, and the messages of those that are refused, by their numbers. `dry`: a dry run
    says the same."""

    made: str
    messages: dict[int, str]
    rows: Sequence[tuple[int | None, str | None]] = ((1, "a"), (2, "b"), (3, "c"))
    ways: Sequence[Table] = (T, BY_ID, BY_ID_ONLY)
    dry: bool = False


KEYED = MADE.format(" PRIMARY KEY", "")
REFERS = "CREATE TABLE public.o (id bigint PRIMARY KEY); INSERT INTO public.o VALUES (1);" + MADE
NONE = "The table that id refers to has no such row."

CASES = {
    "raise": Case(
        KEYED + raising("RAISE EXCEPTION 'name must not be %', new.name"), {2: "name must not be b"}
    ),
    "raise with a state": Case(
        KEYED + raising("RAISE 'gone' USING ERRCODE = '42501', DETAIL = 'SELECT 1'"), {2: "gone"}
    ),
    "raise a transient state": Case(KEYED + raising("RAISE 'busy' USING ERRCODE = '40001'"), {2: "busy"}),
    "assert": Case(KEYED + raising("ASSERT false, 'never'"), {2: "The table refuses the row: never."}),
    "a trigger that fails": Case(
        KEYED + raising("INSERT INTO public.nowhere VALUES (1)"),
        {2: 'The table refuses the row: relation "public.nowhere" does not exist.'},
    ),
    "a trigger after the row": Case(
        KEYED + trigger("IF new.name = 'b' THEN RAISE 'late'; END IF; RETURN null;", "AFTER INSERT"),
        {2: "late"},
    ),
    "a late constraint trigger": Case(
        KEYED
        + trigger("IF new.name = 'b' THEN RAISE 'late'; END IF; RETURN null;", "AFTER INSERT").replace(
            "CREATE TRIGGER f AFTER INSERT ON public.t",
            "CREATE CONSTRAINT TRIGGER f AFTER INSERT ON public.t DEFERRABLE INITIALLY DEFERRED",
        ),
        {2: "late"},
    ),
    "late unique": Case(
        MADE.format(" UNIQUE DEFERRABLE INITIALLY DEFERRED", ""),
        {2: "The table already has a row with the same id."},
        ((1, "a"), (1, "b"), (2, "c")), (T,), dry=True,
    ),
    "late reference": Case(
        REFERS.format(" REFERENCES public.o DEFERRABLE INITIALLY DEFERRED", ""),
        {2: NONE}, ((1, "a"), (7, "b"), (1, "c")), (T,), dry=True,
    ),
    "late reference to itself": Case(
        MADE.format(" PRIMARY KEY", "") + "ALTER TABLE public.t ADD up bigint GENERATED ALWAYS AS "
        "(nullif(id - 1, 0)) STORED REFERENCES public.t DEFERRABLE INITIALLY DEFERRED;",
        dict.fromkeys((2, 5), "The table that up refers to has no such row."),
        ((2, "a"), (9, "b"), (1, "c"), (3, "d"), (10, "e")),
    ),
    "late reference that a trigger fulfils": Case(
        REFERS.format(" REFERENCES public.o DEFERRABLE INITIALLY DEFERRED", " CHECK (name <> 'b')")
        + trigger("INSERT INTO public.o VALUES (new.id); RETURN null;", "AFTER INSERT"),
        {2: "The table's constraint t_name_check refuses the row."},
        ((5, "a"), (6, "b"), (7, "c"), (8, "d")), (T,),
    ),
    "reference to rows that a policy hides": Case(
        REFERS.format(" REFERENCES public.o", " CHECK (name <> 'b')")
        + "ALTER TABLE public.o ENABLE ROW LEVEL SECURITY; ALTER TABLE public.o FORCE ROW LEVEL SECURITY;",
        {2: "The table's constraint t_name_check refuses the row."},
        ((1, "a"), (1, "b"), (1, "c")), (T,),
    ),
    "policy": Case(
        KEYED + GUARD + "CREATE POLICY p ON public.t USING (true) WITH CHECK (name <> 'b');",
        {2: POLICY}, dry=True,
    ),
    "policies": Case(
        KEYED + GUARD + "CREATE POLICY p ON public.t USING (true) WITH CHECK "
        "(EXISTS (SELECT FROM public.names n WHERE n.name = t.name)); "
        "CREATE POLICY q ON public.t USING (true) WITH CHECK (id = 4); "
        "CREATE POLICY r ON public.t AS RESTRICTIVE FOR INSERT WITH CHECK (id <> 5);",
        {2: POLICY, 4: POLICY}, ((1, "a"), (2, "b"), (3, "c"), (5, "e"), (4, "f")), dry=True,
    ),
    "policy that hides": Case(
        KEYED + GUARD + "CREATE POLICY p ON public.t FOR INSERT WITH CHECK (name <> 'b'); "
        "CREATE POLICY q ON public.t FOR SELECT USING (name = 'a');",
        {2: POLICY}, ways=(T,), dry=True,
    ),
    "policy and key": Case(
        KEYED + GUARD + "CREATE POLICY p ON public.t USING (true) WITH CHECK (name <> 'b');",
        {2: POLICY, 3: "The table already has a row with the same id."},
        ((1, "a"), (2, "b"), (1, "c"), (2, "d")), (replace(T, primary_key=("id",)),), dry=True,
    ),
    "no policy": Case(KEYED + GUARD, {1: POLICY, 2: POLICY, 3: POLICY}, dry=True),
    "no such part": Case(
        MADE.format("", "").replace(");", ") PARTITION BY LIST (name);")
        + "CREATE TABLE public.t_a PARTITION OF public.t FOR VALUES IN ('a', 'c');",
        {2: "The table has no partition for the row."}, ways=(T,),
    ),
    "a trigger gives what is needed": Case(
        KEYED + "ALTER TABLE public.t ADD slug text NOT NULL;"
        + trigger("IF new.name = 'b' THEN RAISE 'no'; END IF; new.slug := new.name; RETURN new;"),
        {2: "no"},
    ),
    "a view with a condition": Case(
        MADE.format("", "").replace("public.t", "public.behind")
        + "CREATE VIEW public.t AS SELECT * FROM public.behind WHERE name <> 'b' WITH CHECK OPTION;",
        {2: 'The table refuses the row: new row violates check option for view "t".'}, ways=(T,),
    ),
    "a view with a trigger": Case(
        MADE.format("", "").replace("public.t", "public.behind")
        + "CREATE VIEW public.t AS SELECT * FROM public.behind;"
        + trigger("IF new.name = 'b' THEN RAISE 'no'; END IF; INSERT INTO public.behind VALUES (new.*); "
                  "RETURN new;", "INSTEAD OF INSERT"),
        {2: "no"}, ways=(T,),
    ),
    "a rule that copies": Case(
        MADE.format("", " CHECK (name <> 'b')") + "CREATE TABLE public.log (id bigint);"
        "CREATE RULE r AS ON INSERT TO public.t DO ALSO INSERT INTO public.log VALUES (new.id);",
        {2: "The table's constraint t_name_check refuses the row."}, ways=(T,),
    ),
}  # fmt: skip


async def load(pool: PgPool, table: Table, rows: Sequence[tuple[int | None, str | None]],
               of: BatchKey | None = None) -> dict[int, str]:  # fmt: skip
    """Load rows; the messages of those that are refused, by number."""
    of = of or key(rows=len(rows))
    outcome = (await PgSink(pool).load(of, good(of, rows, table), concluding(of))).outcome
    assert outcome is not None
    found = {row.row_number: row.errors[0].message for row in outcome.rows}
    assert outcome.succeeded == len(rows) - len(found)
    return found


async def dry_run(
    pool: PgPool, table: Table, rows: Sequence[tuple[int | None, str | None]]
) -> dict[int, str]:
    """What a dry run says of rows."""
    async with PgDryRunTables(pool, 1).open(table) as run:
        refused = await run.refused(good(key(rows=len(rows)), rows, table))
    return {row.position + 1: row.error.message for row in refused}


async def there(pool: PgPool) -> list[tuple[int | None, str | None]]:
    """The rows of the table."""
    async with pool.transaction() as connection:
        await connection.execute("SET LOCAL row_security = on")
        rows = await connection.fetch("SELECT id, name FROM public.t ORDER BY _row_number")
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("name", "way"), [(name, number) for name, case in CASES.items() for number in range(len(case.ways))]
)
async def test_a_row_that_is_refused_is_refused_alone(pool: PgPool, name: str, way: int) -> None:
    case = CASES[name]
    await pool.execute(case.made)
    if case.dry:
        assert await dry_run(pool, case.ways[way], case.rows) == case.messages
    assert await load(pool, case.ways[way], case.rows) == case.messages
    hidden = name == "policy that hides"
    loaded = [row for number, row in enumerate(case.rows, 1) if number not in case.messages]
    assert await there(pool) == (loaded[:1] if hidden else loaded)


@pytest.mark.parametrize("table", [T, BY_ID, BY_ID_ONLY])
async def test_a_row_that_is_too_large(pool: PgPool, table: Table) -> None:
    """For a page of the table, which is not for an index."""
    columns = [f"c{number}" for number in range(500)]
    await pool.execute(
        "CREATE TABLE public.t (id bigint PRIMARY KEY, name text, _row_number bigint, _process_id uuid, "
        + ", ".join(f"{column} text" for column in columns)
        + ");"
        + trigger(
            f"IF new.name = 'b' THEN {' '.join(f'new.{c} := new.id;' for c in columns)} END IF; RETURN new;"
        )
    )
    big = 10**17
    found = await load(pool, table, [(big + 1, "a"), (big + 2, "b"), (big + 3, "c")])
    assert found == {
        2: "The row is too large for the table, which takes about 8,160 bytes a row beside its long texts."
    }


async def test_triggers_have_the_usual_search_path(pool: PgPool) -> None:
    """And the suite's tables are not in it before others."""
    await pool.execute(
        MADE.format("", "") + "CREATE TABLE public.repaired_rows (at timestamptz DEFAULT now(), id bigint); "
        "CREATE TABLE public.applied_batches (LIKE public.repaired_rows);"
        + trigger("INSERT INTO repaired_rows (id) VALUES (new.id); "
                  "INSERT INTO applied_batches (id) VALUES (new.id); RETURN null;", "AFTER INSERT")
    )  # fmt: skip
    assert await load(pool, T, [(1, "a"), (2, "b"), (3, "c")]) == {}
    assert await pool.fetchval("SELECT count(*) FROM public.repaired_rows") == 3
    assert await pool.fetchval("SELECT count(*) FROM public.applied_batches") == 3


async def test_many_rows_that_a_trigger_refuses(pool: PgPool) -> None:
    """Each with its own message."""
    await pool.execute(KEYED + trigger("IF new.id % 3 = 0 THEN RAISE 'not %', new.id; END IF; RETURN new;"))
    found = await load(pool, BY_ID, [(number, "x") for number in range(300)])
    assert found == {number + 1: f"not {number}" for number in range(0, 300, 3)}
