"""Whole and decimal numbers: the types integer and number.

Bounds and enums compare numbers exactly. Rounding to float64 keeps the order, so only values whose float64
equals the bound's are compared as decimals, each distinct text once.
"""

from __future__ import annotations

import operator
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ingestor.columns.arrow import AnyArray, Mask, cast, cast_all, fully, mask_if_any, pc, texts_at, to_mask
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.notation.marks import (
    Marks,
    bare_pattern,
    column_sign_in_front,
    number_within,
    sign_in_front,
)
from ingestor.types.type import (
    ORDERED,
    Bound,
    Converted,
    FieldType,
    Settings,
    Value,
    ValueFormatError,
    is_whole,
    not_a,
)

_INTEGER_MIN = -(2**63)
_INTEGER_MAX = 2**63 - 1
# PostgreSQL's numeric: https://www.postgresql.org/docs/current/datatype-numeric.html
_MAX_INTEGRAL_DIGITS = 131_072
_MAX_SCALE = 16_383
# The largest exponent that PostgreSQL reads, whatever the digits.
_MAX_EXPONENT = 2**30 - 1

_INTEGER = r"[+-]?[0-9]+"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER_PARTS = re.compile(r"([+-]?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_DIGIT_9 = ord("9")
# A number of at most so many characters, exponent aside, whose exponent has at most 4 digits is within
# PostgreSQL's range: 6000 + 9999 digits on either side of the point.
_PLAINLY_SHORT = 6000

_EXACTLY: dict[Bound, Callable[[Decimal, Decimal], bool]] = {
    "minimum": operator.lt,
    "maximum": operator.gt,
    "exclusiveMinimum": operator.le,
    "exclusiveMaximum": operator.ge,
}


class _NumericType(FieldType):
    """A type whose values may have marks of their own, and text around them."""

    constraints = ORDERED
    is_item = True
    what: ClassVar[str]
    whole: ClassVar[bool]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        marks = Marks(settings.decimal_char, settings.group_char)
        self._marks = None if marks == Marks() else marks
        self._plain = self._marks is None and settings.bare_number and not settings.accounting

    @classmethod
    def setting_problems(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        if settings.decimal_char == settings.group_char:
            yield "groupChar", "is the decimalChar too"

    @cached_property
    def _pattern(self) -> str:
        """What a value looks like (RE2 and Python) that is not plain."""
        marks = self._marks or Marks()
        return marks.pattern(self.whole) if self.settings.bare_number else bare_pattern(marks, self.whole)

    def parse(self, text: str) -> Value:
        if not self._plain:
            text = self._without_marks(text)
        return self.parse_plain(text)

    def _without_marks(self, text: str) -> str:
        bare = self.settings.bare_number
        text = sign_in_front(text, self.settings.accounting, bare)
        if not re.fullmatch(self._pattern, text):
            why = self._marks.explain(self.what) if self._marks else f"is not {self.what}"
            raise ValueFormatError(
                why if bare else f"{why}, nor one with something around it that is not numeric"
            )
        if not bare:
            found = re.fullmatch(number_within(self._marks or Marks()), text)
            assert found is not None, "bare_pattern matches texts with a number"
            text = found["number"]
        return text if self._marks is None else self._marks.plain(text)

    def convert(self, text: TextColumn) -> Converted:
        if self._plain:
            return self.convert_plain(text)
        plain, bad = self._column_without_marks(text)
        converted = self.convert_plain(plain)
        if bad is None:
            return converted
        nothing = pa.scalar(None, converted.comparable.type)
        comparable = pc.if_else(pa.array(bad), nothing, converted.comparable)
        return Converted(converted.column, comparable, bad if converted.bad is None else converted.bad | bad)

    def _column_without_marks(self, text: TextColumn) -> tuple[TextColumn, Mask | None]:
        """The column's plain numbers, and the values that are not numbers, which have become 0."""
        array: Any = column_sign_in_front(text.array, self.settings.accounting, self.settings.bare_number)
        marks = self._marks or Marks()
        bad = text.present(~fully(array, self._pattern))
        if not self.settings.bare_number:
            found = pc.extract_regex(array, pattern=rf"\A{number_within(marks)}\z")
            array = pc.struct_field(found, "number")
        if bad.any():
            array = pc.if_else(pa.array(bad), "0", array)
        return text_column(marks.plain_column(array), frozenset()), bad if bad.any() else None

    @abstractmethod
    def parse_plain(self, text: str) -> Value:
        """The value of a number without marks. Raises ValueFormatError."""

    @abstractmethod
    def convert_plain(self, text: TextColumn) -> Converted:
        """The same for a column."""


def _without_letters(text: TextColumn) -> tuple[pa.StringArray, Mask | None]:
    """The texts without those that have a byte above "9", as most wrong ones have; and where those are, if
    there are any."""
    if text.only_below(_DIGIT_9):
        return text.array, None
    odd = text.above(_DIGIT_9)
    return (text.without(odd), odd) if odd.any() else (text.array, None)


class IntegerType(_NumericType):
    """A whole number: an optional sign and ASCII digits, within 64 bits."""

    name = "integer"
    examples = ("7", "-12", "+3", "007", "9223372036854775807")
    postgres_type = "bigint"
    keys = frozenset(("groupChar", "bareNumber", "accounting", "categories", "categoriesOrdered"))
    what = "an integer"
    whole = True

    @property
    def rule_type(self) -> pa.DataType:
        return pa.int64()

    def parse_plain(self, text: str) -> int:
        if not re.fullmatch(_INTEGER, text):
            raise not_a("an integer", text)
        # Python refuses to read more than a few thousand digits; leading zeros mean nothing.
        digits = text.lstrip("+-").lstrip("0") or "0"
        value = int(digits) if len(digits) <= 19 else _INTEGER_MAX + 2
        if text[0] == "-":
            value = -value
        if not _INTEGER_MIN <= value <= _INTEGER_MAX:
            raise ValueFormatError(f"is outside the range of an integer, {_INTEGER_MIN} to {_INTEGER_MAX}")
        return value

    def from_json(self, raw: Any) -> int | None:
        return self.parse_plain(str(raw)) if is_whole(raw) else None

    def convert_plain(self, text: TextColumn) -> Converted:
        # Arrow reads what we do, without "+", and also hexadecimal numbers, whose "x" is above "9" and in no
        # integer.
        plain, odd = _without_letters(text)
        if (values := cast(plain, pa.int64())) is not None:
            return Converted(values, values, odd)
        bad = ~fully(text.array, _INTEGER)
        digits = pc.ascii_ltrim(pc.ascii_ltrim(text.array, characters="+-"), characters="0")
        length = pc.fill_null(pc.binary_length(digits), 0).to_numpy(zero_copy_only=False)
        if (length >= 19).any():
            negative = pc.starts_with(text.array, pattern="-")
            limit = pc.if_else(negative, str(2**63), str(2**63 - 1))
            above = to_mask(pc.greater(digits, limit), null=False)
            bad |= (length > 19) | ((length == 19) & above)
        return Converted.of(cast_all(pc.ascii_ltrim(text.without(bad), characters="+"), pa.int64()), bad)

    def json_texts(self, column: AnyArray) -> Any:
        return pc.cast(column, pa.string())


class NumberType(_NumericType):
    """A decimal number, exactly: sign, digits, one point, exponent; no NaN, no infinity. Stays text."""

    name = "number"
    examples = ("1.5", "-.5", "7.", "1e3", "1.50", "9007199254740993")
    postgres_type = "numeric"
    keys = frozenset(("decimalChar", "groupChar", "bareNumber", "accounting"))
    what = "a number"
    whole = False

    @property
    def rule_type(self) -> pa.DataType:
        return pa.decimal128(38, 9)

    def parse_plain(self, text: str) -> Decimal:
        return parse_number(text)

    def from_json(self, raw: Any) -> Decimal | None:
        return parse_number(str(raw)) if is_whole(raw) or isinstance(raw, Decimal) else None

    def convert_plain(self, text: TextColumn) -> Converted:
        # Arrow reads what we do, and also "nan", "inf" and the like, whose letters are above "9". So is the
        # "e" of an exponent, and without one only very long texts are out of PostgreSQL's range.
        plain_texts, odd = _without_letters(text)
        if (
            (odd is None or not fully(text.array.filter(pa.array(odd)), _NUMBER).any())
            and (values := cast(plain_texts, pa.float64())) is not None
            and (not len(text) or int(text.lengths.max()) <= _PLAINLY_SHORT)
        ):
            return Converted(text.array, values, odd)
        bad = ~fully(text.array, _NUMBER)
        plain = text.lengths <= _PLAINLY_SHORT
        if ((text.data | 0x20) == ord("e")).any():
            plain &= fully(text.array, r"[^eE]*(?:[eE][+-]?0*[0-9]{1,4})?")
        unusual = np.flatnonzero(~bad & ~plain)
        if unusual.size:
            for position, value in zip(unusual, texts_at(text.array, unusual), strict=True):
                try:
                    parse_number(value or "")
                except ValueFormatError:
                    bad[position] = True
        values = cast_all(text.without(bad), pa.float64())
        return Converted(text.array, values, bad if bad.any() else None)

    def outside(
        self, text: TextColumn, converted: Converted, allowed: Sequence[Value], spellings: Sequence[Any]
    ) -> Mask | None:
        # Texts spelt as in the document need no decimals. A column that had marks is spelt in another way.
        known = pa.array([str(spelling) for spelling in spellings] if self._plain else [], pa.string())
        candidates = converted.good(~to_mask(pc.is_in(converted.column, value_set=known), null=False))
        values = frozenset(allowed)
        return _exactly(converted.column, text.present(candidates), lambda number: number not in values)

    def beyond(self, bound: Bound, limit: Value, text: TextColumn, converted: Converted) -> Mask | None:
        assert isinstance(limit, Decimal)
        rounded = pa.scalar(float(limit), pa.float64())
        clearly = pc.less if bound in ("minimum", "exclusiveMinimum") else pc.greater
        clear = mask_if_any(clearly(converted.comparable, rounded))
        equal = mask_if_any(pc.equal(converted.comparable, rounded))
        breaks = _EXACTLY[bound]
        near = (
            None if equal is None else _exactly(converted.column, equal, lambda number: breaks(number, limit))
        )
        if clear is None or near is None:
            return near if clear is None else clear
        return clear | near

    def json_texts(self, column: AnyArray) -> Any:
        """The digits as they are, in JSON's form: no plus sign, no leading zeros, digits on both sides of
        the point."""
        values: Any = column
        if fully(values, _JSON_NUMBER).all():
            return values
        values = pc.ascii_ltrim(values, characters="+")
        values = pc.replace_substring_regex(values, pattern=r"\A(-?)0+([0-9])", replacement=r"\1\2")
        values = pc.replace_substring_regex(values, pattern=r"\A(-?)\.", replacement=r"\10.")
        return pc.replace_substring_regex(values, pattern=r"\.(\z|[eE])", replacement=r"\1")


def parse_number(text: str) -> Decimal:
    """A decimal number without marks. Raises ValueFormatError, also for what PostgreSQL's numeric cannot
    hold: more than 131072 digits before or 16383 after the point once the exponent is applied."""
    match = _NUMBER_PARTS.fullmatch(text)
    if not match:
        raise not_a("a number", text)
    integral, fraction = match[2] or "", (match[3] if match[2] else match[4]) or ""
    exponent_text = match[5] or "0"
    exponent_digits = exponent_text.lstrip("+-").lstrip("0") or "0"
    exponent = int(exponent_digits) if len(exponent_digits) <= 10 else _MAX_EXPONENT + 1
    if exponent_text[0] == "-":
        exponent = -exponent
    digits = integral + fraction
    significant = digits.lstrip("0")
    before = len(integral) - (len(digits) - len(significant)) + exponent if significant else 0
    after = max(0, len(fraction) - exponent)
    if abs(exponent) > _MAX_EXPONENT or before > _MAX_INTEGRAL_DIGITS or after > _MAX_SCALE:
        raise ValueFormatError(
            f"is outside the range of a number, {_MAX_INTEGRAL_DIGITS} digits before and {_MAX_SCALE} after "
            "the point"
        )
    return Decimal(text)


def _exactly(column: Any, candidates: Mask, breaks: Callable[[Decimal], bool]) -> Mask | None:
    """Which of the candidates break a rule of exact decimals; asks once for each distinct text."""
    if not candidates.any():
        return None
    rows = np.flatnonzero(candidates)
    encoded = column.take(rows).dictionary_encode()
    results = np.array([breaks(Decimal(str(value))) for value in encoded.dictionary.to_pylist()], np.bool_)
    broken = np.zeros(len(column), np.bool_)
    broken[rows] = results[encoded.indices.to_numpy()]
    return broken
