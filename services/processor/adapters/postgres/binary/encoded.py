"""Good rows as COPY reads them: in binary form where there is one, else as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.services.processor.adapters.postgres.binary.rows import binary_rows
from ingestor.services.processor.adapters.postgres.columns.facts import Column
from ingestor.services.processor.adapters.postgres.copy import copy_text
from ingestor.services.processor.ports import GoodRows, Table

# By the type of a field's column in a table of the suite: the types of columns, behind their domains, that
# read the same binary form.
_SAME = {
    "text": ("text", "varchar", "bpchar"),
    "bigint": ("int8",),
    "integer": ("int4",),
    "numeric": ("numeric",),
    "boolean": ("bool",),
    "date": ("date",),
    "timestamptz": ("timestamptz",),
    "jsonb": ("jsonb",),
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as COPY reads them, in parts. What the database says of a bad value in binary form need not be
    what it says of the text, which is what counts."""

    parts: Sequence[memoryview]
    binary: bool = False

    @property
    def format(self) -> Literal["csv", "binary"]:
        """What COPY calls it."""
        return "binary" if self.binary else "csv"


def takes_binary(table: Table, columns: Mapping[str, Column]) -> bool:
    """Whether a table with these columns reads the binary form of its rows."""
    return all(
        columns[name].type in _SAME.get(kind, ()) and not columns[name].is_array
        for name, kind in table.columns
    )


@cpu_of("encode")
def encoded(rows: GoodRows, process_id: str, *, binary: bool) -> Encoded:
    """The rows with their lineage; with `binary` in binary form, unless a value has none (CPU-bound)."""
    parts = binary_rows(rows, process_id) if binary else None
    if parts is not None:
        return Encoded(parts, binary=True)
    return Encoded((copy_text(rows, process_id),))
