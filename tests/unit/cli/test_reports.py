"""The format of a report follows from its file's name."""

from __future__ import annotations

import pytest

from ingestor.cli.reports import format_of


@pytest.mark.parametrize(
    ("output", "format_"),
    [("a.csv", "csv"), ("a.b.XLSX", "xlsx"), ("x.csv/a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("-", "csv"),
     ("a.txt", None), ("a", None)],
)  # fmt: skip
def test_the_extension_names_the_format(output: str, format_: str | None) -> None:
    assert format_of(output) == format_
