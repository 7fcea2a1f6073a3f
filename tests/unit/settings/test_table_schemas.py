"""Which schemas pipelines may name, as the setting says it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ingestor.provisioning.table_schemas import TableSchemas, TableSchemaSettings


def test_a_tenant_has_its_own_schema_and_those_that_are_listed() -> None:
    schemas = TableSchemas.parse(" shop, acme:crm ,")
    allowed = {
        (tenant, schema)
        for tenant in ("default", "acme", "beta")
        for schema in ("public", "tenant_acme", "tenant_beta", "shop", "crm", "postgres", "")
        if schemas.allows(tenant, schema)
    }
    assert allowed == {
        ("default", "public"), ("acme", "tenant_acme"), ("beta", "tenant_beta"),
        ("default", "shop"), ("acme", "shop"), ("beta", "shop"), ("acme", "crm"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop,processor", "the schema processor belongs to the suite"),
        ("acme:pg_temp", "pg_temp belongs to the suite or to PostgreSQL"),
        ("ACME:shop", "'ACME' cannot be the name of a tenant"),
        ("acme:", "'acme:' names no schema"),
        ("x" * 64, "names no schema"),
    ],
)
def test_what_is_no_list(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=f"INGESTOR_TABLE_SCHEMAS: .*{message}"):
        TableSchemaSettings(table_schemas=text)
