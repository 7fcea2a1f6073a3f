"""Which values a column's type takes: looked for in a whole column at once, then in each suspect text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import AnyArray, Mask, fully, pc, to_mask
from ingestor.services.processor.adapters.postgres.columns.conversions import is_text
from ingestor.services.processor.adapters.postgres.columns.facts import Column
from ingestor.services.processor.adapters.postgres.columns.notation import array_literal, as_text, hexadecimal
from ingestor.types.type import ValueFormatError

# The range of a whole number by its type, and the digits that surely fit.
_WHOLE = {"int2": (2**15, 4), "int4": (2**31, 9), "int8": (2**63, 18)}
# Whole numbers up to this one are exact.
_EXACT: dict[str, tuple[int, Any]] = {"float4": (2**24, np.float32), "float8": (2**53, np.float64)}
_DAY = 86_400_000_000
# As many digits as a number of PostgreSQL has.
_ALL_DIGITS = Context(prec=200_000, Emax=999_999, Emin=-999_999)
_STANDARD_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a column does not take a value: a sentence without its subject, the quoted value."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Check:
    """`suspects` finds the values that need a look (bool[n], None for none); `resolve` says of the text of
    one of them what the column takes in its place, often itself, or what is wrong."""

    suspects: Callable[[AnyArray], Mask | None]
    resolve: Callable[[str], str | Fault]


def check_of(kind: str, column: Column, *, rounding: bool) -> Check | None:
    """What to check of the values of a field that go into a column; None if every value fits, or if only the
    database can tell (see `only_database_knows`). `kind` is the type of the field's column in a table of the
    suite, or base64 for bytes in a column of bytes; with `rounding` numbers and times may lose digits."""
    if kind == "base64":
        return Check(_all, hexadecimal)
    if is_text(column):
        return None if column.length is None else _length(column)
    if column.is_array:
        return Check(_all, _array) if kind == "jsonb" else None
    if kind == "text":
        return None
    if column.type in _WHOLE:
        limit, digits = _WHOLE[column.type]
        if kind == "numeric":
            return _whole(column, limit, digits, rounding)
        return None if column.type == "int8" else _range(column, limit)
    if column.digits:
        return _digits(column, *column.digits, rounding)
    if column.type in _EXACT:
        if kind == "numeric":
            return _float(column)
        return None if rounding else _exact(column)
    if kind == "timestamptz":
        if column.type == "date":
            return None if rounding else _multiples(_DAY, f"would lose its time of day: {_is(column)}")
        kept = column.second_digits
        return None if rounding or kept == 6 else _multiples(10 ** (6 - kept), _rounded(column))
    if kind == "time" and column.type in ("time", "timetz"):
        kept = column.second_digits
        return None if rounding or kept == 6 else _second_digits(column, kept)
    return None


def only_database_knows(kind: str, column: Column) -> bool:
    """Whether values of a field, even those that pass the check, must be shown to the database."""
    if column.has_checks or column.is_array or column.type == "money":
        return True
    if kind == "text":
        return not is_text(column)
    return column.type == "interval" and column.limit >= 0


def surely_fine(kind: str, column: Column, texts: AnyArray) -> Mask | None:
    """Which texts need not be shown to the database; None for none."""
    if kind != "text" or column.has_checks or column.is_array:
        return None
    if column.type == "uuid":
        return fully(texts, _STANDARD_UUID)
    if column.labels:
        return to_mask(pc.is_in(texts, value_set=pa.array(column.labels, pa.string())), null=False)
    return None


def _is(column: Column) -> str:
    return f"the column is {column.shown}"


def _rounded(column: Column) -> str:
    return f"would be rounded: {_is(column)}"


def _out_of_range(column: Column) -> Fault:
    return Fault("constraint-error", f"is out of range: {_is(column)}")


def _all(values: AnyArray) -> Mask | None:
    return to_mask(values.is_valid(), null=False)


def _array(text: str) -> str | Fault:
    try:
        return array_literal(text)
    except ValueFormatError as error:
        return Fault("type-error", str(error))


def _length(column: Column) -> Check:
    most = column.length
    padded = column.type == "bpchar"  # whose blanks at the end mean nothing

    def suspects(values: AnyArray) -> Mask | None:
        texts = as_text(values)
        longest = pc.max(pc.binary_length(texts)).as_py()
        if longest is None or longest <= most:
            return None
        if padded:
            texts = pc.ascii_rtrim(texts, characters=" ")
        return to_mask(pc.greater(pc.utf8_length(texts), most), null=False)

    fault = Fault("constraint-error", f"is too long: {_is(column)}")
    return Check(suspects, lambda _: fault)


def _range(column: Column, limit: int) -> Check:
    fault = _out_of_range(column)
    return Check(
        lambda values: to_mask(pc.or_(pc.less(values, -limit), pc.greater_equal(values, limit)), null=False),
        lambda _: fault,
    )


def _whole(column: Column, limit: int, digits: int, rounding: bool) -> Check:
    """Decimal numbers into whole ones: 7.0 is 7."""

    def resolve(text: str) -> str | Fault:
        value = Decimal(text)
        if value and value.adjusted() > 20:
            return _out_of_range(column)
        whole = value.quantize(Decimal(1), ROUND_HALF_UP, _ALL_DIGITS)
        if whole != value and not rounding:
            return Fault("constraint-error", _rounded(column))
        return str(int(whole)) if -limit <= whole < limit else _out_of_range(column)

    return Check(lambda values: ~fully(values, rf"-?[0-9]{{1,{digits}}}"), resolve)


def _digits(column: Column, precision: int, scale: int, rounding: bool) -> Check:
    before = precision - scale
    plain = rf"[+-]?0*[0-9]{{0,{before}}}(?:\.[0-9]{{0,{scale}}}0*)?" if 0 <= scale <= precision else r"0"

    def resolve(text: str) -> str | Fault:
        value = Decimal(text)
        rounded = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _ALL_DIGITS)
        if rounded != value and not rounding:
            return Fault("constraint-error", _rounded(column))
        return _out_of_range(column) if rounded and rounded.adjusted() >= before else text

    return Check(lambda values: ~fully(as_text(values), plain), resolve)


def _float(column: Column) -> Check:
    """Decimal numbers into binary ones, which are rounded, but must not become infinite or 0."""
    _, dtype = _EXACT[column.type]

    def suspects(values: AnyArray) -> Mask | None:
        with np.errstate(over="ignore", under="ignore"):
            found: Any = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False).astype(dtype)
        suspect: Mask = np.isinf(found) | (found == 0)
        return suspect & to_mask(values.is_valid(), null=False)

    def resolve(text: str) -> str | Fault:
        with np.errstate(over="ignore", under="ignore"):
            found = dtype(float(text))
        return _out_of_range(column) if np.isinf(found) or (found == 0 and Decimal(text)) else text

    return Check(suspects, resolve)


def _exact(column: Column) -> Check:
    """Whole numbers into binary ones, exactly: they may be names of something."""
    limit, dtype = _EXACT[column.type]

    def suspects(values: AnyArray) -> Mask | None:
        beyond = pc.or_(pc.less(values, -limit), pc.greater(values, limit))
        return to_mask(beyond, null=False) if pc.any(beyond).as_py() else None

    def resolve(text: str) -> str | Fault:
        exact = int(dtype(int(text))) == int(text)
        return text if exact else Fault("constraint-error", _rounded(column))

    return Check(suspects, resolve)


def _multiples(unit: int, why: str) -> Check:
    """Moments whose microseconds are a multiple of a number."""
    fault = Fault("constraint-error", why)

    def suspects(values: AnyArray) -> Mask | None:
        micros = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
        found: Mask = micros % unit != 0
        return found

    return Check(suspects, lambda _: fault)


def _second_digits(column: Column, kept: int) -> Check:
    fault = Fault("constraint-error", _rounded(column))
    pattern = rf"\.[0-9]{{{kept}}}0*[1-9]"
    return Check(
        lambda values: to_mask(pc.match_substring_regex(values, pattern=pattern), null=False), lambda _: fault
    )
