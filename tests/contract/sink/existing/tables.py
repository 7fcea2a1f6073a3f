"""Tables that people have, with columns c0, c1, ..., and rows of texts for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingestor.columns.text_column import text_column
from ingestor.pipelines.field import Field
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchOutcome
from ingestor.services.processor.ports import GoodRows, Table
from tests.contract.sink.batches import concluding, key

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool


def values_of(case_field: Mapping[str, Any], texts: Sequence[str | None]) -> Any:
    """The column of a field whose cells have these texts."""
    kind = Field.model_validate({"name": "f", **case_field}).kind
    converted = kind.convert(text_column(pa.array(texts, pa.string()), frozenset()))
    assert converted.bad is None
    return converted.column


def table_of(fields: Sequence[Mapping[str, Any]], **more: Any) -> Table:
    """A table with the columns c0, c1, ... of these fields."""
    kinds = [Field.model_validate({"name": "f", **field}).kind.postgres_type for field in fields]
    columns = tuple((f"c{number}", kind) for number, kind in enumerate(kinds))
    return Table("public", "t", **{"columns": columns, "primary_key": (), **more})


def rows_of(
    table: Table, fields: Sequence[Mapping[str, Any]], rows: Sequence[Sequence[str | None]]
) -> GoodRows:
    """Rows of texts."""
    columns = [values_of(field, [row[number] for row in rows]) for number, field in enumerate(fields)]
    data = pa.table(columns, names=[name for name, _ in table.columns])
    return GoodRows(table, data, np.arange(len(rows), dtype=np.int64) + 1)


async def make(pool: PgPool, types: Sequence[str], more: str = "") -> None:
    """Make a table with columns c0, c1, ... of these types."""
    columns = ", ".join(f"c{number} {type_}" for number, type_ in enumerate(types))
    await pool.execute(
        f"SET search_path = public; CREATE TABLE t ({columns}, _row_number bigint, _process_id uuid{more})"
    )


async def load(pool: PgPool, rows: GoodRows) -> BatchOutcome:
    """Load rows, after a dry run that must say the same."""
    async with PgDryRunTables(pool, 1).open(rows.table) as dry_run:
        expected = [(row.position + 1, row.error, *row.more) for row in await dry_run.refused(rows)]
    of = key(rows=len(rows.row_numbers))
    outcome = (await PgSink(pool).load(of, rows, concluding(of))).outcome
    assert outcome is not None
    assert [(row.row_number, *row.errors) for row in outcome.rows] == expected
    return outcome


async def content(pool: PgPool, columns: int) -> dict[int, list[Any]]:
    """The table's rows as texts, by row number."""
    texts = ", ".join(
        f"CASE WHEN c{number} IS NOT NULL THEN format('%s', c{number}) END" for number in range(columns)
    )
    found = await pool.fetch(f"SELECT _row_number, array[{texts}] FROM public.t")
    return {row[0]: row[1] for row in found}
