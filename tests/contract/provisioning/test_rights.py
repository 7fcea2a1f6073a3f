"""The walls in the database, as PostgreSQL's catalogue has them: what a migration forgets shows here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ingestor.provisioning.names import ACCESS, OWNER, SERVICES, role_of
from ingestor.provisioning.tenants import create_tenant

SCHEMAS = [ACCESS, *SERVICES]
# What every service may do in the schema `access`, and what status may besides.
EVERY = {
    ("schema_migrations", "SELECT"), ("tenants", "SELECT"), ("quotas", "SELECT"), ("audit_log", "INSERT"),
    ("usage", "SELECT"), ("usage", "INSERT"), ("usage", "UPDATE"),
}  # fmt: skip
WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")
STATUS = {
    ("audit_log", "SELECT"),
    *(("api_keys", right) for right in ("SELECT", "INSERT", "UPDATE")),
    *(
        (table, right)
        for table in ("members", "quotas")
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
    ),
}
MARKERS = {
    "applied_batches",
    "repaired_rows",
    "closed_processes",
    "replaced_rows",
    "row_lineage",
    "rows_before",
}
_RIGHTS = """
SELECT n.nspname, c.relname, kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) kind
WHERE n.nspname = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege($1, c.oid, kind)
"""
_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, n.nspname, p.prosecdef, p.proconfig,
       has_function_privilege('public', p.oid, 'EXECUTE') AS is_public
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY ($1)
"""
_OPEN_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attname = 'tenant' OR c.relname = 'tenants')
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
AND NOT (c.relrowsecurity AND c.relforcerowsecurity
         AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'tenant'))
"""


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[Any]:
    """An administrator's connection to a database with a tenant."""
    connection = await asyncpg.connect(database_url)
    try:
        await create_tenant(connection, "acme")
        yield connection
    finally:
        await connection.close()


async def rights(admin: Any, role: str) -> set[tuple[str, str, str]]:
    """Schema, table and kind of what a role may do in the suite's schemas."""
    return {tuple(row) for row in await admin.fetch(_RIGHTS, role, SCHEMAS)}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_rights_on_its_own_rows_only(admin: Any, service: str) -> None:
    found = await rights(admin, role_of(service))
    assert {schema for schema, _, _ in found} == {ACCESS, service}
    assert not {kind for _, _, kind in found} & {"TRUNCATE", "REFERENCES", "TRIGGER"}
    assert {kind for _, table, kind in found if table == "schema_migrations"} == {"SELECT"}
    in_access = {(table, kind) for schema, table, kind in found if schema == ACCESS}
    assert in_access == (EVERY | STATUS if service == "status" else EVERY)


async def test_a_service_owns_nothing_and_is_above_nothing(admin: Any) -> None:
    for service in SERVICES:
        facts = await admin.fetchrow(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolinherit AS may_more, "
            "(SELECT count(*) FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') AS owned, "
            "has_database_privilege(r.oid, current_database(), 'CREATE') AS may_make, "
            "pg_has_role(r.oid, $2, 'MEMBER') AS is_owner FROM pg_roles r WHERE rolname = $1",
            role_of(service), OWNER,
        )  # fmt: skip
        assert tuple(facts) == (False, 0, False, False), service


async def test_a_tenant_has_rights_on_its_markers_only(admin: Any) -> None:
    found = await rights(admin, "ingestor_tenant_acme")
    assert {(schema, table) for schema, table, _ in found} == {("processor", table) for table in MARKERS}
    assert {kind for _, _, kind in found} == set(WRITE)
    may_make = await admin.fetch(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('ingestor_tenant_acme', oid, 'CREATE')"
    )
    assert [row[0] for row in may_make] == ["tenant_acme"]


async def test_every_table_with_a_tenant_is_isolated(admin: Any) -> None:
    assert await admin.fetch(_OPEN_TABLES, SCHEMAS) == []


async def test_functions_are_for_those_who_were_named(admin: Any) -> None:
    found = await admin.fetch(_FUNCTIONS, SCHEMAS)
    assert [row["name"] for row in found if row["is_public"]] == []
    definers = [row for row in found if row["prosecdef"]]
    assert definers
    for row in definers:  # else a caller's own schema could come first
        assert len(row["proconfig"]) == 1 and row["proconfig"][0].startswith("search_path="), row["name"]
        assert row["proconfig"][0].endswith(", pg_temp"), row["name"]
    of_a_tenant = await admin.fetch(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text = ANY ($1) "
        "AND has_function_privilege('ingestor_tenant_acme', oid, 'EXECUTE')",
        SCHEMAS,
    )
    assert [row[0] for row in of_a_tenant] == ["processor.tables_left(text)"]
