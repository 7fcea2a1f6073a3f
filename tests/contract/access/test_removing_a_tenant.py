"""Everything of a removed tenant goes, nothing of another one, and what is late brings nothing back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ingestor.access.directory import PgDirectory, is_of_removed_tenant
from ingestor.access.scope import everything, within
from ingestor.provisioning.names import SERVICES, tenant_role
from ingestor.provisioning.removal import find_tenant, remove_tenant
from ingestor.provisioning.tenants import TenantError, create_tenant
from ingestor.runtime.aws.clients import open_s3
from ingestor.runtime.settings import FileStoreSettings
from ingestor.services.processor.adapters.postgres.markers import PgMarkers as Markers
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.stores.disk import DiskFileStore
from ingestor.stores.port import FileStore, TenantFiles
from ingestor.stores.s3 import S3FileStore
from tests.conftest import service_dsn

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection
    from tests.contract.conftest import OpenPool

LEAVER, STAYER = "leaver", "leaver2"  # one name begins with the other
IDS = {LEAVER: str(uuid.UUID(int=1)), STAYER: str(uuid.UUID(int=2))}

# Base tables with a column `tenant`, those first that others refer to, and what a row of them needs.
TABLES = """
SELECT t.table_schema || '.' || t.table_name FROM information_schema.tables t
JOIN information_schema.columns c USING (table_schema, table_name)
WHERE c.column_name = 'tenant' AND t.table_type = 'BASE TABLE' AND t.table_schema <> 'public'
ORDER BY t.table_name NOT IN ('uploads', 'ingestions', 'processes'), 1
"""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema || '.' || table_name = $1 AND is_nullable = 'NO' AND is_identity = 'NO'
AND (column_default IS NULL OR column_name = 'tenant') ORDER BY ordinal_position
"""
VALUES = {
    "text": "'{tenant}'", "uuid": "'{id}'", "bigint": "{number}", "integer": "1", "smallint": "1",
    "boolean": "false", "jsonb": "'[]'", "json": "'[]'", "bytea": "''", "ARRAY": "'{{}}'", "date": "now()",
    "timestamp with time zone": "now()", "regclass": "'pg_class'",
}  # fmt: skip


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[PgConnection]:
    """A superuser's connection, with two tenants that have rows in every table, and tables of their own."""
    connection = await asyncpg.connect(database_url)
    try:
        for tenant in (LEAVER, STAYER):
            await create_tenant(connection, tenant)
            for table in await tables(connection):
                await connection.execute(await a_row(connection, table, tenant))
            await connection.execute(
                f'SET ROLE "{tenant_role(tenant)}"; CREATE TABLE "tenant_{tenant}".people (id int);'
                f'INSERT INTO "tenant_{tenant}".people VALUES (1); RESET ROLE'
            )
        yield connection
    finally:
        for tenant in (LEAVER, STAYER):
            if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", tenant_role(tenant)):
                await connection.execute(
                    f'DROP OWNED BY "{tenant_role(tenant)}" CASCADE; DROP ROLE "{tenant_role(tenant)}"'
                )
        await connection.close()


async def tables(connection: PgConnection) -> list[str]:
    return [row[0] for row in await connection.fetch(TABLES)]


async def a_row(connection: PgConnection, table: str, tenant: str) -> str:
    """A statement that inserts a row of a tenant."""
    columns = await connection.fetch(COLUMNS, table)
    names = ", ".join(f'"{row[0]}"' for row in columns)
    values = ", ".join(
        VALUES[row[1]].format(tenant=tenant, id=IDS[tenant], number=len(tenant)) for row in columns
    )
    return f"INSERT INTO {table} ({names}) VALUES ({values})"


async def counts(connection: PgConnection, tenant: str) -> dict[str, int]:
    """Rows of a tenant by table."""
    return {
        table: await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant = $1", tenant)
        for table in await tables(connection)
    }


