"""Pipeline documents that ask for more than their share: of time, of memory, of the stack. Each has at most a
few megabytes; all are to be refused, soon and with at most 100 problems."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_FIELD = {"name": "a", "type": "string"}


def document(**keys: Any) -> str:
    """A document that is right but for these keys."""
    return json.dumps({"name": "p", "schema": {"fields": [_FIELD]}, "sink": {"table": "t"}, **keys})


def computing(sql: str) -> str:
    """A document with one expression."""
    return document(transforms=[{"op": "expression", "into": "a", "sql": sql}])


def constrained(**constraints: Any) -> str:
    """A document with one field of JSON."""
    return document(schema={"fields": [{"name": "a", "type": "array", "constraints": constraints}]})


def _unknown_keys() -> str:
    return document(**{f"k{n}": 0 for n in range(250_000)})


def _unknown_keys_of_steps() -> str:
    return document(transforms=[{"op": "trim", "column": "a"} | {f"k{n}": 0 for n in range(90)}] * 500)


def _wrong_items() -> str:
    return document(filters=[{"op": "in", "column": "a", "reason": "r", "values": [0] * 4000}] * 40)


def _many_fields() -> str:
    return document(schema={"fields": [{"name": f"f{n}", "type": "string"} for n in range(40_000)]})


def _same_fields() -> str:
    return document(schema={"fields": [_FIELD] * 40_000})


def _long_keys() -> str:
    names = [f"f{n}" for n in range(50_000)]
    return document(schema={"fields": [_FIELD], "primaryKey": names, "uniqueKeys": [names]})


def _categories() -> str:
    field = {"name": "a", "type": "string", "categories": [f"v{n}" for n in range(150_000)]}
    return document(schema={"fields": [field]})


def _numbers() -> str:
    return '{"name": ' + "9" * 1_000_000 + "}"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "a chain of 440 texts": lambda: computing("||".join(["a"] * 440)),
    "a chain of 800 numbers": lambda: computing("CAST(a AS INT)" + "+1" * 800),
    "deep parentheses": lambda: computing("(" * 1500 + "a" + ")" * 1500),
    "a long expression": lambda: computing("a" * 1_000_000),
    "unknown keys": _unknown_keys,
    "unknown keys of steps": _unknown_keys_of_steps,
    "wrong items": _wrong_items,
    "many fields": _many_fields,
    "the same field again": _same_fields,
    "long keys": _long_keys,
    "many categories": _categories,
    "a long number": _numbers,
    "deep JSON": lambda: "[" * 1_000_000,
    "many values": lambda: document(**{"x-own": [0] * 1_000_000}),
    "many mappings": lambda: document(mapping={f"k{n}": "a" for n in range(90_000)}),
}
"""By what is wrong with them, what makes them: refused when they are parsed."""
