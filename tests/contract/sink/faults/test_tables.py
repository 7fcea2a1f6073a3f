"""What is wrong with a table as a whole is found before the first row is loaded, by dry runs as well, and the
message says what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg
import pyarrow as pa
import pytest

from ingestor.provisioning.table_schemas import TableSchemas
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.ports import ForeignKey, GoodRows, SinkRefusedError, Table
from tests.contract.sink.batches import concluding, good, key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

LISTED = TableSchemas.parse('shop, default:Sh"op, acme:other')
T = Table("shop", "t", (("id", "bigint"), ("name", "text")), ())
BY_ID = replace(T, primary_key=("id",), upsert=True)
WIDE = replace(T, columns=(*T.columns, ("more", "text")), evolve=True)
REFERS = replace(T, foreign=(ForeignKey(("id",), ("shop", "o"), ("id",)),))

MADE = "CREATE TABLE shop.t (id {}, name text, _row_number bigint, _process_id uuid); "
LACKS = "The suite's role ROLE lacks the right {0} on the {1}: GRANT {0} ON {2} TO ROLE."


@dataclass(frozen=True)
class Case:
    """A table of somebody else, and what is said of it. ROLE is the processor's role."""

    made: str
    message: str
    table: Table = T


CASES = {
    "no right to insert": Case(
        MADE.format("bigint") + "GRANT SELECT ON shop.t TO ROLE",
        LACKS.format("INSERT", "table shop.t", "shop.t"),
    ),
    "no right at all": Case(
        MADE.format("bigint PRIMARY KEY"),
        LACKS.format("SELECT, INSERT, UPDATE", "table shop.t", "shop.t"), BY_ID,
    ),
    "no right to one column": Case(
        MADE.format("bigint") + "GRANT SELECT, INSERT (id, _row_number, _process_id) ON shop.t TO ROLE",
        LACKS.format("INSERT", "table shop.t", "shop.t"),
    ),
    "no right to update": Case(
        MADE.format("bigint PRIMARY KEY") + "GRANT SELECT, INSERT ON shop.t TO ROLE",
        LACKS.format("UPDATE", "table shop.t", "shop.t"), BY_ID,
    ),
    "a schema that may not be used": Case(
        MADE.format("bigint") + "GRANT ALL ON shop.t TO ROLE; REVOKE USAGE ON SCHEMA shop FROM ROLE",
        LACKS.format("USAGE", "schema shop", "SCHEMA shop"),
    ),
    "no right to create": Case(
        "", "The table shop.t does not exist. " + LACKS.format("CREATE", "schema shop", "SCHEMA shop")
    ),
    "no schema": Case(
        "",
        'The table Sh"op.t does not exist, nor does its schema: run `ingestor admin migrate` with '
        'INGESTOR_TABLE_SCHEMAS, or CREATE SCHEMA "Sh""op"; GRANT USAGE, CREATE ON SCHEMA "Sh""op" TO ROLE.',
        replace(T, schema='Sh"op'),
    ),
    "a schema that is not listed": Case(
        "CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO ROLE",
        "Pipelines of the tenant default may not use the schema other: use public, or add default:other to "
        "INGESTOR_TABLE_SCHEMAS of the processor.",
        replace(T, schema="other"),
    ),
    "a schema that does not exist, and is not listed": Case(
        "",
        "Pipelines of the tenant default may not use the schema postgres: use public, or add "
        "default:postgres to INGESTOR_TABLE_SCHEMAS of the processor.",
        replace(T, schema="postgres"),
    ),
    "a reference out of what is listed": Case(
        "GRANT CREATE ON SCHEMA shop TO ROLE; CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO ROLE;"
        "CREATE TABLE other.o (id bigint PRIMARY KEY); GRANT ALL ON other.o TO ROLE",
        "Pipelines of the tenant default may not use the schema other: use public, or add default:other to "
        "INGESTOR_TABLE_SCHEMAS of the processor.",
        replace(T, foreign=(ForeignKey(("id",), ("other", "o"), ("id",)),)),
    ),
    "no right to refer": Case(
        "CREATE TABLE shop.o (id bigint PRIMARY KEY); GRANT CREATE ON SCHEMA shop TO ROLE",
        LACKS.format("REFERENCES", "table shop.o", "shop.o"), REFERS,
    ),
    "not the owner": Case(
        MADE.format("bigint") + "GRANT ALL ON shop.t TO ROLE",
        "The table shop.t lacks more, and only its owner can add columns: add them, or make the suite's role "
        "ROLE its owner.", WIDE,
    ),
    "a view": Case(
        MADE.format("bigint").replace("shop.t", "shop.b")
        + "CREATE VIEW shop.t AS SELECT * FROM shop.b LIMIT 1; GRANT ALL ON shop.t TO ROLE",
        "shop.t is a view that takes no rows; load into the table behind it, or give it an INSTEAD OF INSERT "
        "trigger.",
    ),
    "a materialized view": Case(
        MADE.format("bigint").replace("shop.t", "shop.b")
        + "CREATE MATERIALIZED VIEW shop.t AS SELECT * FROM shop.b; GRANT ALL ON shop.t TO ROLE",
        "shop.t is a materialized view that takes no rows; load into the table behind it.",
    ),
    "no key": Case(
        MADE.format("bigint") + "GRANT ALL ON shop.t TO ROLE",
        "The table t has no unique index of just id.", BY_ID,
    ),
    "a late key": Case(
        MADE.format("bigint PRIMARY KEY DEFERRABLE") + "GRANT ALL ON shop.t TO ROLE",
        "The table shop.t checks the key id late (DEFERRABLE), which an upsert cannot use: make it NOT "
        "DEFERRABLE.", BY_ID,
    ),
    "a rule": Case(
        MADE.format("bigint PRIMARY KEY") + "GRANT ALL ON shop.t TO ROLE; "
        "CREATE RULE r AS ON INSERT TO shop.t DO ALSO NOTIFY n",
        "The table shop.t has rules, which an upsert cannot use: make them triggers.", BY_ID,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_what_is_wrong_with_a_table(pool: PgPool, database_url: str, name: str) -> None:
    case = CASES[name]
    role = await pool.fetchval("SELECT current_user")
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        f"CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {role};" + case.made.replace("ROLE", role)
    )
    await owner.close()
    of = key(rows=1)
    with pytest.raises(SinkRefusedError) as tried:
        async with PgDryRunTables(pool, 1, LISTED).open(case.table) as run:
            await run.refused(_rows(case.table))
    assert str(tried.value) == case.message.replace("ROLE", role)
    with pytest.raises(SinkRefusedError) as real:
        await PgSink(pool, LISTED).load(of, _rows(case.table), concluding(of))
    assert str(real.value) == str(tried.value)


def _rows(table: Table) -> GoodRows:
    rows = good(key(rows=1), [(1, "a")], table)
    for name, _ in table.columns[2:]:
        rows = replace(rows, data=rows.data.append_column(name, pa.array(["x"])))
    return rows
