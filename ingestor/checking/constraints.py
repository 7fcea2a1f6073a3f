"""Constraints of a field on a whole column.

Bounds and enums compare values, not texts: "1.0" equals 1. How values compare is up to their type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ingestor.checking.json_schemas import schema_check
from ingestor.columns.arrow import Int32s, Mask, full_match, mask_if_any, pc
from ingestor.columns.text_column import TextColumn
from ingestor.outcomes import quoted, shortened
from ingestor.pipelines.field import Field
from ingestor.types.json import JsonType
from ingestor.types.notation.json_text import canonical_json, comparable
from ingestor.types.type import Bound, Converted, Value

# Most values of an enum that a message names.
_NAMED_VALUES = 5
_JsonCheck = Callable[[Any, int], "str | None"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A constraint and the rows that break it (bool[n], at least one true). `message` is a sentence
    without its subject, the quoted value; or a function that makes it from the value's text."""

    constraint: str
    rows: Mask
    message: str | Callable[[str], str]


def broken_constraints(field: Field, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    """Every constraint that a value breaks. Missing values break only `required`, type errors none."""
    constraints = field.constraints
    if constraints.required and text.valid is not None:
        yield Broken("required", ~text.valid, "a value is required")
    if isinstance(field.kind, JsonType):
        yield from _json(field, field.kind, text, converted)
        return
    if field.enum is not None:
        outside = field.kind.outside(text, converted, field.enum, constraints.enum or [])
        yield from _found("enum", outside, _not_in_enum(field))
    if field.category_values is not None:
        spellings = [category.value for category in field.categories or ()]
        outside = field.kind.outside(text, converted, field.category_values, spellings)
        yield from _found("categories", outside, f"is not among the categories {_listed(spellings)}")
    if constraints.pattern is not None:
        matches = pc.match_substring_regex(text.array, pattern=full_match(constraints.pattern))
        message = f"does not match the pattern {quoted(constraints.pattern)}"
        yield from _found("pattern", mask_if_any(pc.invert(matches)), message)
    if (constraints.min_length is not None or constraints.max_length is not None) and len(text):
        lengths = field.kind.lengths(text)
        yield from _lengths(field, lengths, text.present, "is shorter than", "is longer than")
    yield from _bounds(field, text, converted)


def _found(constraint: str, rows: Mask | None, message: str) -> Iterator[Broken]:
    if rows is not None and rows.any():
        yield Broken(constraint, rows, message)


def _lengths(
    field: Field, lengths: Int32s, among: Callable[[Mask], Mask], shorter: str, longer: str
) -> Iterator[Broken]:
    """minLength and maxLength; `among` drops the rows that they do not concern."""
    least, most = field.constraints.min_length, field.constraints.max_length
    if least is not None:
        yield from _found("minLength", among(lengths < least), f"{shorter} the minLength {least}")
    if most is not None:
        yield from _found("maxLength", among(lengths > most), f"{longer} the maxLength {most}")


def _bounds(field: Field, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    raw = field.constraints
    bounds: tuple[tuple[Bound, Value | None, Any], ...] = (
        ("minimum", field.minimum, raw.minimum),
        ("maximum", field.maximum, raw.maximum),
        ("exclusiveMinimum", field.exclusive_minimum, raw.exclusive_minimum),
        ("exclusiveMaximum", field.exclusive_maximum, raw.exclusive_maximum),
    )
    for name, limit, spelling in bounds:
        if limit is not None:
            rows = field.kind.beyond(name, limit, text, converted)
            yield from _found(name, rows, f"{field.kind.bound_messages[name]} {_shown(spelling)}")


def _json(field: Field, kind: JsonType, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    """Reads each distinct text once, and only if a constraint needs its value."""
    good = text.present(converted.good(np.ones(len(text), np.bool_)))
    if checks := dict(_json_checks(field, kind)):
        yield from _checked(checks, kind, text, np.flatnonzero(good))
    sized = field.constraints.min_length is not None or field.constraints.max_length is not None
    if sized and (counts := kind.item_counts(text)) is not None:
        yield from _lengths(
            field, counts, lambda rows: good & rows, "has fewer items than", "has more items than"
        )


def _json_checks(field: Field, kind: JsonType) -> Iterator[tuple[str, _JsonCheck]]:
    """Each constraint with what says of a JSON value, and of how many bytes its text has, how it breaks the
    constraint, None if it does not."""
    constraints = field.constraints
    if field.enum is not None:
        allowed, not_in_enum = frozenset(field.enum), _not_in_enum(field)
        yield "enum", lambda value, _: None if comparable(value) in allowed else not_in_enum
    if not kind.counts_items:
        if (least := constraints.min_length) is not None:
            few = f"has fewer items than the minLength {least}"
            yield "minLength", lambda value, _: few if len(value) < least else None
        if (most := constraints.max_length) is not None:
            many = f"has more items than the maxLength {most}"
            yield "maxLength", lambda value, _: many if len(value) > most else None
    if constraints.json_schema is not None:
        yield "jsonSchema", schema_check(constraints.json_schema)


def _checked(checks: dict[str, _JsonCheck], kind: JsonType, text: TextColumn, rows: Any) -> Iterator[Broken]:
    encoded = text.array.take(rows).dictionary_encode()
    distinct = [str(value) for value in encoded.dictionary.to_pylist()]
    reasons: dict[str, dict[str, str]] = {name: {} for name in checks}
    for value in distinct:
        read, size = kind.json_value(value), len(value.encode())
        for name, check in checks.items():
            if (reason := check(read, size)) is not None:
                reasons[name][value] = reason
    places = encoded.indices.to_numpy()
    for name, found in reasons.items():
        if found:
            broken = np.zeros(len(text), np.bool_)
            broken[rows] = np.array([value in found for value in distinct], np.bool_)[places]
            yield Broken(name, broken, found.__getitem__)


def _not_in_enum(field: Field) -> str:
    return f"is not in the enum {_listed(field.constraints.enum or [])}"


def _shown(raw: Any) -> str:
    return quoted(raw) if isinstance(raw, str) else shortened(canonical_json(raw))


def _listed(spellings: list[Any]) -> str:
    values = [_shown(value) for value in spellings]
    more = f" and {len(values) - _NAMED_VALUES} more" if len(values) > _NAMED_VALUES else ""
    return f"{', '.join(values[:_NAMED_VALUES])}{more}"