@pytest.fixture(params=["disk", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FileStore]:
    if request.param == "disk":
        yield DiskFileStore(tmp_path)
        return
    endpoint = request.getfixturevalue("aws_endpoint")
    async with open_s3(FileStoreSettings(aws_endpoint_url=endpoint)) as client:
        bucket = f"b{uuid.uuid4().hex}"
        await client.create_bucket(Bucket=bucket)
        yield S3FileStore(client, bucket, "some/")


@pytest.fixture
async def files(store: FileStore) -> TenantFiles:
    """Each tenant has a sealed file of 3 bytes and an open one of 2."""
    for tenant in (LEAVER, STAYER):
        with within(tenant):
            for name, content in (("sealed", b"abc"), ("open", b"de")):
                await store.create(f"{tenant}/{name}")
                await store.append(f"{tenant}/{name}", 0, content)
                await store.sync(f"{tenant}/{name}", len(content))
            await store.seal(f"{tenant}/sealed", 3)
    assert isinstance(store, TenantFiles)
    return store


async def test_everything_of_a_tenant_goes_and_nothing_of_another(
    admin: PgConnection, files: TenantFiles
) -> None:
    before = await counts(admin, STAYER)
    assert len(before) >= 20
    # A quiet table would make the test say nothing.
    assert all((await counts(admin, LEAVER)).values()) and all(before.values())
    found = await remove_tenant(admin, LEAVER, files, late_seconds=0)
    kept = {table: count for table, count in (await counts(admin, LEAVER)).items() if count}
    assert kept == {"access.audit_log": 3}  # its row here, its creation, its removal
    assert await counts(admin, STAYER) == before
    assert await admin.fetchval("SELECT to_regnamespace($1)", f"tenant_{LEAVER}") is None
    assert not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", tenant_role(LEAVER))
    assert await admin.fetchval(f'SELECT count(*) FROM "tenant_{STAYER}".people') == 1
    assert await files.files_of(LEAVER) == (0, 0)
    assert await files.files_of(STAYER) == (2, 5)
    assert (found.files, found.file_bytes, found.tables, found.role) == (2, 5, ["tenant_leaver.people"], True)
    assert found.rows == {table: 1 for table in before if table != "access.audit_log"}
    assert found.processes == 1 and not found.role_stays


async def test_a_dry_run_only_counts(admin: PgConnection, files: TenantFiles) -> None:
    before = await counts(admin, LEAVER)
    found = await find_tenant(admin, LEAVER, files)
    assert await counts(admin, LEAVER) == before
    assert (found.files, found.file_bytes, found.tables, found.role) == (2, 5, ["tenant_leaver.people"], True)
    assert len(found.rows) == len(before) - 1
    assert await admin.fetchval("SELECT removed_at IS NULL FROM access.tenants WHERE name = $1", LEAVER)


@pytest.mark.parametrize("step", ["_drop_tables", "_delete_rows", "delete_files_of"])
async def test_run_again_it_finishes_what_was_interrupted(
    admin: PgConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = DiskFileStore(tmp_path)
    with within(LEAVER):
        await store.create(f"{LEAVER}/a")

    async def interrupted(*_: object, **__: object) -> None:
        raise OSError("the line is cut")

    with monkeypatch.context() as patch:
        target = DiskFileStore if step == "delete_files_of" else "ingestor.provisioning.removal"
        patch.setattr(target, step, interrupted) if not isinstance(target, str) else patch.setattr(
            f"{target}.{step}", interrupted
        )
        with pytest.raises(OSError, match="is cut"):
            await remove_tenant(admin, LEAVER, store, late_seconds=0)
    for _ in range(2):
        await remove_tenant(admin, LEAVER, store, late_seconds=0)
    assert {table for table, count in (await counts(admin, LEAVER)).items() if count} == {"access.audit_log"}
    assert await store.files_of(LEAVER) == (0, 0)
    assert not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", tenant_role(LEAVER))
    methods = await admin.fetch("SELECT method FROM access.audit_log WHERE tenant = $1 ORDER BY 1", LEAVER)
    assert [row[0] for row in methods if "remove" in row[0]] == ["admin tenants remove"]


async def test_a_role_that_another_database_uses_stays(
    admin: PgConnection, postgres_dsn: str, pool_of: OpenPool
) -> None:
    """The processor takes nothing for it in this one all the same."""
    processor = Markers(await TenantPool.of(await pool_of("processor")))
    with within(LEAVER):
        assert await processor.has_tenant()
    other = await asyncpg.connect(postgres_dsn)
    try:
        await other.execute(f'CREATE SCHEMA elsewhere AUTHORIZATION "{tenant_role(LEAVER)}"')
        found = await remove_tenant(admin, LEAVER, None)
        assert found.role_stays
        with within(LEAVER):
            assert not await processor.has_tenant()
        with within(STAYER):
            assert await processor.has_tenant()
    finally:
        await other.execute("DROP SCHEMA elsewhere")
        await other.close()


async def test_the_name_is_not_used_again(admin: PgConnection) -> None:
    await remove_tenant(admin, LEAVER, None)
    with pytest.raises(TenantError, match="was removed; its name is not used again"):
        await create_tenant(admin, LEAVER)


@pytest.mark.parametrize("name", ["nobody", "x'; DROP SCHEMA access; --", ""])
async def test_a_tenant_that_never_was_is_told(admin: PgConnection, name: str) -> None:
    for call in (remove_tenant, find_tenant):
        with pytest.raises(TenantError, match="there is no tenant"):
            await call(admin, name, None)


async def test_the_last_tenant_stays(admin: PgConnection) -> None:
    with pytest.raises(TenantError, match="default cannot be removed"):
        await remove_tenant(admin, "default", None)


async def test_from_then_on_nobody_is_of_it(admin: PgConnection, pool_of: OpenPool) -> None:
    directory = PgDirectory(await pool_of("status"))
    assert await directory.key(LEAVER) and await directory.tenant_exists(LEAVER)
    await remove_tenant(admin, LEAVER, None)
    assert await directory.key(LEAVER) is None and not await directory.tenant_exists(LEAVER)
    assert not await directory.memberships([LEAVER])
    assert await directory.key(STAYER)


# -- what is late ------------------------------------------------------------------------------------

QUIET = {"status.removals", "status.events"}


@asynccontextmanager
async def service(database_url: str, name: str) -> AsyncIterator[PgConnection]:
    """A connection as the role of a service."""
    connection = await asyncpg.connect(service_dsn(database_url, name))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("scope", [LEAVER, "*"])
async def test_no_service_inserts_a_row_of_a_removed_tenant(
    admin: PgConnection, database_url: str, scope: str
) -> None:
    """Neither within the tenant nor in work of its own."""
    statements = {table: await a_row(admin, table, LEAVER) for table in await tables(admin)}
    await remove_tenant(admin, LEAVER, None)
    refused = set()
    for name in SERVICES:
        async with service(database_url, name) as connection:
            for table, statement in statements.items():
                if not table.startswith((f"{name}.", "access.usage")):
                    continue
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute(f"SET LOCAL ingestor.tenant = '{scope}'")
                if table in QUIET or table.endswith("removal_inbox"):
                    assert await connection.execute(statement) == "INSERT 0 0", table
                else:
                    with pytest.raises(asyncpg.PostgresError) as caught:
                        await connection.execute(statement)
                    assert is_of_removed_tenant(caught.value), table
                refused.add(table)
                await transaction.rollback()
    assert len(refused) >= 18


async def test_the_removal_waits_for_what_came_before_it(admin: PgConnection, database_url: str) -> None:
    """An outcome whose transaction has begun before, and is not committed yet, goes too."""
    async with service(database_url, "status") as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"SET LOCAL ingestor.tenant = '{LEAVER}'")
        await connection.execute(
            "INSERT INTO status.processes (process_id, tenant) VALUES (gen_random_uuid(), $1)", LEAVER
        )
        removing = asyncio.create_task(remove_tenant(admin, LEAVER, None))
        await waits(database_url, "advisory")
        await transaction.commit()
        await removing
    assert not (await counts(admin, LEAVER))["status.processes"]


async def test_a_batch_in_work_loads_nothing_any_more(admin: PgConnection, database_url: str) -> None:
    """Its rows are in the table already when the tenant is removed; its marker, in the same transaction, is
    refused."""
    async with service(database_url, "processor") as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            f"SET LOCAL ROLE \"{tenant_role(LEAVER)}\"; SET LOCAL ingestor.tenant = '{LEAVER}'"
        )
        await connection.execute(f'INSERT INTO "tenant_{LEAVER}".people VALUES (2)')
        removing = asyncio.create_task(remove_tenant(admin, LEAVER, None))
        await waits(database_url, "relation")
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute(
                "INSERT INTO processor.applied_batches (process_id, batch_number, tenant) "
                "VALUES (gen_random_uuid(), 9, $1)",
                LEAVER,
            )
        assert is_of_removed_tenant(caught.value)
        await transaction.rollback()
        await removing
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute(f'SET ROLE "{tenant_role(LEAVER)}"')
    assert await admin.fetchval("SELECT to_regnamespace($1)", f"tenant_{LEAVER}") is None


