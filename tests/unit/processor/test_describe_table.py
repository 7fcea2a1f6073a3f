"""Which names of tables are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ingestor.runtime.errors import InvalidArgumentError
from ingestor.services.processor.api import ProcessorApi
from ingestor.services.processor.ports import TableDraft, Tables
from ingestor.v1 import processor_pb2
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.work import processor_api


class NamedTables(Tables):
    """Has every table, and drafts its name."""

    async def draft(self, schema: str, name: str) -> TableDraft:
        document: Mapping[str, Any] = {"sink": {"table": f"{schema}.{name}"}}
        return TableDraft(document, ("id",))


@pytest.fixture
def api() -> ProcessorApi:
    """The service with these tables alone."""
    return processor_api(None, None, MemoryDryRunTables(), NamedTables())


@pytest.mark.parametrize(("name", "meant"), [("stock", "public.stock"), ("shop.Stock 1", "shop.Stock 1")])
async def test_a_name(api: ProcessorApi, name: str, meant: str) -> None:
    answer = await api.DescribeTable(processor_pb2.DescribeTableRequest(table=name), None)
    assert answer.document_json == f'{{"sink": {{"table": "{meant}"}}}}'
    assert list(answer.needed) == ["id"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "must be 1 to 63 bytes long"),
        ("shop.", "must be 1 to 63 bytes long"),
        ("x" * 64, "must be 1 to 63 bytes long"),
        ("a.b.c", 'must be "table" or "schema.table"'),
        ("processor.row_lineage", "the schema belongs to the suite or to PostgreSQL"),
        ("pg_catalog.pg_authid", "the schema belongs to the suite or to PostgreSQL"),
    ],
)
async def test_no_name(api: ProcessorApi, name: str, why: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        await api.DescribeTable(processor_pb2.DescribeTableRequest(table=name), None)
    (violation,) = raised.value.violations
    assert violation.field == "table"
    assert why in violation.description
