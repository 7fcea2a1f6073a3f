"""Makes the benchmark's table: ten columns of common types, the same on every run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

SEED = 20
_SLICE_ROWS = 250_000
_CITIES = ["Berlin", "São Paulo", "東京", "New York", "Kraków", "Lagos", "Nairobi", "Oslo", "Lyon", "Quito"]
_STATES = ["active", "inactive", "pending", "closed"]

COLUMNS_SQL = (
    "id bigint, name text, email text, city text, amount numeric, rate numeric, "
    "born date, seen timestamptz, active boolean, visits bigint"
)


def pipeline(table: str) -> dict[str, Any]:
    """The pipeline that loads the file into `table`, with some constraints to check."""
    return {
        "name": table.replace("_", "-"),
        "schema": {
            "fields": [
                {"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 1}},
                {"name": "name", "type": "string", "constraints": {"required": True, "maxLength": 100}},
                {"name": "email", "type": "string", "constraints": {"pattern": "[^@ ]+@[^@ ]+"}},
                {"name": "city", "type": "string", "constraints": {"enum": _CITIES}},
                {"name": "amount", "type": "number", "constraints": {"minimum": -100000}},
                {"name": "rate", "type": "number"},
                {"name": "born", "type": "date"},
                {"name": "seen", "type": "datetime"},
                {"name": "active", "type": "boolean"},
                {"name": "visits", "type": "integer"},
            ],
            "primaryKey": "id",
        },
        "sink": {"table": table, "mode": "append"},
    }


def write_pipeline(path: Path, table: str, mode: str = "append") -> None:
    """Write the document of `pipeline`."""
    document = pipeline(table)
    document["sink"]["mode"] = mode
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def _text(values: Any) -> Any:
    return pc.cast(pa.array(values), pa.string())


def _slice(rng: np.random.Generator, first: int, count: int) -> pa.Table:
    ids = np.arange(first, first + count)
    text = _text(ids)
    join = pc.binary_join_element_wise
    cents = rng.integers(-9_000_000, 9_000_000, count)
    rates = rng.integers(0, 1_000_000, count)
    born = pa.array(rng.integers(-10_000, 18_000, count).astype("int32")).cast(pa.date32())
    seen = pa.array(rng.integers(1_500_000_000, 1_790_000_000, count)).cast(pa.timestamp("s", "UTC"))
    columns: dict[str, Any] = {
        "id": ids,
        "name": join("Customer ", text, ", Ltd", ""),
        "email": join("user", text, "@example.com", ""),
        "city": np.asarray(_CITIES)[rng.integers(0, len(_CITIES), count)],
        "amount": pc.divide(pa.array(cents).cast(pa.float64()), 100.0),
        "rate": pc.divide(pa.array(rates).cast(pa.float64()), 1_000_000.0),
        "born": born,
        "seen": seen,
        "active": rng.integers(0, 2, count) == 1,
        "visits": rng.integers(0, 10_000, count),
    }
    return pa.table(columns)


def write_csv(path: Path, rows: int) -> None:
    """Write the file: a header and `rows` records, strings quoted, about 115 bytes each."""
    rng = np.random.default_rng(SEED)
    with path.open("wb") as file:
        for first in range(1, rows + 1, _SLICE_ROWS):
            table = _slice(rng, first, min(_SLICE_ROWS, rows + 1 - first))
            options = csv.WriteOptions(include_header=first == 1, quoting_style="needed")
            csv.write_csv(table, file, options)


def made(path: Path, rows: int, write: Callable[[Path, int], object] = write_csv) -> Path:
    """The file, which is written unless it is there."""
    if not path.exists():
        part = path.with_suffix(".part")
        write(part, rows)
        part.rename(path)
    return path


def _texts(rows: int) -> Iterator[list[str | None]]:
    """The file's records as text, the header first."""
    rng = np.random.default_rng(SEED)
    for first in range(1, rows + 1, _SLICE_ROWS):
        table = _slice(rng, first, min(_SLICE_ROWS, rows + 1 - first))
        if first == 1:
            yield list(table.column_names)
        seen = pc.strftime(table["seen"], "%Y-%m-%dT%H:%M:%SZ")
        table = table.set_column(table.column_names.index("seen"), "seen", seen)
        columns = [pc.cast(column, pa.string()).to_pylist() for column in table.columns]
        yield from map(list, zip(*columns, strict=True))


def write_jsonl(path: Path, rows: int) -> None:
    """Write the same table as JSON Lines; every value is a string."""
    records = _texts(rows)
    names = next(records)
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(dict(zip(names, record, strict=True)), ensure_ascii=False) + "\n")


def write_xlsx(path: Path, rows: int) -> None:
    """Write the same table as a workbook whose cells are inline strings."""
    spaces = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook {spaces} xmlns:r="{office}"><sheets><sheet name="t" sheetId="1" r:id="a"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships><Relationship Id="a" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f"<worksheet {spaces}><sheetData>".encode())
            for record in _texts(rows):
                cells = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in record)
                sheet.write(f"<row>{cells}</row>".encode())
            sheet.write(b"</sheetData></worksheet>")
