"""The table of a pipeline."""

from __future__ import annotations

from ingestor.pipeline_documents import read_document
from ingestor.services.processor.pipelines import table_of

DOCUMENT = """
{"name": "t", "sink": {"table": "t"}, "schema": {"fields": [
  {"name": "price", "type": "number", "rounding": "allow"},
  {"name": "raw", "type": "string", "format": "binary"},
  {"name": "other", "type": "string"}]}}
"""


def test_what_a_column_may_do_with_its_values() -> None:
    table = table_of(read_document(DOCUMENT))
    assert (set(table.rounding), set(table.base64)) == ({"price"}, {"raw"})
