"""Moments, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import AnyArray, Mask, cast, fully, pc, to_mask
from ingestor.columns.json_strings import json_strings
from ingestor.columns.text_column import TextColumn
from ingestor.types.date import DATE, FIRST_SAFE_DAY, LAST_SAFE_DAY, calendar_days, parse_date
from ingestor.types.notation.fixed_format import FormattedType
from ingestor.types.type import ORDERED, Converted, Value, ValueFormatError, not_a

_DATETIME = (
    DATE + r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)
_SHIFT = re.compile(r"([+-])([0-9]{2}):([0-9]{2})\Z")
_UTC = pa.timestamp("us", "UTC")
_NAIVE = pa.timestamp("us")
_DAY = 86_400_000_000


class DatetimeType(FormattedType):
    """YYYY-MM-DDThh:mm:ss (or a blank for the T), up to 6 digits of a second, then Z, ±hh:mm or nothing,
    which means UTC; or a format of its own. Values are in UTC.

    Refuses 24:00, a 60th second, and instants outside the years 0001 to 9999 in UTC.
    """

    name = "datetime"
    examples = ("2024-02-29T23:59:59Z", "2024-02-29 23:59:59.5", "0001-01-01T00:00:00-01:30")
    postgres_type = "timestamptz"
    constraints = ORDERED
    is_item = True
    rule_type = _NAIVE
    iso_form = "YYYY-mm-ddTHH:MM:SS"
    needed = "YmdH"

    def parse_iso(self, text: str) -> datetime:
        if not re.fullmatch(_DATETIME, text):
            raise not_a("a datetime of the form YYYY-MM-DDThh:mm:ss[.ffffff][Z|±hh:mm]", text)
        day = parse_date(text[:10])
        clock, zone = text[11:], UTC
        if shift := _SHIFT.search(clock):
            offset = timedelta(hours=int(shift[2]), minutes=int(shift[3]))
            zone = timezone(-offset if shift[1] == "-" else offset)
            clock = clock[:-6]
        clock = clock.removesuffix("Z")
        micros = int(clock[9:].ljust(6, "0")) if len(clock) > 8 else 0
        hour, minute, second = int(clock[:2]), int(clock[3:5]), int(clock[6:8])
        try:
            return datetime(day.year, day.month, day.day, hour, minute, second, micros, zone).astimezone(UTC)
        except OverflowError:
            raise ValueFormatError("is outside the years 0001 to 9999 in UTC") from None

    def convert_iso(self, text: TextColumn) -> Converted:
        # Arrow also reads shorter times and other ways to write a zone. The lengths exclude them: 19 bytes
        # to the second, and up to 6 more digits behind a point.
        zoned = _zoned(text)
        lengths = text.lengths
        if zoned.any():
            zone = np.where(text.data[np.maximum(text.offsets[1:], 1) - 1] == ord("Z"), 1, 6)
            lengths = np.where(zoned, lengths - zone, lengths)
        formed = (lengths == 19) | ((lengths >= 21) & (lengths <= 26))
        values = None if text.present(~formed).any() else _cast(text, zoned, None)
        if values is not None and _within_safe_days(values):
            return Converted(values, values, None)
        bad = text.present(~(fully(text.array, _DATETIME) & calendar_days(text, text.lengths >= 19)))
        values = _cast(text, zoned, bad)
        assert values is not None, "datetimes that follow the rules cannot be cast"
        # An offset can lead from the year 0001 or 9999 out of the range.
        instants = values.cast(pa.int64())
        low, high = (FIRST_SAFE_DAY - 1) * _DAY, (LAST_SAFE_DAY + 2) * _DAY
        inside = pc.and_(pc.greater_equal(instants, low), pc.less(instants, high))
        outside = ~to_mask(inside, null=True)
        if outside.any():
            bad = bad | outside
            values = pc.if_else(pa.array(outside), pa.scalar(None, _UTC), values)
        return Converted.of(values, bad)

    def for_rules(self, column: AnyArray) -> AnyArray:
        return column.cast(_NAIVE)

    def as_json(self, value: Value) -> Any:
        assert isinstance(value, datetime)
        return f"{value.replace(tzinfo=None).isoformat()}Z"

    def json_texts(self, column: AnyArray) -> Any:
        # The cast always writes six digits of a second; zeros at the end are dropped.
        texts = pc.cast(column.cast(_NAIVE), pa.string())
        values = pc.replace_substring(texts, pattern=" ", replacement="T")
        values = pc.ascii_rtrim(pc.ascii_rtrim(values, characters="0"), characters=".")
        return json_strings(pc.binary_join_element_wise(values, "Z", ""))


def _within_safe_days(values: AnyArray) -> bool:
    found = pc.min_max(values)
    low, high = found["min"], found["max"]
    if not low.is_valid:
        return True
    return bool(low.value // _DAY >= FIRST_SAFE_DAY and high.value // _DAY <= LAST_SAFE_DAY)


def _zoned(text: TextColumn) -> Mask:
    """Which values of at least 19 bytes end with Z or ±hh:mm."""
    long = text.lengths >= 19
    whole = bool(long.all())
    ends = text.offsets[1:] if whole else text.offsets[1:][long]
    zoned: Mask = text.data[ends - 1] == ord("Z")
    if not zoned.all():
        sign = text.data[ends - 6]
        zoned |= (text.data[ends - 3] == ord(":")) & ((sign == ord("+")) | (sign == ord("-")))
    if whole:
        return zoned
    result = np.zeros(len(text), np.bool_)
    result[long] = zoned
    return result


def _cast(text: TextColumn, zoned: Mask, bad: Mask | None) -> AnyArray | None:
    """UTC instants, null where missing or bad; None if Arrow refuses a value."""
    array = text.array if bad is None else text.without(bad)
    zones = zoned if text.valid is None else zoned[text.valid]
    if zones.all():
        return cast(array, _UTC)
    if not zones.any():
        values = cast(array, _NAIVE)
        return None if values is None else values.cast(_UTC)
    none = np.zeros(len(text), np.bool_) if bad is None else bad
    with_zone = cast(text.without(none | ~zoned), _UTC)
    without_zone = cast(text.without(none | zoned), _NAIVE)
    if with_zone is None or without_zone is None:
        return None
    both: AnyArray = pc.coalesce(with_zone, without_zone.cast(_UTC))
    return both