async def waits(database_url: str, kind: str) -> None:
    """Return when a connection waits for such a lock."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(30):
            while not await connection.fetchval(
                "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = $1 "
                "AND datname = current_database()",
                kind,
            ):
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_late_files_go_too(admin: PgConnection, tmp_path: Path) -> None:
    """What a service writes between the first sweep and the last one."""
    store = DiskFileStore(tmp_path)
    swept = 0
    delete = store.delete_files_of

    async def delete_and_be_late(tenant: str) -> None:
        nonlocal swept
        swept += 1
        await delete(tenant)
        if swept == 1:
            with within(LEAVER):
                await store.create(f"{LEAVER}/late")

    store.delete_files_of = delete_and_be_late  # type: ignore[method-assign]
    await remove_tenant(admin, LEAVER, store, late_seconds=0.01)
    assert await store.files_of(LEAVER) == (0, 0)


async def test_a_file_in_memory_is_not_written_when_its_tenant_is_gone(aws_endpoint: str) -> None:
    """The store keeps ends of files in memory, and writes them when it needs the room."""
    async with open_s3(FileStoreSettings(aws_endpoint_url=aws_endpoint)) as client:
        bucket = f"b{uuid.uuid4().hex}"
        await client.create_bucket(Bucket=bucket)
        store = S3FileStore(client, bucket)
        with everything():
            await store.create(f"{LEAVER}/a")
            await store.append(f"{LEAVER}/a", 0, b"late")
            await S3FileStore(client, bucket).delete_files_of(LEAVER)
            for number in range(64):
                await store.create(f"{STAYER}/{number}")
                await store.append(f"{STAYER}/{number}", 0, b"x")
        assert await store.files_of(LEAVER) == (0, 0)
