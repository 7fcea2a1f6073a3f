"""Small files whose right answer is known."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache

from ingestor.pipelines.document import Pipeline, parse_pipeline

VARIANTS = 32  # files of a kind, so that what is computed for one is computed once
KINDS = ("rows", "plain", "keyed")
_COLUMNS = "id,amount\n"


@dataclass(frozen=True)
class SmallFile:
    """A file, the pipeline that loads it ("" for none), and for each of its rows the code of the error with
    which it must fail ("" if it must be loaded)."""

    pipeline: str
    data: bytes
    codes: tuple[str, ...]


@cache
def small_file(kind: str, variant: int) -> SmallFile:
    """One of the files of a kind."""
    chance = random.Random(f"{kind} {variant}")
    rows = [
        (chance.randint(1, 6) if kind == "keyed" else number, "x" if chance.random() < 0.2 else str(number))
        for number in range(1, chance.randint(3, 14))
    ]
    data = (_COLUMNS + "".join(f"{key},{amount}\n" for key, amount in rows)).encode()
    if kind == "rows":
        return SmallFile("", data, ("",) * len(rows))
    codes, taken = [], set()
    for key, amount in rows:
        if amount == "x":
            codes.append("type-error")
        elif kind == "keyed" and key in taken:
            codes.append("primary-key")
        else:
            taken.add(key)
            codes.append("")
    return SmallFile(kind, data, tuple(codes))


@cache
def document(name: str) -> str:
    """The document of a pipeline."""
    fields = [{"name": "id", "type": "integer"}, {"name": "amount", "type": "integer"}]
    schema: dict[str, object] = {"fields": fields}
    if name == "keyed":
        schema["primaryKey"] = ["id"]
    return json.dumps({"name": name, "schema": schema, "sink": {"table": name}})


@cache
def pipeline(name: str) -> Pipeline:
    """A pipeline."""
    return parse_pipeline(document(name))
