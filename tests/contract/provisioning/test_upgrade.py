"""A database of the version before there were tenants, and administrators with different rights."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

import ingestor.runtime.postgres.migrations as migrating
from ingestor.access.scope import row_security, within
from ingestor.provisioning.database import NotAllowedError, provision, provision_without_roles
from ingestor.provisioning.names import OWNER, SERVICES, migrations_of, role_of
from ingestor.provisioning.table_schemas import TableSchemas
from ingestor.provisioning.tenants import create_tenant
from ingestor.runtime.postgres.migrations import check_migrations, migrate
from ingestor.runtime.postgres.pool import open_pool
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.target import OWN_ONLY
from ingestor.services.processor.adapters.postgres.undo import PgUndo
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.ports import (
    TABLE_SINK,
    Loaded,
    SchemaNotAllowedError,
    SinkRefusedError,
    Table,
    TenantGoneError,
    UndoCounts,
)
from tests.conftest import with_database
from tests.contract.sink.batches import PEOPLE, concluding, good, key, new_process
from tests.postgres_server import FAST, postgres_server

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

PASSWORDS = dict.fromkeys(SERVICES, "secret")
# The last migration of each service before there were tenants.
LAST = {"upload": "0005", "orchestrator": "0006", "processor": "0010", "status": "0009"}
UPSERT = replace(PEOPLE, upsert=True)
NEW = TableSchemas.parse("default:new, nobody:never")
SHOP = Table("shop", "goods", PEOPLE.columns, ())
ADMINS = ("superuser", "creator")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of these tests alone, since roles are there for all databases of a server."""
    with postgres_server(tmp_path_factory.mktemp("postgres"), FAST) as dsn:
        yield dsn


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def as_role(dsn: str, role: str) -> str:
    """The same database, as another role with the password that all have here."""
    before, _, rest = dsn.partition("://")
    return f"{before}://{role}:secret@{rest.rpartition('@')[2]}"


