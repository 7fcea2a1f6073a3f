"""Tenants in one database: what a pipeline names is used only as far as PostgreSQL lets the tenant's role."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from ingestor.access.scope import NoScopeError, everything, within
from ingestor.provisioning.names import tenant_role
from ingestor.provisioning.table_schemas import TableSchemas
from ingestor.provisioning.tenants import TenantError, create_tenant
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.services.processor.adapters.postgres.columns.draft import PgTables
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.markers import PgProcessRecords
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.batches import BatchKey, BatchOutcome, failed_outcome
from ingestor.services.processor.ports import (
    TABLE_SINK,
    ForeignKey,
    GoodRows,
    Loaded,
    SinkRefusedError,
    Table,
    TenantGoneError,
    UndoCounts,
    Undone,
)
from tests.contract.sink.batches import PEOPLE, concluding, good, key, new_process

if TYPE_CHECKING:
    from ingestor.outcomes import RowError
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

Values = Sequence[tuple[int | None, str | None]]
UPSERT = replace(PEOPLE, upsert=True)
ALL_TENANTS = ("acme", "beta", "default")
# What the operator allows to name is not yet granted: PostgreSQL's privileges decide.
LISTED = TableSchemas.parse("public, tenant_beta, tenant_nobody")


def in_schema(tenant: str, table: Table = PEOPLE) -> Table:
    """The table in the schema of a tenant."""
    return table if tenant == "default" else replace(table, schema=f"tenant_{tenant}")


def as_of(table: Table, rows: GoodRows) -> GoodRows:
    """Rows of people as rows of a table."""
    data = rows.data.rename_columns([name for name, _ in table.columns])
    return replace(rows, table=table, data=data)


class Ends:
    """The processor's end of a database with several tenants, and an administrator's."""

    def __init__(self, pool: PgPool, tenants: TenantPool, dsn: str) -> None:
        self.service, self.tenants, self.dsn = pool, tenants, dsn
        self.sink, self.undo = PgSink(tenants, LISTED), PgUndo(pool, tenants)
        self.records = PgProcessRecords(pool)

    async def admin(self, statement: str, *arguments: object) -> list[Any]:
        """Run a statement as a superuser, who sees the rows of all tenants."""
        connection = await asyncpg.connect(self.dsn)
        try:
            if arguments:
                return list(await connection.fetch(statement, *arguments))
            rows = await connection.fetch(statement) if statement.startswith("SELECT") else []
            if not rows and not statement.startswith("SELECT"):
                await connection.execute(statement)
            return list(rows)
        finally:
            await connection.close()

    async def load(
        self, tenant: str, values: Values, table: Table | None = None, of: BatchKey | None = None
    ) -> BatchOutcome | None:
        """Load a batch of a tenant, by default into its own table people."""
        batch = replace(of or key(rows=len(values)), tenant=tenant)
        rows = as_of(table or in_schema(tenant), good(batch, values))
        with within(tenant):
            return (await self.sink.load(batch, rows, concluding(batch))).outcome

    async def dry_run(self, tenant: str, values: Values, table: Table) -> list[RowError]:
        """The errors of a dry run."""
        with within(tenant):
            async with PgDryRunTables(self.tenants, 1, LISTED).open(table) as run:
                return [row.error for row in await run.refused(as_of(table, good(key(), values)))]

    async def people(self, schema: str) -> list[tuple[int, str]]:
        """The rows of a table people."""
        return [tuple(row) for row in await self.admin(f'SELECT id, name FROM "{schema}".people ORDER BY id')]

    async def everything_there(self) -> list[Any]:
        """Columns, grants and number of rows of all tables."""
        tables = await self.admin(
            "SELECT c.oid::regclass::text, c.relacl::text, c.relowner, c.relnatts "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_|information' ORDER BY 1"
        )
        counts = " UNION ALL ".join(f"SELECT count(*) FROM {table[0]}" for table in tables)
        return [*tables, *await self.admin(counts)]


@pytest.fixture
async def ends(pool_of: OpenPool, database_url: str) -> Ends:
    """With the tenants acme, beta and default."""
    connection = await asyncpg.connect(database_url)
    try:
        for name in ("acme", "beta"):
            await create_tenant(connection, name)
    finally:
        await connection.close()
    pool = await pool_of("processor")
    return Ends(pool, await TenantPool.of(pool), database_url)


async def test_the_same_names_in_all_tenants(ends: Ends) -> None:
    """The same process, batch and table, which belongs to the tenant."""
    process = new_process()
    for name in ALL_TENANTS:
        outcome = await ends.load(name, [(1, name)], of=key(process=process, rows=1))
        assert outcome is not None
        assert (outcome.succeeded, outcome.key.tenant) == (1, name)
    for name, schema in (("acme", "tenant_acme"), ("beta", "tenant_beta"), ("default", "public")):
        assert await ends.people(schema) == [(1, name)]
        owner = await ends.admin(
            "SELECT tableowner FROM pg_tables WHERE schemaname = $1 AND tablename = 'people'", schema
        )
        assert owner[0][0] == tenant_role(name)
    again = await ends.load("beta", [(1, "again")], of=key(process=process, rows=1))
    assert again is not None
    assert again.key.tenant == "beta"
    assert await ends.people("tenant_beta") == [(1, "beta")]


@pytest.mark.parametrize("changes", [{}, {"upsert": True}, {"evolve": True}, {"add_lineage": True}])
@pytest.mark.parametrize("name", ["people", "nothing"])
async def test_a_table_of_another_tenant_is_not_there(ends: Ends, name: str, changes: dict[str, Any]) -> None:
    """Whether or not there is one; so says a schema that nobody has, too."""
    await ends.load("beta", [(1, "theirs")])
    before = await ends.everything_there()
    answers: set[str] = set()
    for schema in ("tenant_beta", "tenant_nobody"):
        table = replace(PEOPLE, schema=schema, name=name, **changes)
        with pytest.raises(SinkRefusedError, match="does not exist") as caught:
            await ends.load("acme", [(1, "mine")], table)
        assert not caught.value.midway
        answers.add(str(caught.value).replace(schema, "S"))
        with pytest.raises(SinkRefusedError) as dry:
            await ends.dry_run("acme", [(1, "mine")], table)
        answers.add(str(dry.value).replace(schema, "S"))
        with within("acme"):
            with pytest.raises(NotFoundError) as missing:
                await PgTables(ends.tenants, LISTED).draft(schema, name)
            assert missing.value.reason == "TABLE_NOT_FOUND"
    assert len(answers) == 1
    assert await ends.everything_there() == before
    assert await ends.people("tenant_beta") == [(1, "theirs")]


@pytest.mark.parametrize("changes", [{}, {"upsert": True}, {"evolve": True}, {"add_lineage": True}])
async def test_a_table_of_the_tenant_default(ends: Ends, changes: dict[str, Any]) -> None:
    """Everybody may look into the schema public, but a table there is not there for others either, until its
    owner grants something on it: then the advice is what else to grant."""
    await ends.load("default", [(1, "theirs")])
    before = await ends.everything_there()
    answers: set[str] = set()
    for name in ("people", "nothing"):
        table = replace(PEOPLE, name=name, **changes)
        for call in (ends.load, ends.dry_run):
            with pytest.raises(SinkRefusedError, match="GRANT CREATE ON SCHEMA public TO") as caught:
                await call("acme", [(2, "mine")], table)
            answers.add(str(caught.value).replace(name, "T"))
        with within("acme"), pytest.raises(NotFoundError):
            await PgTables(ends.tenants, LISTED).draft("public", name)
    assert len(answers) == 1
    await ends.admin("GRANT SELECT (id) ON public.people TO ingestor_tenant_acme")
    table = replace(PEOPLE, **changes)
    with pytest.raises(SinkRefusedError, match=r"INSERT.* ON public.people TO ingestor_tenant_acme"):
        await ends.load("acme", [(2, "mine")], table)
    with pytest.raises(SinkRefusedError, match=r" ON public.people TO ingestor_tenant_acme"):
        await ends.dry_run("acme", [(2, "mine")], table)
    with within("acme"), pytest.raises(FailedPreconditionError, match="TO ingestor_tenant_acme"):
        await PgTables(ends.tenants, LISTED).draft("public", "people")
    await ends.admin("REVOKE SELECT (id) ON public.people FROM ingestor_tenant_acme")
    assert await ends.everything_there() == before


@pytest.mark.parametrize(
    "table",
    [
        Table("processor", "applied_batches", (("process_id", "uuid"), ("tenant", "text")), ()),
        Table("processor", "row_lineage", (("key", "jsonb"), ("tenant", "text")), (), evolve=True),
        Table("processor", "replaced_rows", (("id", "bigint"), ("name", "text")), (), add_lineage=True),
        Table(
            "processor",
            "closed_processes",
            (("process_id", "uuid"), ("tenant", "text")),
            ("process_id",),
            upsert=True,
        ),
        Table("processor", "people", (("id", "bigint"), ("name", "text")), ("id",)),
        Table("status", "processes", (("process_id", "uuid"), ("tenant", "text")), ()),
        Table("orchestrator", "pipelines", (("name", "text"), ("tenant", "text")), ()),
        Table("upload", "uploads", (("file_name", "text"), ("tenant", "text")), ()),
        Table("access", "api_keys", (("name", "text"), ("tenant", "text")), ()),
        Table("access", "audit_log", (("subject", "text"), ("tenant", "text")), ()),
    ],
)
@pytest.mark.parametrize("name", ALL_TENANTS)
async def test_tables_of_the_suite(ends: Ends, name: str, table: Table) -> None:
    """Documents cannot name them; neither would the sink take them."""
    before = await ends.everything_there()
    for again in (table, replace(table, evolve=True)):
        with pytest.raises(SinkRefusedError, match=f"The schema {table.schema} belongs to the suite"):
            await ends.load(name, [(1, "x")], again)
        with pytest.raises(SinkRefusedError, match=f"The schema {table.schema} belongs to the suite"):
            await ends.dry_run(name, [(1, "x")], again)
    with within(name), pytest.raises(NotFoundError):
        await PgTables(ends.tenants, LISTED).draft(table.schema, table.name)
    assert await ends.everything_there() == before


@pytest.mark.parametrize("other", ["tenant_beta.people", "tenant_nobody.people", "public.people"])
async def test_a_foreign_key_does_not_reach_across(ends: Ends, other: str) -> None:
    """It would tell which keys the other table has, and keep its rows from being deleted."""
    for name in ("beta", "default"):
        await ends.load(name, [(1, "theirs")])
    before = await ends.everything_there()
    schema, _, name = other.partition(".")
    for column in ("id", "nothing"):
        foreign = (ForeignKey(("id",), (schema, name), (column,)),)
        table = in_schema("acme", replace(PEOPLE, foreign=foreign))
        said = f"it refers to {re.escape(other)} \\({column}\\), which does not exist"
        for number in (1, 2):
            with pytest.raises(SinkRefusedError, match=said):
                await ends.load("acme", [(number, "mine")], table)
            with pytest.raises(SinkRefusedError, match=said):
                await ends.dry_run("acme", [(number, "mine")], table)
    assert await ends.everything_there() == before


@pytest.mark.parametrize("table", [PEOPLE, UPSERT])
async def test_a_table_that_was_granted_on_purpose(ends: Ends, table: Table) -> None:
    await ends.admin(
        "SET ROLE ingestor_tenant_beta; CREATE TABLE tenant_beta.people (id bigint PRIMARY KEY, name text);"
        "GRANT USAGE ON SCHEMA tenant_beta TO ingestor_tenant_acme;"
        "GRANT SELECT, INSERT, UPDATE ON tenant_beta.people TO ingestor_tenant_acme"
    )
    first, second = new_process(), new_process()
    there = in_schema("beta", table)
    await ends.load("beta", [(1, "beta"), (2, "beta")], there, key(process=second, rows=2))
    assert await ends.dry_run("acme", [(3, "acme")], there) == []
    outcome = await ends.load("acme", [(2, "acme"), (3, "acme")], there, key(process=first, rows=2))
    assert outcome is not None
    assert outcome.failed == (0 if table.upsert else 1)
    # Lineage is kept by tenant: for acme the rows of beta are those of nobody, older than all of its own.
    assert await ends.people("tenant_beta") == [
        (1, "beta"),
        (2, "acme" if table.upsert else "beta"),
        (3, "acme"),
    ]
    with within("acme"):
        assert (await PgTables(ends.tenants, LISTED).draft("tenant_beta", "people")).document["sink"] == {
            "table": "tenant_beta.people"
        }
    rows = await ends.admin("SELECT tenant, count(*) FROM processor.row_lineage GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == ([("acme", 2), ("beta", 2)] if table.upsert else [])


async def test_what_is_granted_is_taken_back(ends: Ends) -> None:
    """What a tenant may do is asked each time, and of one tenant what another may not."""
    await ends.load("default", [(1, "theirs")])
    await ends.admin("GRANT SELECT, INSERT ON public.people TO ingestor_tenant_acme")
    await ends.load("acme", [(2, "acme")], PEOPLE)
    with pytest.raises(SinkRefusedError, match="TO ingestor_tenant_beta"):
        await ends.load("beta", [(3, "beta")], PEOPLE)
    await ends.admin("REVOKE INSERT ON public.people FROM ingestor_tenant_acme")
    with pytest.raises(SinkRefusedError, match=r"INSERT.* TO ingestor_tenant_acme"):
        await ends.load("acme", [(4, "acme")], PEOPLE)
    assert await ends.people("public") == [(1, "theirs"), (2, "acme")]


async def test_undo_and_removal_of_one_tenant(ends: Ends) -> None:
    """The same process of another tenant keeps its rows and its markers."""
    process = new_process()
    for name in ("acme", "beta"):
        await ends.load(name, [(1, name)], of=key(process=process, rows=1))
    of = Loaded(process, "acme", (), in_schema("acme"), TABLE_SINK)
    with within("acme"):
        assert await ends.undo.undo(of, dry_run=False) == UndoCounts(1, 0, 0)
        assert await ends.undo.undone(process) == UndoCounts(1, 0, 0)
    with within("beta"):
        assert await ends.undo.undone(process) is None
        assert await ends.undo.unreported(10) == []
        theirs = Loaded(process, "beta", (), in_schema("acme"), TABLE_SINK)
        with suppress(Exception):
            await ends.undo.undo(theirs, dry_run=True)
    with everything():
        assert await ends.undo.unreported(10) == [Undone(process, "acme", UndoCounts(1, 0, 0))]
    assert (await ends.people("tenant_acme"), await ends.people("tenant_beta")) == ([], [(1, "beta")])
    with within("acme"):
        await ends.records.remove(process, "acme", deleted=True)
    marks = await ends.admin("SELECT tenant FROM processor.applied_batches")
    assert [row[0] for row in marks] == ["beta"]


async def test_another_table_is_not_undone(ends: Ends) -> None:
    """A pipeline names the table that an undo takes rows out of."""
    process = new_process()
    await ends.load("beta", [(1, "theirs")], of=key(process=process, rows=1))
    of = Loaded(process, "acme", (), in_schema("beta"), TABLE_SINK)
    for dry_run in (True, False):
        with within("acme"), pytest.raises(Exception, match=r"right|permission"):
            await ends.undo.undo(of, dry_run=dry_run)
    assert await ends.people("tenant_beta") == [(1, "theirs")]


async def test_markers_of_another_tenant_are_out_of_reach(ends: Ends) -> None:
    """Even for a trigger of the tenant's own table that says it is another."""
    await ends.load("beta", [(1, "theirs")])
    await ends.load("acme", [(1, "mine")])
    await ends.admin(
        "SET ROLE ingestor_tenant_acme; SET search_path = tenant_acme;"
        "CREATE TABLE seen (tenant text, many bigint);"
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE mine text; BEGIN "
        "mine := current_setting('ingestor.tenant');"
        "PERFORM set_config('ingestor.tenant', '*', true);"
        "INSERT INTO tenant_acme.seen SELECT tenant, count(*) FROM processor.applied_batches GROUP BY 1;"
        "DELETE FROM processor.applied_batches WHERE tenant = 'beta';"
        "PERFORM set_config('ingestor.tenant', mine, true); RETURN NEW; END $$;"
        "CREATE TRIGGER look BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION look()"
    )
    outcome = await ends.load("acme", [(2, "mine")])
    assert outcome is not None
    assert outcome.succeeded == 1
    assert [tuple(row) for row in await ends.admin("SELECT * FROM tenant_acme.seen")] == [("acme", 2)]
    marks = await ends.admin("SELECT tenant, count(*) FROM processor.applied_batches GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in marks] == [("acme", 2), ("beta", 1)]


async def test_names_without_a_schema_in_triggers(ends: Ends) -> None:
    for name in ALL_TENANTS:
        await ends.load(name, [(1, name)])
        schema = in_schema(name).schema
        await ends.admin(
            f"SET ROLE {tenant_role(name)}; SET search_path = {schema}; CREATE TABLE noted (name text);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO noted VALUES (NEW.name); RETURN NEW; END $$;"
            "CREATE TRIGGER note BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION note()"
        )
        await ends.load(name, [(2, f"{name} 2")])
        assert [row[0] for row in await ends.admin(f"SELECT name FROM {schema}.noted")] == [f"{name} 2"]


async def test_nothing_of_a_tenant_stays_with_a_connection(ends: Ends) -> None:
    """Also after an error, the next user of the connection is the service."""
    for name in ("acme", "beta"):
        with suppress(asyncpg.PostgresError), within(name):
            async with ends.tenants.transaction() as connection:
                assert await connection.fetchval("SELECT current_user") == tenant_role(name)
                await connection.execute("SELECT 1 / 0")
        async with ends.service.acquire() as connection:
            facts = await connection.fetchrow(
                "SELECT current_user, current_setting('ingestor.tenant', true), "
                "current_setting('search_path')"
            )
            assert facts is not None
            assert facts[0] == "ingestor_processor_service"
            assert facts[1] in (None, "")
            assert "tenant_" not in facts[2]
        assert await ends.load(name, [(1, "x")])


async def test_a_tenant_that_is_not_there(ends: Ends) -> None:
    of = replace(key(rows=1), tenant="gone")
    with pytest.raises(TenantGoneError):
        await ends.load("gone", [(1, "x")])
    with pytest.raises(TenantGoneError):
        await ends.dry_run("gone", [(1, "x")], PEOPLE)
    with within("gone"):
        for call in (
            ends.sink.settle(failed_outcome(of, None)),  # type: ignore[arg-type]
            PgTables(ends.tenants, LISTED).draft("public", "people"),
            ends.undo.undo(Loaded(of.process_id, "gone", (), PEOPLE, TABLE_SINK), dry_run=True),
        ):
            with pytest.raises(TenantGoneError):
                await call
        assert not await ends.sink.has_tenant()
    with within("acme"):
        assert await ends.sink.has_tenant()
    with everything(), pytest.raises(NoScopeError):
        await ends.sink.has_tenant()


async def test_without_roles_there_is_one_tenant(ends: Ends) -> None:
    one = TenantPool(ends.service, roles=False)
    async with one.transaction() as connection:
        assert await connection.fetchval("SELECT current_user") == "ingestor_processor_service"
        assert await connection.fetchval("SHOW ingestor.tenant") == "default"
    with within("acme"), pytest.raises(TenantGoneError):
        async with one.transaction():
            pass


async def test_a_schema_that_somebody_has_taken(ends: Ends) -> None:
    """Pipelines of the tenant `default` could make schemas; one that has the name of a new tenant's stays its
    own."""
    await ends.admin("CREATE SCHEMA tenant_late AUTHORIZATION ingestor_processor")
    await ends.load("default", [(1, "x")], replace(PEOPLE, schema="tenant_late"))
    connection = await asyncpg.connect(ends.dsn)
    try:
        with pytest.raises(TenantError, match=r"tenant_late .* ingestor_processor"):
            await create_tenant(connection, "late")
        assert not await connection.fetchval("SELECT access.tenant_exists('late')")
    finally:
        await connection.close()
