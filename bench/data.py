"""The benchmark's table: ten columns of the usual kinds, made the same on every run."""

from __future__ import annotations

import json
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


def write_pipeline(path: Path, table: str) -> None:
    """Write the document of `pipeline`."""
    path.write_text(json.dumps(pipeline(table), ensure_ascii=False), "utf-8")


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