@pytest.fixture(params=ADMINS)
async def admin(server: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The DSN of an administrator of an empty database: a superuser, or a role as cloud services give it,
    which may create roles and owns the database."""
    name = f"test_{uuid.uuid4().hex}"
    async with connected(server) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
        dsn = with_database(server, name)
        if request.param == "creator":
            await connection.execute("CREATE ROLE creator LOGIN CREATEROLE PASSWORD 'secret'")
            await connection.execute(f"ALTER DATABASE {name} OWNER TO creator")
            dsn = as_role(dsn, "creator")
        try:
            yield dsn
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            ours = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname ~ '^ingestor_|^creator$|^alone$'"
            for row in await connection.fetch(f"{ours} ORDER BY rolname = 'creator'"):
                await connection.execute(f"DROP ROLE {row[0]}")


async def old_provision(admin_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before: each service owned its schema and applied its migrations; the processor made tables as its
    own role."""
    every = migrating.migrations
    async with connected(admin_dsn) as connection:
        name = await connection.fetchval("SELECT current_database()")
        for service in SERVICES:
            role = f"ingestor_{service}"
            await connection.execute(
                f"CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT {role} TO CURRENT_USER;"
                f'CREATE SCHEMA "{service}" AUTHORIZATION {role};'
                f'GRANT CONNECT, TEMPORARY ON DATABASE "{name}" TO {role}'
            )
        await connection.execute(
            "GRANT USAGE, CREATE ON SCHEMA public TO ingestor_processor;"
            f'GRANT CREATE ON DATABASE "{name}" TO ingestor_processor'
        )
    for service in SERVICES:

        def old(package: str, last: str = LAST[service]) -> list[Traversable]:
            return [script for script in every(package) if script.name[:4] <= last]

        monkeypatch.setattr(migrating, "migrations", old)
        async with connected(as_role(admin_dsn, f"ingestor_{service}")) as connection:
            applied = await migrate(connection, schema=service, package=migrations_of(service))
            assert applied[-1][:4] == LAST[service]
    monkeypatch.setattr(migrating, "migrations", every)


async def test_a_service_starts_on_the_database_of_a_newer_release(admin: str) -> None:
    """Its migrations are applied, and others after them: the schema has more than it knows."""
    await provision(admin, PASSWORDS)
    for service in SERVICES:
        async with open_pool(
            as_role(admin, role_of(service)), service=service, schema=service, size=1
        ) as pool:
            async with connected(admin) as connection:
                await connection.execute(
                    f"SET ROLE {OWNER}; ALTER TABLE {service}.schema_migrations ADD COLUMN tomorrow text;"
                    f"INSERT INTO {service}.schema_migrations (name, sha256) VALUES ('9999_x.sql', '')"
                )
            await check_migrations(pool, schema=service, package=migrations_of(service))
            async with connected(admin) as connection:
                await connection.execute(
                    f"SET ROLE {OWNER}; DELETE FROM {service}.schema_migrations WHERE name LIKE '0001%'"
                )
            with pytest.raises(RuntimeError, match=f"schema {service} lacks 0001"):
                await check_migrations(pool, schema=service, package=migrations_of(service))


@asynccontextmanager
async def processor(dsn: str) -> AsyncIterator[tuple[PgPool, TenantPool]]:
    """The processor's pools."""
    async with open_pool(
        dsn, service="processor", schema="processor", size=4, usual_path=True, prepare=row_security
    ) as pool:
        await check_migrations(pool, schema="processor", package=migrations_of("processor"))
        yield pool, await TenantPool.of(pool)


async def load(
    pool: PgPool,
    values: Sequence[tuple[int, str]],
    table: Table,
    process: str = "",
    schemas: TableSchemas = OWN_ONLY,
) -> None:
    """Load rows of the scope's tenant."""
    of = key(rows=len(values), process=process or None)
    outcome = (await PgSink(pool, schemas).load(of, good(of, values, table), concluding(of))).outcome
    assert outcome is not None
    assert (outcome.succeeded, outcome.failed) == (len(values), 0)


async def check_ownership(dsn: str) -> None:
    """The services own nothing, and may do to their own schema what they need."""
    async with connected(dsn) as connection:
        owned = await connection.fetch(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE pg_get_userbyid(c.relowner) = ANY ($1) "
            "UNION ALL SELECT nspname FROM pg_namespace WHERE pg_get_userbyid(nspowner) = ANY ($1)",
            [role_of(service) for service in SERVICES],
        )
        assert owned == []
        for service in SERVICES:
            for schema in SERVICES:
                may = await connection.fetchval(
                    "SELECT has_schema_privilege($1, $2, 'USAGE') "
                    "AND NOT has_schema_privilege($1, $2, 'CREATE')",
                    role_of(service), schema,
                )  # fmt: skip
                assert may == (service == schema), (service, schema)
        without = await connection.fetch(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relkind IN ('r', 'p') AND a.attname = 'tenant' AND NOT c.relforcerowsecurity "
            "AND c.relnamespace::regnamespace::text = ANY ($1)",
            [*SERVICES, "access"],
        )
        assert without == []


async def test_a_database_of_the_version_before(admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await old_provision(admin, monkeypatch)
    process, replaced = new_process(), new_process()
    async with connected(as_role(admin, "ingestor_processor")) as old:
        await old.execute(
            "CREATE TABLE public.people (id bigint PRIMARY KEY, name text, _row_number bigint NOT NULL, "
            "_process_id uuid NOT NULL);"
            "CREATE TABLE public.kept (id bigint PRIMARY KEY, name text);"
            # As pipelines could.
            "CREATE SCHEMA made; CREATE SCHEMA postgres;"
            "CREATE TABLE made.people (LIKE public.people INCLUDING ALL)"
        )
        await old.execute("INSERT INTO public.people VALUES (1, 'new', 1, $1)", replaced)
        await old.execute("INSERT INTO public.kept VALUES (1, 'new')")
        await old.execute(
            "INSERT INTO processor.row_lineage VALUES ('public.kept', '[1]', $1, 1, 'default')", replaced
        )
        await old.execute(
            "INSERT INTO processor.replaced_rows (tenant, process_id, replaced_by, row) "
            "VALUES ('default', $1, $2, json_build_object('id', 1, 'name', 'old', '_row_number', 1, "
            "'_process_id', $1::uuid))",
            process,
            replaced,
        )
        await old.execute(
            "INSERT INTO processor.applied_batches (process_id, batch_number, tenant, loaded) "
            "VALUES ($1, 1, 'default', true)",
            replaced,
        )
    async with connected(admin) as owner:
        await owner.execute(
            "CREATE SCHEMA shop; CREATE TABLE shop.goods (id bigint, name text);"
            "GRANT USAGE ON SCHEMA shop TO ingestor_processor;"
            "GRANT SELECT, INSERT ON shop.goods TO ingestor_processor"
        )
    urls = await provision(admin, PASSWORDS)
    assert await provision(admin, {}) == {}
    await check_ownership(admin)
    async with processor(urls["processor"]) as (pool, tenants):
        await load(tenants, [(1, "late")], UPSERT, process)  # older than the row that is there
        assert [tuple(row) for row in await tenants.fetch("SELECT id, name FROM public.people")] == [
            (1, "new")
        ]
        of = key(rows=1, process=replaced)
        assert (await PgSink(tenants).load(of, good(of, [(9, "x")]), concluding(of))).outcome is None
        undone = await PgUndo(pool, tenants).undo(
            Loaded(replaced, "default", (), UPSERT, TABLE_SINK), dry_run=False
        )
        assert undone == UndoCounts(0, 1, 0)
        evolved = replace(PEOPLE, name="kept", upsert=True, add_lineage=True)
        await load(tenants, [(2, "b")], evolved)  # adds columns: the tenant's role owns the table
        known = "SELECT id, _process_id::text FROM public.kept WHERE id = 1"
        assert [tuple(row) for row in await tenants.fetch(known)] == [(1, replaced)]
        with pytest.raises(SchemaNotAllowedError, match="default:shop to INGESTOR_TABLE_SCHEMAS"):
            await load(tenants, [(1, "a")], SHOP)
        # What was granted to the processor is granted to the tenant, once the operator has listed it.
        await load(tenants, [(1, "a")], SHOP, schemas=TableSchemas.parse("shop"))
        await load(tenants, [(1, "a")], replace(PEOPLE, name="more"))
        # What pipelines have made goes on, but no pipeline makes a schema any more.
        await load(tenants, [(2, "b")], replace(PEOPLE, schema="made"))
        await load(tenants, [(2, "b")], replace(PEOPLE, schema="made", name="more"))
        for schema in ("postgres", "new"):
            with pytest.raises(SchemaNotAllowedError):
                await load(tenants, [(1, "a")], replace(PEOPLE, schema=schema))
        with pytest.raises(SinkRefusedError, match=r"ingestor admin migrate.* INGESTOR_TABLE_SCHEMAS"):
            await load(tenants, [(1, "a")], replace(PEOPLE, schema="new"), schemas=NEW)
        await provision(admin, {}, schemas=NEW)
        await load(tenants, [(1, "a")], replace(PEOPLE, schema="new"), schemas=NEW)
        assert not await tenants.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tenants.execute("CREATE SCHEMA another")
    async with connected(admin) as owner:
        login = await owner.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'ingestor_processor'")
        assert login is False


async def test_a_new_database(admin: str) -> None:
    """Also of the administrator of a cloud service: it makes tenants, and they work."""
    urls = await provision(admin, PASSWORDS)
    async with connected(admin) as connection:
        assert await create_tenant(connection, "acme")
        assert not await create_tenant(connection, "acme")
    await provision(admin, PASSWORDS)
    await check_ownership(admin)
    async with processor(urls["processor"]) as (_, tenants):
        await load(tenants, [(1, "a")], PEOPLE)
        with within("acme"):
            of = replace(key(rows=1), tenant="acme")
            rows = good(of, [(1, "a")], replace(PEOPLE, schema="tenant_acme"))
            assert (await PgSink(tenants).load(of, rows, concluding(of))).outcome


async def test_passwords_change_only_when_they_are_given(admin: str) -> None:
    urls = await provision(admin, PASSWORDS)
    await provision(admin, {})
    async with connected(urls["status"]) as connection:
        assert await connection.fetchval("SELECT current_user") == "ingestor_status"
    await provision(admin, {"status": "other"})
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(urls["status"])


async def test_without_the_right_to_make_roles(admin: str, server: str) -> None:
    """One role does everything, for one tenant."""
    name = admin.rpartition("/")[2]
    async with connected(server) as connection:
        await connection.execute("CREATE ROLE alone LOGIN PASSWORD 'secret'")
        await connection.execute(f"ALTER DATABASE {name} OWNER TO alone")
    dsn = as_role(admin, "alone")
    with pytest.raises(NotAllowedError):
        await provision(dsn, PASSWORDS)
    await provision_without_roles(dsn)
    await provision_without_roles(dsn)
    async with processor(dsn) as (_, tenants):
        await load(tenants, [(1, "a")], PEOPLE)
        with within("acme"), pytest.raises(TenantGoneError):
            await PgSink(tenants).forget_outcome(key())
    async with connected(server) as connection:
        await connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
