"""Constraints of fields whose cells are JSON: how many items, which values, and JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ingestor.checking.arrow import Mask, pc
from ingestor.checking.json_schemas import schema_check
from ingestor.checking.text_column import TextColumn
from ingestor.pipelines.document import Field
from ingestor.types.json_cells import comparable

# What is wrong with a value, None for nothing.
Verdict = Callable[[Any], str | None]


def broken_json(
    field: Field, text: TextColumn, bad: Mask | None, enum_message: str
) -> Iterator[tuple[str, Mask, Callable[[str], str]]]:
    """Each constraint that good values break, with its rows and what says why, by the value's text. Each
    distinct text is read once, and only where a constraint asks for it."""
    rules = dict(_rules(field, enum_message))
    if not rules:
        return
    good = text.present(np.ones(len(text), np.bool_) if bad is None else ~bad)
    rows = np.flatnonzero(good)
    encoded = text.array.take(rows).dictionary_encode()
    distinct = [str(value) for value in encoded.dictionary.to_pylist()]
    reasons: dict[str, dict[str, str]] = {name: {} for name in rules}
    for value in distinct:
        read = field.json_value(value)
        for name, rule in rules.items():
            if (reason := rule(read)) is not None:
                reasons[name][value] = reason
    places = encoded.indices.to_numpy()
    for name, found in reasons.items():
        if found:
            broken = np.zeros(len(text), np.bool_)
            broken[rows] = np.array([value in found for value in distinct], np.bool_)[places]
            yield name, broken, found.__getitem__


def _rules(field: Field, enum_message: str) -> Iterator[tuple[str, Verdict]]:
    constraints = field.constraints
    shortest, longest, schema = constraints.min_length, constraints.max_length, constraints.json_schema
    if field.enum is not None:
        allowed = frozenset(field.enum)
        yield "enum", lambda value: None if comparable(value) in allowed else enum_message
    if field.type == "list":
        shortest = longest = None  # see list_lengths
    if shortest is not None:
        least = shortest
        message = f"has fewer items than the minLength {least}"
        yield "minLength", lambda value: message if len(value) < least else None
    if longest is not None:
        most = longest
        too_long = f"has more items than the maxLength {most}"
        yield "maxLength", lambda value: too_long if len(value) > most else None
    if schema is not None:
        yield "jsonSchema", schema_check(schema)


def list_lengths(field: Field, text: TextColumn, bad: Mask | None) -> Iterator[tuple[str, Mask, str]]:
    """minLength and maxLength of a list, without looking at its items: as many as delimiters and one."""
    shortest, longest = field.constraints.min_length, field.constraints.max_length
    if shortest is None and longest is None:
        return
    counts = pc.fill_null(pc.count_substring(text.array, pattern=field.delimiter), 0).to_numpy() + 1
    good = text.present(np.ones(len(text), np.bool_) if bad is None else ~bad)
    if shortest is not None:
        yield "minLength", good & (counts < shortest), f"has fewer items than the minLength {shortest}"
    if longest is not None:
        yield "maxLength", good & (counts > longest), f"has more items than the maxLength {longest}"
