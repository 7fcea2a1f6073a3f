"""Files and pipelines that the end-to-end tests ingest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def readings_pipeline(table: str, mode: str = "append") -> dict[str, Any]:
    """id (primary key), name, and an amount that is a number."""
    return {
        "name": table.replace("_", "-"),
        "schema": {
            "fields": [
                {"name": "id", "type": "integer", "constraints": {"required": True}},
                {"name": "name", "type": "string"},
                {"name": "amount", "type": "number"},
            ],
            "primaryKey": "id",
        },
        "sink": {"table": table, "mode": mode},
    }


def write_pipeline(folder: Path, table: str, mode: str = "append") -> Path:
    """Write `readings_pipeline` and return where."""
    path = folder / f"{table}.pipeline.json"
    path.write_text(json.dumps(readings_pipeline(table, mode)), "utf-8")
    return path


def write_readings(path: Path, rows: int, *, bad_every: int = 0) -> Path:
    """Write `rows` records, about 60 bytes each; every `bad_every`-th has an amount that is no number."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,name,amount\n")
        for number in range(1, rows + 1):
            bad = bad_every and number % bad_every == 0
            filler = f"{number * 2654435761 % 2**32:08x}{number * 40503 % 2**16:04x}"
            file.write(f'{number},"reading {filler}, of a place",{"n/a" if bad else f"{number}.25"}\n')
    return path
