"""Fits rows to the columns of a table that exists: values in the notation that the columns read, and the
rows with values that a column does not take, each with all its errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import AnyArray, Int64s, Mask, pc, to_mask
from ingestor.outcomes import RowError, capped, quoted
from ingestor.services.processor.adapters.postgres.columns.asking import faults_of
from ingestor.services.processor.adapters.postgres.columns.checks import (
    Check,
    Fault,
    check_of,
    only_database_knows,
    surely_fine,
)
from ingestor.services.processor.adapters.postgres.columns.conversions import WHOLE, is_text
from ingestor.services.processor.adapters.postgres.columns.facts import Column
from ingestor.services.processor.adapters.postgres.columns.notation import as_text, without_point
from ingestor.services.processor.ports import GoodRows, Refused, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestor.runtime.postgres.pool import PgConnection


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rows that the columns take, and the others. `positions` are those of `rows` among all rows."""

    rows: GoodRows
    refused: list[Refused]
    positions: Int64s | None = None

    def with_loaded(self, refused: Iterable[Refused]) -> list[Refused]:
        """All rows that were refused, in order; `refused` are those of `rows`."""
        positions = self.positions
        if positions is None:
            return list(refused)
        later = (replace(row, position=int(positions[row.position])) for row in refused)
        return sorted([*self.refused, *later], key=lambda row: row.position)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field whose values need a look before they are loaded into its column."""

    column: Column
    kind: str
    rounding: bool
    check: Check | None
    asks: bool
    prepare: Callable[[AnyArray], AnyArray] | None
    """What is done to all values before."""


class Fitting:
    """What to check of the rows of a table; keeps nothing of them."""

    def __init__(self, fields: Sequence[_Field] = ()) -> None:
        self._fields = tuple(fields)

    @classmethod
    def of(cls, table: Table, columns: Mapping[str, Column]) -> Fitting:
        """The checks for a table with these columns, which take its fields (see `why_refused`)."""
        fields = (_field(columns[name], kind, table) for name, kind in table.columns)
        return cls([field for field in fields if field is not None])

    @property
    def is_needed(self) -> bool:
        """Whether any value needs a look."""
        return bool(self._fields)

    async def fit(self, connection: PgConnection, rows: GoodRows) -> Fitted:
        """Fit the rows of a batch, in the caller's transaction. Without checks the very same rows."""
        if not self._fields or not rows.data.num_rows:
            return Fitted(rows, [])
        errors: dict[int, list[RowError]] = {}
        data = rows.data
        for field in self._fields:
            name = field.column.name
            values = _joined(data.column(name))
            fitted, faults = await asyncio.to_thread(_resolve, field, values)
            if field.asks:
                faults |= await _ask(connection, field, fitted, faults)
            if fitted is not values:
                data = data.set_column(data.schema.get_field_index(name), name, pa.chunked_array([fitted]))
            if faults:
                await asyncio.to_thread(_note, name, values, faults, errors)
        if not errors:
            return Fitted(rows if data is rows.data else replace(rows, data=data), [])
        keep = ~np.isin(np.arange(data.num_rows), np.fromiter(errors, np.int64, len(errors)))
        left = replace(rows, data=data.filter(pa.array(keep)), row_numbers=rows.row_numbers[keep])
        refused = [Refused(position, first, more=tuple(more)) for position, (first, *more) in errors.items()]
        return Fitted(left, refused, np.flatnonzero(keep))


NO_FITTING = Fitting()
"""For tables that the suite makes: every value fits."""


def _field(column: Column, kind: str, table: Table) -> _Field | None:
    if column.name in table.base64 and column.type == "bytea" and not column.is_array:
        kind = "base64"
    rounding = column.name in table.rounding
    check = check_of(kind, column, rounding=rounding)
    asks = only_database_knows(kind, column)
    prepare: Callable[[AnyArray], AnyArray] | None = None
    if kind == "timestamptz" and is_text(column):
        prepare = as_text
    elif kind == "numeric" and column.type in WHOLE:
        prepare = without_point
    if check is None and not asks and prepare is None and not column.needs_value:
        return None
    return _Field(column, kind, rounding, check, asks, prepare)


def _joined(column: Any) -> AnyArray:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _resolve(field: _Field, values: AnyArray) -> tuple[AnyArray, dict[int, Fault]]:
    """The values as the column reads them, and what the field's own check finds, by position."""
    faults: dict[int, Fault] = {}
    if field.column.needs_value and values.null_count:
        fault = Fault("constraint-error", f"a value is required: the column is {field.column.shown}")
        faults = dict.fromkeys(np.flatnonzero(to_mask(values.is_null(), null=True)).tolist(), fault)
    if field.prepare:
        values = field.prepare(values)
    suspects = field.check.suspects(values) if field.check else None
    if field.check is None or suspects is None or not suspects.any():
        return values, faults
    positions, texts, places = _distinct(values, suspects)
    results = [field.check.resolve(text) for text in texts]
    for position, place in zip(positions.tolist(), places.tolist(), strict=True):
        result = results[place]
        if isinstance(result, Fault):
            faults[position] = result
    if any(isinstance(result, str) and result != text for result, text in zip(results, texts, strict=True)):
        others = [
            text if isinstance(result, Fault) else result for result, text in zip(results, texts, strict=True)
        ]
        fitting = pa.array(others, pa.string()).take(places)
        values = pc.replace_with_mask(as_text(values), pa.array(suspects), fitting)
    return values, faults


async def _ask(
    connection: PgConnection, field: _Field, values: AnyArray, faults: Mapping[int, Fault]
) -> dict[int, Fault]:
    """What the database finds in the values without a fault, by position."""

    def distinct() -> tuple[Int64s, list[str], Int64s]:
        texts = as_text(values)
        asked = to_mask(texts.is_valid(), null=False)
        asked[np.fromiter(faults, np.int64, len(faults))] = False
        fine = surely_fine(field.kind, field.column, texts)
        return _distinct(texts, asked if fine is None else asked & ~fine)

    positions, texts, places = await asyncio.to_thread(distinct)
    if not texts:
        return {}
    found = await faults_of(connection, field.column, texts, rounding=field.rounding)
    if not found:
        return {}
    return {
        position: found[place]
        for position, place in zip(positions.tolist(), places.tolist(), strict=True)
        if place in found
    }


def _distinct(values: AnyArray, rows: Mask) -> tuple[Int64s, list[str], Int64s]:
    """The marked values: their positions, their distinct texts, and the place of each value's text."""
    positions = np.flatnonzero(rows)
    encoded: Any = as_text(values.take(positions)).dictionary_encode()
    places: Int64s = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return positions, encoded.dictionary.to_pylist(), places


def _note(
    name: str, values: AnyArray, faults: Mapping[int, Fault], errors: dict[int, list[RowError]]
) -> None:
    """Add the errors of a column's values to those of their rows."""
    texts = as_text(values.take(pa.array(list(faults), pa.int64()))).to_pylist()
    for (position, fault), text in zip(faults.items(), texts, strict=True):
        subject = "" if text is None else f"{quoted(text)} "
        error = RowError(fault.code, name, capped(text or ""), f"{name}: {subject}{fault.why}", "validate")
        errors.setdefault(position, []).append(error)
