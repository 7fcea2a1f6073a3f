"""The second wall: row-level security alone, when the code takes every caller for the victim."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from ingestor.provisioning.names import SERVICES, role_of
from tests.e2e.access.calls import Names, public_methods
from tests.e2e.access.conftest import STRANGER, VICTIM, AccessSuite, access_suite, everything_of, fill

MARK = "xenolith"


@pytest.fixture(scope="module")
def believing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AccessSuite, Names]]:
    """A suite with the victim's data, started again so that its code takes every caller for the victim."""
    folder = tmp_path_factory.mktemp("believing")
    with access_suite(folder) as access:
        names = fill(access, VICTIM, MARK)
        fill(access, STRANGER, "yardarm")
    with access_suite(folder, INGESTOR_TEST_CODE_TENANT=VICTIM) as access:
        yield access, names


def test_row_level_security_holds_alone(believing: tuple[AccessSuite, Names]) -> None:
    access, victim = believing
    before = asyncio.run(everything_of(access.suite.dsn, VICTIM))
    token = access.issuer.token("mallory", STRANGER, "admin")
    answered = 0
    for method in public_methods():
        answer = access.ask(method, token=token, names=victim)
        assert MARK not in victim.replaced(answer.text), (method, answer)
        answered += answer.code == "OK"
    assert answered > 5  # the suite works: lists are empty, not broken
    after = asyncio.run(everything_of(access.suite.dsn, VICTIM))
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == set()


def test_the_switch_does_what_it_says(believing: tuple[AccessSuite, Names]) -> None:
    """Without row-level security the same calls would see the victim's data: the test above can fail."""
    access, _ = believing
    token = access.issuer.token("mallory", STRANGER, "admin")
    asyncio.run(_execute(access.suite.dsn, "ALTER TABLE status.processes DISABLE ROW LEVEL SECURITY"))
    try:
        answer = access.ask("StatusService/ListProcesses", token=token)
        assert MARK in answer.text
    finally:
        asyncio.run(_execute(access.suite.dsn, "ALTER TABLE status.processes ENABLE ROW LEVEL SECURITY"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


OWN = ("access", *SERVICES)


async def test_every_table_with_a_tenant_has_row_level_security(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, "
            "EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS policy FROM pg_class c "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' "
            "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = ANY($1::text[]::regnamespace[])",
            list(OWN),
        )
        others = await connection.fetch(
            "SELECT c.relnamespace::regnamespace || '.' || c.relname AS name FROM pg_class c "
            "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = ANY($1::text[]::regnamespace[]) "
            "AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant')",
            list(OWN),
        )
    finally:
        await connection.close()
    assert len(rows) > 20
    assert not [row["name"] for row in rows if not (row["forced"] and row["policy"])]
    # Tables without a tenant say nothing of one, but `tenants`, which has its policy too.
    allowed = {f"{schema}.schema_migrations" for schema in OWN}
    allowed |= {f"{schema}.removal_cursor" for schema in SERVICES} | {"access.tenants"}
    assert {row["name"] for row in others} <= allowed


async def test_services_own_nothing(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        roles = [role_of(service) for service in SERVICES]
        flags = await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) "
            "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolinherit)",
            roles,
        )
        owned = await connection.fetch(
            "SELECT c.oid::regclass FROM pg_class c WHERE pg_get_userbyid(c.relowner) = ANY($1)", roles
        )
        changing = await connection.fetch(
            "SELECT r FROM unnest($1::text[]) r WHERE has_table_privilege(r, 'access.audit_log', 'UPDATE') "
            "OR has_table_privilege(r, 'access.audit_log', 'DELETE') "
            "OR has_table_privilege(r, 'access.audit_log', 'TRUNCATE')",
            roles,
        )
        creating = await connection.fetch(
            "SELECT r, s FROM unnest($1::text[]) r, unnest($2::text[]) s "
            "WHERE has_schema_privilege(r, s, 'CREATE')",
            roles,
            [*OWN, "public"],
        )
    finally:
        await connection.close()
    assert not flags and not owned and not changing and not creating
