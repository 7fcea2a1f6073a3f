"""Constraints of a field on a whole column.

Bounds and enums compare values, not texts: "1.0" equals 1. Numbers are compared exactly: rounding to
float64 keeps the order, so that only values whose float64 equals the bound's are compared as decimals,
each distinct text once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import AnyArray, Mask, pc, to_mask
from ingestor.checking.conversion import Converted
from ingestor.checking.duration_order import duration_breaks
from ingestor.checking.json_constraints import broken_json, list_lengths
from ingestor.checking.text_column import TextColumn
from ingestor.outcomes import quoted, shortened
from ingestor.pipelines.document import Field, Pipeline
from ingestor.pipelines.errors import Violation, pointer
from ingestor.types.json_text import canonical_json
from ingestor.types.values import Value

# Most values of an enum that a message names.
_NAMED_VALUES = 5


@dataclass(frozen=True, slots=True)
class Broken:
    """A constraint and the rows that break it (bool[n], at least one true). `message` is a sentence
    without its subject, the quoted value, or gives it for the value's text."""

    constraint: str
    rows: Mask
    message: str | Callable[[str], str]


def broken_constraints(field: Field, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    """Every constraint that a value breaks. Missing values break `required` only, type errors none."""
    constraints = field.constraints
    if constraints.required and text.valid is not None:
        yield Broken("required", ~text.valid, "a value is required")
    if field.is_json:
        yield from _json(field, text, converted)
        return
    if field.enum is not None:
        outside = _outside(field.enum, constraints.enum or [], field, text, converted)
        yield from _found("enum", outside, f"is not in the enum {_listed(constraints.enum or [])}")
    if field.category_values is not None:
        spellings = [category.value for category in field.categories or ()]
        outside = _outside(field.category_values, spellings, field, text, converted)
        yield from _found("categories", outside, f"is not among the categories {_listed(spellings)}")
    if constraints.pattern is not None:
        matches = pc.match_substring_regex(text.array, pattern=full_match(constraints.pattern))
        message = f"does not match the pattern {quoted(constraints.pattern)}"
        yield from _found("pattern", _mask(pc.invert(matches)), message)
    yield from _lengths(field, text)
    yield from _bounds(field, text, converted)


def _json(field: Field, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    listed = f"is not in the enum {_listed(field.constraints.enum or [])}"
    for constraint, rows, message in broken_json(field, text, converted.bad, listed):
        yield Broken(constraint, rows, message)
    if field.type == "list":
        for constraint, rows, sentence in list_lengths(field, text, converted.bad):
            yield from _found(constraint, rows, sentence)


def full_match(pattern: str) -> str:
    """The RE2 expression that matches a whole text where `pattern` does."""
    return rf"\A(?:{pattern})\z"


def check_patterns(pipeline: Pipeline) -> list[Violation]:
    """The patterns of a pipeline that RE2 cannot run; part of checking a document before it is stored."""
    violations = []
    for index, field in enumerate(pipeline.fields):
        pattern = field.constraints.pattern
        # Alone first: "a)(b" is wrong, yet would fit into the parentheses of full_match.
        for expression in () if pattern is None else (pattern, full_match(pattern)):
            try:
                pc.match_substring_regex(pa.array([""]), pattern=expression)
            except pa.ArrowInvalid as error:
                reason = str(error).removeprefix("Invalid regular expression: ")
                at = pointer(("schema", "fields", index, "constraints", "pattern"))
                violations.append(Violation(at, f"is not a regular expression of RE2: {reason}"))
                break
    return violations


def _mask(values: AnyArray) -> Mask | None:
    """True where true; None when nowhere."""
    if not pc.any(values).as_py():
        return None
    return to_mask(values, null=False)


def _found(constraint: str, rows: Mask | None, message: str) -> Iterator[Broken]:
    if rows is not None and rows.any():
        yield Broken(constraint, rows, message)


def _outside(
    allowed_values: Sequence[Value],
    spellings: list[Any],
    field: Field,
    text: TextColumn,
    converted: Converted,
) -> Mask | None:
    """Which values are none of these, which the document spells so."""
    values = converted.comparable
    if field.type == "number":
        # The document's spellings are those of the file, the column's no more when it had marks of its own.
        own = field.marks is not None or field.bare_pattern is not None
        return _numbers_outside(text, converted, frozenset(allowed_values), [] if own else spellings)
    allowed = pa.array(list(allowed_values), values.type)
    inside = pc.is_in(values, value_set=allowed)
    if pc.all(inside).as_py():
        return None
    outside = ~to_mask(inside, null=False)
    if converted.bad is not None:
        outside &= ~converted.bad
    return text.present(outside)


def _numbers_outside(
    text: TextColumn, converted: Converted, allowed: Set[Value], spellings: list[Any]
) -> Mask | None:
    known = pa.array([str(spelling) for spelling in spellings], pa.string())
    candidates = ~to_mask(pc.is_in(text.array, value_set=known), null=False)
    if converted.bad is not None:
        candidates &= ~converted.bad
    return _decimals(text, text.present(candidates), lambda number: number not in allowed)


def _decimals(text: TextColumn, candidates: Mask, breaks: Callable[[Decimal], bool]) -> Mask | None:
    """Which of the candidates break a rule of exact decimals; each distinct text is asked about once."""
    if not candidates.any():
        return None
    rows = np.flatnonzero(candidates)
    encoded = text.array.take(rows).dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    verdicts = np.array([breaks(Decimal(str(value))) for value in distinct], np.bool_)
    result = np.zeros(len(text), np.bool_)
    result[rows] = verdicts[encoded.indices.to_numpy()]
    return result


def _lengths(field: Field, text: TextColumn) -> Iterator[Broken]:
    """minLength and maxLength, in characters (Unicode code points)."""
    shortest, longest = field.constraints.min_length, field.constraints.max_length
    if (shortest is None and longest is None) or not len(text):
        return
    in_bytes = text.lengths
    one_byte_each = not text.data.size or int(text.data.max()) < 0x80
    if one_byte_each:
        characters = in_bytes
    else:
        characters = pc.fill_null(pc.utf8_length(text.array), 0).to_numpy(zero_copy_only=False)
    if shortest is not None:
        yield from _found(
            "minLength", text.present(characters < shortest), f"is shorter than the minLength {shortest}"
        )
    if longest is not None:
        yield from _found(
            "maxLength", text.present(characters > longest), f"is longer than the maxLength {longest}"
        )


def _bounds(field: Field, text: TextColumn, converted: Converted) -> Iterator[Broken]:
    raw = field.constraints
    below, above = pc.less, pc.greater
    yield from _bound("minimum", field, text, converted, field.minimum, raw.minimum, below)
    yield from _bound("maximum", field, text, converted, field.maximum, raw.maximum, above)
    low, high = field.exclusive_minimum, field.exclusive_maximum
    below, above = pc.less_equal, pc.greater_equal
    yield from _bound("exclusiveMinimum", field, text, converted, low, raw.exclusive_minimum, below)
    yield from _bound("exclusiveMaximum", field, text, converted, high, raw.exclusive_maximum, above)


_EXACTLY: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "minimum": operator.lt,
    "maximum": operator.gt,
    "exclusiveMinimum": operator.le,
    "exclusiveMaximum": operator.ge,
}
_BROKEN = {
    "minimum": "is less than the minimum",
    "maximum": "is more than the maximum",
    "exclusiveMinimum": "is not more than the exclusiveMinimum",
    "exclusiveMaximum": "is not less than the exclusiveMaximum",
}


# Of durations, for P30D is neither less nor more than P1M, nor the same.
_NOT_SURELY = {
    "minimum": "is not at least the minimum",
    "maximum": "is not at most the maximum",
    "exclusiveMinimum": "is not more than the exclusiveMinimum",
    "exclusiveMaximum": "is not less than the exclusiveMaximum",
}


def _bound(
    name: str,
    field: Field,
    text: TextColumn,
    converted: Converted,
    bound: Value | None,
    raw: Any,
    breaks: Any,
) -> Iterator[Broken]:
    if bound is None:
        return
    values = converted.comparable
    if field.type == "duration":
        broken = duration_breaks(text.array, str(bound), name)
        good = text.present(broken if converted.bad is None else broken & ~converted.bad)
        yield from _found(name, good, f"{_NOT_SURELY[name]} {_shown(raw)}")
        return
    if field.type == "number":
        assert isinstance(bound, Decimal)
        exactly = _EXACTLY[name]
        # Values whose float64 equals the bound's are looked at exactly, so `clearly` leaves them out.
        clearly = pc.less if name in ("minimum", "exclusiveMinimum") else pc.greater
        rows = _number_breaks(text, values, bound, clearly, lambda number: exactly(number, bound))
    else:
        rows = _mask(breaks(values, pa.scalar(bound, values.type)))
    yield from _found(name, rows, f"{_BROKEN[name]} {_shown(raw)}")


def _number_breaks(
    text: TextColumn,
    values: AnyArray,
    bound: Decimal,
    clearly: Callable[..., AnyArray],
    exactly: Callable[[Decimal], bool],
) -> Mask | None:
    rounded = pa.scalar(float(bound), pa.float64())
    clear = _mask(clearly(values, rounded))
    equal = _mask(pc.equal(values, rounded))
    near = None if equal is None else _decimals(text, equal, exactly)
    if clear is None or near is None:
        return near if clear is None else clear
    return clear | near


def _shown(raw: Any) -> str:
    return quoted(raw) if isinstance(raw, str) else shortened(canonical_json(raw))


def _listed(spellings: list[Any]) -> str:
    values = [_shown(value) for value in spellings]
    more = f" and {len(values) - _NAMED_VALUES} more" if len(values) > _NAMED_VALUES else ""
    return f"{', '.join(values[:_NAMED_VALUES])}{more}"
