"""Dry runs in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ingestor.outcomes import RowError
from ingestor.services.processor.ports import (
    DryRunTables,
    GoodRows,
    Refused,
    SinkRefusedError,
    Table,
    TableDryRun,
)
from tests.fakes.sink import MemorySink

Values = tuple[Any, ...]


class MemoryDryRunTables(DryRunTables):
    """Dry runs into the tables of a sink in memory, which have the keys of the pipeline."""

    def __init__(self, sink: MemorySink | None = None) -> None:
        self._sink = sink or MemorySink()

    @asynccontextmanager
    async def open(self, table: Table) -> AsyncIterator[MemoryTableDryRun]:
        yield MemoryTableDryRun(self._sink, table)


class MemoryTableDryRun(TableDryRun):
    notices = ()
    table_now = None

    def __init__(self, sink: MemorySink, table: Table) -> None:
        self._sink = sink
        self._table = table
        keys = dict.fromkeys((table.primary_key, *table.unique))
        self._keys = [key for key in keys if key and not (table.upsert and key == table.primary_key)]
        self._seen: dict[tuple[Values, Values], Values] = {}  # key and its values: whose they are
        self._of_file: list[dict[str, Any]] = []

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        table = self._table
        for foreign in table.foreign:
            itself = foreign.table == (table.schema, table.name)
            if foreign.table[1] not in self._sink.tables and not itself:
                text = (
                    f"The table {table.schema}.{table.name} cannot be created: it refers to "
                    f"{'.'.join(foreign.table)} ({', '.join(foreign.table_columns)}), which does not exist."
                )
                raise SinkRefusedError(text)
        found = []
        slice_ = rows.data.to_pylist()
        for position, row in enumerate(slice_):
            problem = self._problem(row, slice_)
            if problem:
                found.append(Refused(position, problem))
            if problem is None or (table.upsert and problem.code != "foreign-key"):
                self._of_file.append(row)
                for key in self._keys:
                    self._seen.setdefault((key, _values(row, key)), self._owner(row))
        return found

    def _owner(self, row: dict[str, Any]) -> Values:
        """Rows with the same owner do not lose a key to each other."""
        return _values(row, self._table.primary_key) if self._table.upsert else (object(),)

    def _problem(self, row: dict[str, Any], slice_: Sequence[dict[str, Any]]) -> RowError | None:
        table = self._table
        for foreign in table.foreign:
            values = _values(row, foreign.columns)
            rows = self._sink.tables.get(foreign.table[1], [])
            if foreign.table == (table.schema, table.name):
                rows = [*rows, *self._of_file, *slice_]
            if None not in values and values not in [_values(there, foreign.table_columns) for there in rows]:
                fields = ", ".join(foreign.columns)
                message = f"The table that {fields} refers to has no such row."
                return RowError("foreign-key", fields, "", message, "load")
        for key in self._keys:
            values = _values(row, key)
            if None in values:
                continue
            owners = [
                self._owner(there)
                for there in self._sink.tables.get(table.name, [])
                if _values(there, key) == values
            ]
            if (key, values) in self._seen:
                owners.append(self._seen[key, values])
            if any(owner != self._owner(row) for owner in owners):
                code = "primary-key" if key == table.primary_key else "unique-error"
                fields, value = ", ".join(key), "" if table.upsert else ", ".join(map(str, values))
                message = f"The table already has a row with the same {fields}."
                return RowError(code, fields, value, message, "load")
        return None


def _values(row: dict[str, Any], names: Sequence[str]) -> Values:
    return tuple(row[name] for name in names)
