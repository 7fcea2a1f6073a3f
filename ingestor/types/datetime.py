"""Moments, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import AnyArray, Mask, cast, fully, pc, to_mask
from ingestor.columns.json_strings import json_strings
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.date import DATE, FIRST_SAFE_DAY, LAST_SAFE_DAY, calendar_days, parse_date
from ingestor.types.notation.fixed_format import FormattedType
from ingestor.types.type import ORDERED, Converted, Value, ValueFormatError, not_a

# The seconds of an offset stand in exports of moments before the time zones.
_DATETIME = (
    DATE + r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0{0,3})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9]|:[0-5][0-9]:[0-5][0-9])?)?"
)
_TOO_EXACT = r".{19}\.[0-9]{7,9}(?:Z|[+-][0-9:]+)?"
_PARTS = re.compile(
    r"(?P<clock>.{8})(?:\.(?P<fraction>[0-9]+))?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>..)(?::?(?P<minutes>[0-9]{2}))?(?::(?P<seconds>..))?)?"
)
_UTC = pa.timestamp("us", "UTC")
_NAIVE = pa.timestamp("us")
_DAY = 86_400_000_000


class DatetimeType(FormattedType):
    """YYYY-MM-DDThh:mm:ss (or a blank for the T), up to 6 digits of a second (9 if the others are 0), then
    Z, ±hh, ±hhmm, ±hh:mm, ±hh:mm:ss or nothing, which means UTC; or a format of its own. Values are in UTC.

    Refuses 24:00, a 60th second, and instants outside the years 0001 to 9999 in UTC.
    """

    name = "datetime"
    examples = (
        "2024-02-29T23:59:59Z",
        "2024-02-29 23:59:59.5+00",
        "2024-02-29 23:59:59.123456000-0230",
        "0001-01-01T00:00:00-01:30",
    )
    postgres_type = "timestamptz"
    constraints = ORDERED
    is_item = True
    rule_type = _NAIVE
    iso_form = "YYYY-mm-ddTHH:MM:SS"
    needed = "YmdH"

    def parse_iso(self, text: str) -> datetime:
        if not re.fullmatch(_DATETIME, text):
            if re.fullmatch(_TOO_EXACT, text):
                raise ValueFormatError("is more exact than a microsecond, the most that a datetime keeps")
            raise not_a("a datetime of the form YYYY-MM-DDThh:mm:ss[.ffffff][Z|±hh:mm]", text)
        day = parse_date(text[:10])
        parts = _PARTS.fullmatch(text[11:])
        assert parts is not None, "a datetime's text has these parts"
        hour, minute, second = (int(part) for part in parts["clock"].split(":"))
        micros = int((parts["fraction"] or "")[:6].ljust(6, "0"))
        offset = timedelta(
            hours=int(parts["hours"] or 0),
            minutes=int(parts["minutes"] or 0),
            seconds=int(parts["seconds"] or 0),
        )
        zone = timezone(-offset if parts["sign"] == "-" else offset)
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
        values = None if text.present(~formed).any() else _cast(text, zoned)
        if values is not None and _within_safe_days(values):
            return Converted(values, values, None)
        bad = text.present(~(fully(text.array, _DATETIME) & calendar_days(text, text.lengths >= 19)))
        canonical, seconds = _canonical(text.without(bad))
        values = _cast(canonical, _zoned(canonical))
        assert values is not None, "datetimes that follow the rules cannot be cast"
        # An offset can lead from the year 0001 or 9999 out of the range.
        instants = pc.subtract(values.cast(pa.int64()), seconds)
        low, high = (FIRST_SAFE_DAY - 1) * _DAY, (LAST_SAFE_DAY + 2) * _DAY
        inside = pc.and_(pc.greater_equal(instants, low), pc.less(instants, high))
        outside = ~to_mask(inside, null=True)
        bad |= outside
        return Converted.of(pc.if_else(pa.array(outside), None, instants).cast(_UTC), bad)

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


def _canonical(array: pa.StringArray) -> tuple[TextColumn, AnyArray]:
    """Datetimes with at most 6 digits of a second and offsets of the form ±hh:mm; and the seconds of the
    offsets, in microseconds, which are still to be subtracted."""
    texts: Any = pc.replace_substring_regex(array, pattern=r"(\.[0-9]{6})0+", replacement=r"\1")
    texts = pc.replace_substring_regex(
        texts, pattern=r"\A(.{19}(?:\.[0-9]+)?[+-][0-9]{2})\z", replacement=r"\1:00"
    )
    texts = pc.replace_substring_regex(texts, pattern=r"([+-][0-9]{2})([0-9]{2})\z", replacement=r"\1:\2")
    seconds = pa.scalar(0, pa.int64())
    found = pc.extract_regex(texts, pattern=r"\A(?P<text>.*(?P<sign>[+-])[0-9:]{5}):(?P<seconds>[0-9]{2})\z")
    if found.null_count < len(array):
        texts = pc.coalesce(pc.struct_field(found, "text"), texts)
        seconds = pc.multiply(pc.struct_field(found, "seconds").cast(pa.int64()), 1_000_000)
        negative = pc.equal(pc.struct_field(found, "sign"), "-")
        seconds = pc.fill_null(pc.if_else(negative, pc.negate(seconds), seconds), 0)
    return text_column(texts, frozenset()), seconds


def _cast(text: TextColumn, zoned: Mask) -> AnyArray | None:
    """UTC instants, null where missing; None if Arrow refuses a value."""
    zones = zoned if text.valid is None else zoned[text.valid]
    if zones.all():
        return cast(text.array, _UTC)
    if not zones.any():
        values = cast(text.array, _NAIVE)
        return None if values is None else values.cast(_UTC)
    with_zone = cast(text.without(~zoned), _UTC)
    without_zone = cast(text.without(zoned), _NAIVE)
    if with_zone is None or without_zone is None:
        return None
    both: AnyArray = pc.coalesce(with_zone, without_zone.cast(_UTC))
    return both
