"""Days of the calendar."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np

from ingestor.columns.arrow import AnyArray, Mask, cast, cast_all, full_match, pc
from ingestor.columns.json_strings import json_strings
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.notation.formatted import FormattedType
from ingestor.types.type import ORDERED, Converted, Value, ValueFormatError, not_a

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LENGTH = 10
# A date with a time of day and perhaps an offset.
_MOMENT = (
    rf"({DATE})[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?(?:Z|[+-][0-9:]{{2,8}})?"
)
# Days since 1970. From these, no offset of a datetime leads out of the years 0001 to 9999.
FIRST_SAFE_DAY, LAST_SAFE_DAY = -719161, 2932895

_DIGIT_0, _DASH = ord("0"), ord("-")
# Days of each month of a year that is no leap year, by its number.
_MONTH_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int32)


class DateType(FormattedType):
    """YYYY-MM-DD, a day of the calendar, years 0001 to 9999; or a format of its own. With `rounding` a time
    of day may follow, which is dropped."""

    name = "date"
    examples = ("2024-02-29", "0001-01-01")
    postgres_type = "date"
    constraints = ORDERED
    is_item = True
    iso_form = "YYYY-mm-dd"
    # A time of day is read and dropped: the format says that it is there.
    directives = "YymbBdaAHIMSfpz"
    keys = frozenset(("locale",))

    @property
    def rule_type(self) -> pa.DataType:
        return pa.date32()

    def parse_iso(self, text: str) -> date:
        if match := re.fullmatch(_MOMENT, text):
            if self.settings.rounding is None:
                raise ValueFormatError('is a date with a time of day; declare "rounding": "allow" to drop it')
            text = match[1]
        return parse_date(text)

    def convert_iso(self, text: TextColumn) -> Converted:
        if self.settings.rounding is not None and (text.lengths > _LENGTH).any():
            days = pc.replace_substring_regex(text.array, pattern=full_match(_MOMENT), replacement=r"\1")
            text = text_column(days, frozenset())
        # Arrow reads exactly YYYY-MM-DD, and also the year 0000.
        values = cast(text.array, pa.date32())
        if values is not None and _first_day(values) >= FIRST_SAFE_DAY - 1:
            return Converted(values, values, None)
        bad = text.present(~calendar_days(text, text.lengths == _LENGTH))
        return Converted.of(cast_all(text.without(bad), pa.date32()), bad)

    def as_json(self, value: Value) -> Any:
        assert isinstance(value, date)
        return value.isoformat()

    def json_texts(self, column: AnyArray) -> Any:
        return json_strings(pc.cast(column, pa.string()))


def parse_date(text: str) -> date:
    """YYYY-MM-DD, a day of the calendar, years 0001 to 9999. Raises ValueFormatError."""
    if not re.fullmatch(DATE, text):
        raise not_a("a date of the form YYYY-MM-DD", text)
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        raise ValueFormatError("is not a day of the calendar") from None


def calendar_days(text: TextColumn, candidates: Mask) -> Mask:
    """The same for the first 10 bytes of each candidate, all of which have at least 10 (bool[n])."""
    result = np.zeros(len(text), np.bool_)
    rows = np.flatnonzero(candidates)
    if not rows.size:
        return result
    lengths = text.lengths
    if rows.size == len(text) and (lengths == lengths[0]).all():
        characters = text.data.reshape(rows.size, lengths[0]).T[:10]
    else:
        characters = text.data[text.offsets[rows] + np.arange(10)[:, None]]
    digits = characters[[0, 1, 2, 3, 5, 6, 8, 9]] - np.uint8(_DIGIT_0)
    formed = (digits <= 9).all(axis=0) & (characters[4] == _DASH) & (characters[7] == _DASH)
    number = digits.astype(np.int32)
    year = number[0] * 1000 + number[1] * 100 + number[2] * 10 + number[3]
    month = number[4] * 10 + number[5]
    day = number[6] * 10 + number[7]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    formed &= (year >= 1) & (month >= 1) & (month <= 12)
    last = _MONTH_LENGTHS[np.where(formed, month, 0)] + (leap & (month == 2))
    result[rows] = formed & (day >= 1) & (day <= last)
    return result


def _first_day(values: AnyArray) -> int:
    """The least day since 1970; 0 if all are missing."""
    low = pc.min_max(values)["min"]
    return int(low.value) if low.is_valid else 0
