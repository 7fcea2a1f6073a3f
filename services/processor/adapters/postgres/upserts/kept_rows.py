"""Rows that are not in their table because of a row of another process, as they are kept for undos: as texts
of records, many to a row of processor.replaced_rows. Earlier releases kept each one as a JSON object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.services.processor.adapters.postgres.copy import PROCESS_COLUMN, ROW_COLUMN
from ingestor.services.processor.adapters.postgres.lineage import literal
from ingestor.services.processor.adapters.postgres.table import listed, quoted

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# So many rows to a pack, and a longer text alone in one, so that no pack is large.
_PACKED = 2_048
_LONG = 2_048

# Texts must mean the same when they are read, whatever somebody has set for the database or the role since.
NOTATION = (
    "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1"
)

_KEEP = f"""
INSERT INTO processor.replaced_rows (tenant, process_id, replaced_by, row, names, packed)
SELECT {{tenant}}, process_id, replaced_by, '"packed"', {{names}}, array_agg(record{{order}})
FROM {{rows}} AS kept
GROUP BY process_id, replaced_by, number / {_PACKED}, CASE WHEN length(record) > {_LONG} THEN number END
"""  # noqa: S608

_TABLE_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

# The rows that the process has replaced, and its own rows that were replaced, as rows of the table. The
# identifier and the place tell in which order they were kept.
_OF_PROCESS = "(v.replaced_by = '{process_id}' OR v.process_id = '{process_id}') AND v.tenant = {tenant}"
_UNPACKED = """
CREATE TEMPORARY TABLE ingestor_kept ON COMMIT DROP AS
SELECT v.id AS _ingestor_id, 0::bigint AS _ingestor_place, v.process_id AS _ingestor_process,
       v.replaced_by AS _ingestor_by, (v.row->>'{row}')::bigint AS _ingestor_row, {r_columns}
FROM processor.replaced_rows v CROSS JOIN LATERAL json_populate_record(NULL::{target}, v.row) r
WHERE {of_process} AND v.packed IS NULL
"""
_NAMES = "SELECT DISTINCT v.names FROM processor.replaced_rows v WHERE {of_process} AND v.packed IS NOT NULL"
_RECORD = (
    "CREATE TEMPORARY TABLE ingestor_record ON COMMIT DROP AS SELECT {fields} FROM {target} t WITH NO DATA"
)
# OFFSET 0 keeps each text from being parsed for every column.
_UNPACK = """
INSERT INTO ingestor_kept SELECT id, place, process_id, replaced_by, (r).{row}, {values} FROM (
    SELECT v.id, p.place, v.process_id, v.replaced_by, p.text::pg_temp.ingestor_record AS r
    FROM processor.replaced_rows v CROSS JOIN LATERAL unnest(v.packed) WITH ORDINALITY AS p (text, place)
    WHERE {of_process} AND v.packed IS NOT NULL AND v.names = $1 OFFSET 0) kept
"""


async def columns_of_records(connection: PgConnection, target: str) -> list[str]:
    """The columns of the records of rows of the table (an SQL name): its own, and at the end the row number,
    which it may not have."""
    return [*(name for name in await _columns(connection, target) if name != ROW_COLUMN), ROW_COLUMN]


async def _columns(connection: PgConnection, target: str) -> list[str]:
    return [row[0] for row in await connection.fetch(_TABLE_COLUMNS, target)]


def keep(rows: str, tenant: str, names: Sequence[str], *, order: str = "") -> str:
    """The statement that keeps `rows` (in SQL). Their columns are process_id, replaced_by, a number that no
    other one has, and record: the text of a record with the columns `names`. Within a pack they are in the
    `order` of a column. Comes after NOTATION."""
    return _KEEP.format(
        tenant=literal(tenant),
        names=f"ARRAY[{', '.join(map(literal, names))}]::text[]",
        rows=rows,
        order=f" ORDER BY {order}" if order else "",
    )


def record(values: Sequence[str]) -> str:
    """The text of a record of these values, in SQL."""
    return f"ROW({', '.join(values)})::text"


async def unpack(connection: PgConnection, target: str, process_id: str, tenant: str) -> None:
    """Make the temporary table ingestor_kept of all rows that are kept because of the process (a UUID), with
    the columns that the table (an SQL name) has now."""
    await connection.execute(NOTATION)
    columns = await _columns(connection, target)
    parts = {
        "target": target,
        "row": ROW_COLUMN,
        "r_columns": listed(columns, "r."),
        "of_process": _OF_PROCESS.format(process_id=process_id, tenant=literal(tenant)),
    }
    await connection.execute(_UNPACKED.format(**parts))
    for (names,) in await connection.fetch(_NAMES.format(**parts)):
        fields = ", ".join(_field(name, columns) for name in names)
        await connection.execute(_RECORD.format(**parts, fields=fields))
        values = ", ".join(f"(r).{quoted(name)}" if name in names else "NULL" for name in columns)
        await connection.execute(_UNPACK.format(**parts, values=values), names)
        await connection.execute("DROP TABLE ingestor_record")


def _field(name: str, columns: Sequence[str]) -> str:
    """A column of kept records; the table may have lost it since."""
    if name in columns:
        return f"t.{quoted(name)}"
    kind = {ROW_COLUMN: "bigint", PROCESS_COLUMN: "uuid"}.get(name, "text")
    return f"NULL::{kind} AS {quoted(name)}"
