"""Moments, in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, cached_property
from typing import Any

import numpy as np

from ingestor.columns.arrow import AnyArray, Mask, cast, cast_all, full_match, fully, pc, to_mask
from ingestor.columns.json_strings import json_strings
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.date import DATE, FIRST_SAFE_DAY, LAST_SAFE_DAY, calendar_days, parse_date
from ingestor.types.notation.formatted import FormattedType
from ingestor.types.type import ORDERED, Converted, Settings, Value, ValueFormatError, is_whole, not_a

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
_DAY = 86_400_000_000


@cache
def _utc() -> pa.DataType:
    return pa.timestamp("us", "UTC")


@cache
def _naive() -> pa.DataType:
    return pa.timestamp("us")


class DatetimeType(FormattedType):
    """YYYY-MM-DDThh:mm:ss (or a blank for the T), up to 6 digits of a second (9 if the others are 0), then
    Z, ±hh, ±hhmm, ±hh:mm, ±hh:mm:ss or nothing, which means UTC; or a format of its own. Values are in UTC.

    With a `timezone`, a moment without an offset is one of this zone; a local time that the zone has twice
    or skips is refused. The formats "unix" and "unix-ms" count seconds or milliseconds since 1970.

    Refuses 24:00, a 60th second, and instants outside the years 0001 to 9999 in UTC.
    """

    name = "datetime"
    examples = (
        "2024-02-29T23:59:59Z",
        "2024-02-29 23:59:59.5+00",
        "2024-02-29 23:59:59.123456000-0230",
        "0001-01-01T00:00:00-01:30",
        "1709251199.5",
    )
    formats = ("unix", "unix-ms")
    postgres_type = "timestamptz"
    constraints = ORDERED
    is_item = True
    iso_form = "YYYY-mm-ddTHH:MM:SS"
    directives = "YymbBdaAHIMSfpz"
    keys = frozenset(("locale", "timezone"))

    @classmethod
    def setting_problems(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        yield from super().setting_problems(settings)
        if settings.timezone is not None:
            try:
                _in_zone(pa.array([0], _naive()), settings.timezone)
            except pa.ArrowInvalid:
                yield "timezone", 'is not the name of a time zone such as "Europe/Berlin"'

    @cached_property
    def _unit(self) -> int | None:
        """Digits behind the point of a second that a count of "unix" has without a point; None for texts."""
        return {"unix": 0, "unix-ms": 3}.get(self.settings.format)

    @property
    def _count(self) -> str:
        """The expression of a count; so many digits reach over the year 9999 and fit 64 bits."""
        assert self._unit is not None
        return rf"(?P<sign>-?)(?P<whole>[0-9]{{1,{12 + self._unit}}})(?:\.(?P<fraction>[0-9]{{1,9}}))?"

    def parse(self, text: str) -> Value:
        if self._unit is None:
            return super().parse(text)
        count = re.fullmatch(self._count, text)
        if not count:
            raise not_a(f"a count of {'milliseconds' if self._unit else 'seconds'} since 1970", text)
        if (count["fraction"] or "")[6 - self._unit :].strip("0"):
            raise ValueFormatError("is more exact than a microsecond, the most that a datetime keeps")
        micros = int(count["whole"]) * 10 ** (6 - self._unit)
        micros += int((count["fraction"] or "")[: 6 - self._unit].ljust(6 - self._unit, "0"))
        micros = -micros if count["sign"] else micros
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        except OverflowError:
            raise ValueFormatError("is outside the years 0001 to 9999 in UTC") from None

    def from_json(self, raw: Any) -> Value | None:
        return self.parse(str(raw)) if self._unit is not None and is_whole(raw) else None

    def convert(self, text: TextColumn) -> Converted:
        if self._unit is None:
            return super().convert(text)
        digits = 6 - self._unit
        found = pc.extract_regex(text.array, pattern=full_match(self._count))
        fraction = pc.fill_null(pc.struct_field(found, "fraction"), "")
        rest = pc.utf8_slice_codeunits(fraction, digits, 9)
        fitting = pc.and_(pc.is_valid(found), pc.equal(pc.ascii_trim(rest, "0"), ""))
        bad = text.present(~to_mask(fitting, null=False))
        micros = pc.ascii_rpad(pc.utf8_slice_codeunits(fraction, 0, digits), width=digits, padding="0")
        signed = pc.binary_join_element_wise(
            pc.struct_field(found, "sign"), pc.struct_field(found, "whole"), micros, ""
        )
        instants = cast_all(pc.if_else(pa.array(bad), None, signed), pa.int64())
        bad |= _outside(instants)
        return Converted.of(pc.if_else(pa.array(bad), None, instants).cast(_utc()), bad)

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
        if self.settings.timezone and parts["sign"] is None and not text.endswith("Z"):
            moment = datetime(day.year, day.month, day.day, hour, minute, second, micros)
            return _at_home(moment, self.settings.timezone)
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
        local = self.settings.timezone is not None and bool(text.present(~zoned).any())
        values = None if local or text.present(~formed).any() else _cast(text, zoned)
        if values is not None and _within_safe_days(values):
            return Converted(values, values, None)
        bad = text.present(~(fully(text.array, _DATETIME) & calendar_days(text, text.lengths >= 19)))
        canonical, seconds = _canonical(text.without(bad))
        zoned = _zoned(canonical)
        values = _cast(canonical, zoned)
        assert values is not None, "datetimes that follow the rules cannot be cast"
        if local:
            first, last = _in_zone(values.cast(_naive()), str(self.settings.timezone))
            here = canonical.present(~zoned)
            unclear = here & to_mask(pc.not_equal(first, last), null=False)
            bad |= unclear
            values = pc.if_else(pa.array(here), first, values)
        # An offset can lead from the year 0001 or 9999 out of the range.
        instants = pc.subtract(values.cast(pa.int64()), seconds)
        bad |= _outside(instants)
        return Converted.of(pc.if_else(pa.array(bad), None, instants).cast(_utc()), bad)

    @property
    def rule_type(self) -> pa.DataType:
        return _naive()

    def for_rules(self, column: AnyArray) -> AnyArray:
        return column.cast(_naive())

    def as_json(self, value: Value) -> Any:
        assert isinstance(value, datetime)
        return f"{value.replace(tzinfo=None).isoformat()}Z"

    def json_texts(self, column: AnyArray) -> Any:
        # The cast always writes six digits of a second; zeros at the end are dropped.
        texts = pc.cast(column.cast(_naive()), pa.string())
        values = pc.replace_substring(texts, pattern=" ", replacement="T")
        values = pc.ascii_rtrim(pc.ascii_rtrim(values, characters="0"), characters=".")
        return json_strings(pc.binary_join_element_wise(values, "Z", ""))


def _outside(instants: Any) -> Mask:
    """Which counts of microseconds are outside the years 0001 to 9999; not the missing ones."""
    low, high = (FIRST_SAFE_DAY - 1) * _DAY, (LAST_SAFE_DAY + 2) * _DAY
    return ~to_mask(pc.and_(pc.greater_equal(instants, low), pc.less(instants, high)), null=True)


def _in_zone(moments: Any, zone: str) -> tuple[Any, Any]:
    """The first and the last instant (UTC) that a clock in the zone shows so; they differ where the clock is
    put back, and where it skips a moment (the instants before and after). Raises ArrowInvalid for no zone."""

    def instants(which: str) -> Any:
        return pc.assume_timezone(moments, zone, ambiguous=which, nonexistent=which).cast(_utc())

    return instants("earliest"), instants("latest")


def _at_home(moment: datetime, zone: str) -> datetime:
    """The instant (UTC) of a moment in the zone. Raises ValueFormatError."""
    local = pa.array([moment], _naive())
    first, last = _in_zone(local, zone)
    if not first.equals(last):
        try:
            pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="raise")
        except pa.ArrowInvalid:
            raise ValueFormatError(f"is skipped by the clocks of {zone}; write it with its offset") from None
        raise ValueFormatError(f"occurs twice by the clocks of {zone}; write it with its offset")
    if _outside(first.cast(pa.int64())).any():
        raise ValueFormatError("is outside the years 0001 to 9999 in UTC")
    instant: datetime = first[0].as_py()
    return instant.astimezone(UTC)


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


def _canonical(array: pa.StringArray) -> tuple[TextColumn, Any]:
    """Datetimes with at most 6 digits of a second and offsets of the form ±hh:mm; and the seconds of the
    offsets, in microseconds, which are still to be subtracted."""
    texts: Any = pc.replace_substring_regex(array, pattern=r"(\.[0-9]{6})0+", replacement=r"\1")
    texts = pc.replace_substring_regex(
        texts, pattern=r"\A(.{19}(?:\.[0-9]+)?[+-][0-9]{2})\z", replacement=r"\1:00"
    )
    texts = pc.replace_substring_regex(texts, pattern=r"([+-][0-9]{2})([0-9]{2})\z", replacement=r"\1:\2")
    seconds: Any = pa.scalar(0, pa.int64())
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
        return cast(text.array, _utc())
    if not zones.any():
        values = cast(text.array, _naive())
        return None if values is None else values.cast(_utc())
    with_zone = cast(text.without(~zoned), _utc())
    without_zone = cast(text.without(zoned), _naive())
    if with_zone is None or without_zone is None:
        return None
    both: AnyArray = pc.coalesce(with_zone, without_zone.cast(_utc()))
    return both
