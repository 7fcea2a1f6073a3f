"""Columns of text to typed columns: which values are of the field's type, and what the sink gets.

The rules are those of ingestor.types.values, applied to whole columns. Each type has a quick check
that accepts or refuses the column as a whole; only a column that it refuses is searched for the values
at fault, by masks as well. Dates and datetimes in a format of their own are first put into the order of
ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import AnyArray, Mask, pc, texts_at, to_mask
from ingestor.checking.json_items import json_texts
from ingestor.checking.text_column import TextColumn, string_array, text_column
from ingestor.pipelines.document import Field, FieldType
from ingestor.types.formats import FixedFormat
from ingestor.types.values import (
    DATETIME_PATTERN,
    DURATION_PATTERN,
    GEOPOINT_PATTERN,
    INTEGER_PATTERN,
    NUMBER_PATTERN,
    STRING_FORMATS,
    TIME_PATTERN,
    YEAR_PATTERN,
    YEARMONTH_PATTERN,
    ValueFormatError,
)

_DIGIT_0, _DIGIT_9, _DASH = ord("0"), ord("9"), ord("-")
_UTC = pa.timestamp("us", "UTC")
# A number of at most so many characters, exponent aside, whose exponent has at most 4 digits is within
# PostgreSQL's range: 6000 + 9999 digits on either side of the point.
_PLAINLY_SHORT = 6000
# One day inside the years 0001 to 9999: no offset leads out of the range from there.
_FIRST_SAFE_DAY, _LAST_SAFE_DAY = -719161, 2932895
# Days of each month of a year that is no leap year, by its number.
_MONTH_LENGTHS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int32)


@dataclass(frozen=True, slots=True)
class Converted:
    """A field's column.

    `column` goes to the sink: null where the value is missing, of no meaning where `bad`. `comparable`
    has the same values for constraints, null also where `bad`: float64 for numbers (whose `column`
    stays text, to be exact), else the same type. `bad` (bool[n]) marks type errors, None for none.
    """

    column: AnyArray
    comparable: AnyArray
    bad: Mask | None


def convert(field: Field, text: TextColumn) -> Converted:
    """Convert the text of a field's column. What is wrong with a bad value is said by explain."""
    if field.fixed_format is not None:
        return _formatted(field.fixed_format, _CONVERTERS[field.type], text)
    if field.type == "boolean":
        return _booleans(field, text)
    if field.type == "string" and field.format in STRING_FORMATS:
        return _texts(text, STRING_FORMATS[field.format])
    if field.type == "list":
        return _lists(field, text)
    if field.is_json:
        return _json(field, text)
    return _CONVERTERS[field.type](text)


def plain_numbers(field: Field, text: TextColumn) -> tuple[TextColumn, Mask | None]:
    """The column without what stands around its numbers and without the marks of the field's own, and the
    values that are no such numbers, which have become 0."""
    if field.marks is None and field.bare_pattern is None:
        return text, None
    array: Any = text.array
    if field.bare_pattern is not None:
        bad = text.present(~_fully(array, field.bare_pattern))
        found = pc.extract_regex(array, pattern=rf"\A{field.number_within}\z")
        array = pc.struct_field(found, "number")
    else:
        bad = text.present(~_fully(array, field.marked_pattern))
    if bad.any():
        array = pc.if_else(pa.array(bad), "0", array)
    if field.marks is not None and field.marks.group is not None:
        array = pc.replace_substring(array, pattern=field.marks.group, replacement="")
    if field.marks is not None and field.marks.decimal != ".":
        array = pc.replace_substring(array, pattern=field.marks.decimal, replacement=".")
    return text_column(array, frozenset()), bad if bad.any() else None


def with_bad(converted: Converted, bad: Mask | None) -> Converted:
    """The same with these values bad as well."""
    if bad is None:
        return converted
    both = bad if converted.bad is None else converted.bad | bad
    nothing = pa.scalar(None, converted.comparable.type)
    return Converted(converted.column, pc.if_else(pa.array(bad), nothing, converted.comparable), both)


def explain(field: Field, value: str) -> str:
    """Why `value`, found bad by convert, is not of the field's type: a sentence without its subject.

    Raises AssertionError when the rule for one value accepts it: the two must never differ.
    """
    try:
        field.parse(value)
    except ValueFormatError as error:
        return str(error)
    raise AssertionError(f"column and value rules of the type {field.type} disagree on {value[:100]!r}")


def postgres_type(field: Field) -> str:
    """The type of the field's column in PostgreSQL."""
    return "jsonb" if field.is_json else _POSTGRES_TYPES[field.type]


_POSTGRES_TYPES: dict[FieldType, str] = {
    "string": "text",
    "any": "text",
    "time": "time",
    "year": "integer",
    "yearmonth": "text",
    "duration": "interval",
    "geopoint": "text",
    "array": "jsonb",
    "object": "jsonb",
    "list": "jsonb",
    "geojson": "jsonb",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamptz",
}


def _strings(text: TextColumn) -> Converted:
    return Converted(text.array, text.array, None)


def _texts(text: TextColumn, pattern: str) -> Converted:
    """Texts that match a pattern; the sink reads them itself."""
    bad = text.present(~_fully(text.array, pattern))
    return Converted(text.array, text.array, bad if bad.any() else None)


def _years(text: TextColumn) -> Converted:
    bad = text.present(~_fully(text.array, YEAR_PATTERN))
    return _converted(_cast_all(text.without(bad), pa.int64()), bad)


def _times(text: TextColumn) -> Converted:
    bad = text.present(~_fully(text.array, TIME_PATTERN))
    # Arrow casts no text to times, but to datetimes.
    instants = pc.binary_join_element_wise("1970-01-01T", text.without(bad), "")
    values = _cast_all(_cast_all(instants, pa.timestamp("us")), pa.time64("us"))
    return Converted(text.array, values, bad if bad.any() else None)


def _durations(text: TextColumn) -> Converted:
    found = _texts(text, DURATION_PATTERN)
    empty = to_mask(pc.or_(pc.ends_with(text.array, "P"), pc.ends_with(text.array, "T")), null=False)
    bad = empty if found.bad is None else found.bad | empty
    return Converted(text.array, text.array, bad if bad.any() else None)


def _json(field: Field, text: TextColumn) -> Converted:
    """Each distinct text is read once."""
    encoded = text.array.dictionary_encode()
    bad_texts = np.zeros(len(encoded.dictionary) + 1, np.bool_)
    for place, value in enumerate(encoded.dictionary.to_pylist()):
        try:
            field.json_value(str(value))
        except ValueFormatError:
            bad_texts[place] = True
    places = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    bad = bad_texts[places]
    return Converted(text.array, text.array, bad if bad.any() else None)


def _lists(field: Field, text: TextColumn) -> Converted:
    """The items of all lists are one column of the items' type; what is made of them is joined again."""
    rows = np.flatnonzero(text.present(text.lengths > 0))  # an empty text is no list
    bad = text.present(text.lengths == 0)
    lists: Any = pc.split_pattern(pc.take(text.array, pa.array(rows)), pattern=field.delimiter)
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    items = text_column(pc.list_flatten(lists), frozenset())
    converted = convert(field.item, items)
    if converted.bad is not None:
        bad[rows] |= np.logical_or.reduceat(converted.bad, offsets[:-1])
    rendered = pc.fill_null(json_texts(field.item_type, converted.column), "null")
    arrays: Any = pa.ListArray  # whose stub takes no such arrays
    joined = pc.binary_join(arrays.from_arrays(pa.array(offsets), rendered), ", ")
    whole = pc.binary_join_element_wise("[", joined, "]", "")
    places = np.full(len(text), -1, np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    column = whole.take(pa.array(places, mask=places < 0))
    return Converted(column, column, bad if bad.any() else None)


def _cast(array: AnyArray, to: pa.DataType) -> AnyArray | None:
    try:
        values: AnyArray = pc.cast(array, to)
    except pa.ArrowInvalid:
        return None
    return values


def _cast_all(array: AnyArray, to: pa.DataType) -> AnyArray:
    result = _cast(array, to)
    assert result is not None, f"values that fulfil the rules cannot be cast to {to}"
    return result


def _fully(array: AnyArray, pattern: str) -> Mask:
    """Which values match as a whole; missing ones do."""
    matches = pc.match_substring_regex(array, pattern=rf"\A(?:{pattern})\z")
    return to_mask(matches, null=True)


def _only_below(text: TextColumn, byte: int) -> bool:
    return not text.data.size or int(text.data.max()) <= byte


def _converted(values: AnyArray, bad: Mask) -> Converted:
    return Converted(values, values, bad if bad.any() else None)


def _integers(text: TextColumn) -> Converted:
    # Arrow reads what we do, without "+", and hexadecimal numbers besides, whose "x" is above "9".
    if _only_below(text, _DIGIT_9) and (values := _cast(text.array, pa.int64())) is not None:
        return Converted(values, values, None)
    bad = ~_fully(text.array, INTEGER_PATTERN)
    digits = pc.ascii_ltrim(pc.ascii_ltrim(text.array, characters="+-"), characters="0")
    length = pc.fill_null(pc.binary_length(digits), 0).to_numpy(zero_copy_only=False)
    if (length >= 19).any():
        negative = pc.starts_with(text.array, pattern="-")
        limit = pc.if_else(negative, str(2**63), str(2**63 - 1))
        above = to_mask(pc.greater(digits, limit), null=False)
        bad |= (length > 19) | ((length == 19) & above)
    return _converted(_cast_all(pc.ascii_ltrim(text.without(bad), characters="+"), pa.int64()), bad)


def _numbers(text: TextColumn) -> Converted:
    # Arrow reads what we do, and "nan", "inf" and the like besides, whose letters are above "9"; so is
    # the "e" of an exponent, and without one only very long texts are out of PostgreSQL's range.
    if (
        _only_below(text, _DIGIT_9)
        and (values := _cast(text.array, pa.float64())) is not None
        and (not len(text) or int(text.lengths.max()) <= _PLAINLY_SHORT)
    ):
        return Converted(text.array, values, None)
    bad = ~_fully(text.array, NUMBER_PATTERN)
    plain = text.lengths <= _PLAINLY_SHORT
    if ((text.data | 0x20) == ord("e")).any():
        plain &= _fully(text.array, r"[^eE]*(?:[eE][+-]?0*[0-9]{1,4})?")
    unusual = np.flatnonzero(~bad & ~plain)
    if unusual.size:
        number = Field(name="number", type="number")
        for position, value in zip(unusual, texts_at(text.array, unusual), strict=True):
            try:
                number.parse(value or "")
            except ValueFormatError:
                bad[position] = True
    values = _cast_all(text.without(bad), pa.float64())
    return Converted(text.array, values, bad if bad.any() else None)


def _booleans(field: Field, text: TextColumn) -> Converted:
    words = pa.array([*field.trues, *field.falses], pa.string())
    found = pc.index_in(text.array, value_set=words)
    values = pc.less(found, len(field.trues))
    missing = 0 if text.valid is None else len(text) - int(np.count_nonzero(text.valid))
    if found.null_count == missing:
        return Converted(values, values, None)
    bad = text.present(to_mask(pc.is_null(found), null=False))
    return Converted(values, values, bad)


def _days(values: AnyArray) -> tuple[int, int]:
    """Least and greatest day since 1970 of dates or datetimes; a safe one when all are missing."""
    dates = pc.min_max(values)
    low, high = dates["min"], dates["max"]
    if not low.is_valid:
        return 0, 0
    if values.type == pa.date32():
        return low.value, high.value
    day = 86_400_000_000
    return low.value // day, high.value // day


def _within_safe_days(values: AnyArray) -> bool:
    low, high = _days(values)
    return low >= _FIRST_SAFE_DAY and high <= _LAST_SAFE_DAY


def _calendar_days(text: TextColumn, candidates: Mask) -> Mask:
    """Which of the candidates, all of at least 10 bytes, start with YYYY-MM-DD, a day of the calendar of
    the years 0001 to 9999."""
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


def _dates(text: TextColumn) -> Converted:
    # Arrow reads exactly YYYY-MM-DD, and the year 0000 besides.
    values = _cast(text.array, pa.date32())
    if values is not None and _days(values)[0] >= _FIRST_SAFE_DAY - 1:
        return Converted(values, values, None)
    bad = text.present(~_calendar_days(text, text.lengths == 10))
    return _converted(_cast_all(text.without(bad), pa.date32()), bad)


def _zoned(text: TextColumn) -> Mask:
    """Which values of at least 19 bytes end with Z or ±hh:mm."""
    long = text.lengths >= 19
    whole = bool(long.all())
    ends = text.offsets[1:] if whole else text.offsets[1:][long]
    zoned: Mask = text.data[ends - 1] == ord("Z")
    if not zoned.all():
        sign = text.data[ends - 6]
        zoned |= (text.data[ends - 3] == ord(":")) & ((sign == ord("+")) | (sign == _DASH))
    if whole:
        return zoned
    result = np.zeros(len(text), np.bool_)
    result[long] = zoned
    return result


def _cast_datetimes(text: TextColumn, zoned: Mask, bad: Mask | None) -> AnyArray | None:
    """UTC instants; null where missing or bad. None when Arrow refuses a value."""
    array = text.array if bad is None else text.without(bad)
    zones = zoned if text.valid is None else zoned[text.valid]
    if zones.all():
        return _cast(array, _UTC)
    if not zones.any():
        values = _cast(array, pa.timestamp("us"))
        return None if values is None else values.cast(_UTC)
    none = np.zeros(len(text), np.bool_) if bad is None else bad
    with_zone = _cast(text.without(none | ~zoned), _UTC)
    without_zone = _cast(text.without(none | zoned), pa.timestamp("us"))
    if with_zone is None or without_zone is None:
        return None
    both: AnyArray = pc.coalesce(with_zone, without_zone.cast(_UTC))
    return both


def _datetimes(text: TextColumn) -> Converted:
    # Arrow also reads shorter times and other ways to write a zone, which the lengths exclude: 19 bytes
    # to the second, and up to 6 digits more behind a point.
    zoned = _zoned(text)
    lengths = text.lengths
    if zoned.any():
        zone = np.where(text.data[np.maximum(text.offsets[1:], 1) - 1] == ord("Z"), 1, 6)
        lengths = np.where(zoned, lengths - zone, lengths)
    formed = (lengths == 19) | ((lengths >= 21) & (lengths <= 26))
    values = None if text.present(~formed).any() else _cast_datetimes(text, zoned, None)
    if values is not None and _within_safe_days(values):
        return Converted(values, values, None)
    bad = text.present(~(_fully(text.array, DATETIME_PATTERN) & _calendar_days(text, text.lengths >= 19)))
    values = _cast_datetimes(text, zoned, bad)
    assert values is not None, "datetimes that fulfil the rules cannot be cast"
    # An offset can lead from the year 0001 or 9999 out of the range.
    instants = values.cast(pa.int64())
    low, high = (_FIRST_SAFE_DAY - 1) * 86_400_000_000, (_LAST_SAFE_DAY + 2) * 86_400_000_000
    inside = pc.and_(pc.greater_equal(instants, low), pc.less(instants, high))
    outside = ~to_mask(inside, null=True)
    if outside.any():
        bad = bad | outside
        values = pc.if_else(pa.array(outside), pa.scalar(None, _UTC), values)
    return _converted(values, bad)


def _formatted(
    fixed: FixedFormat, converter: Callable[[TextColumn], Converted], text: TextColumn
) -> Converted:
    """Reorder the bytes of the values that have the format's width and literals; the others are bad."""
    rows = np.flatnonzero(text.lengths == fixed.width)
    source = text.data[text.offsets[rows, None] + np.arange(fixed.width)]
    for position, character in fixed.literals:
        fitting = source[:, position] == ord(character)
        if not fitting.all():
            rows, source = rows[fitting], source[fitting]
    # Bytes above ASCII must not be torn out of their characters: the result would be no UTF-8.
    ascii_only = (source < 0x80).all(axis=1)
    if not ascii_only.all():
        rows, source = rows[ascii_only], source[ascii_only]
    iso = np.empty((len(rows), len(fixed.iso)), np.uint8)
    for position, item in enumerate(fixed.iso):
        iso[:, position] = source[:, item] if isinstance(item, int) else ord(item)
    lengths = np.zeros(len(text), np.int32)
    lengths[rows] = len(fixed.iso)
    offsets = np.zeros(len(text) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    result = converter(text_column(string_array(offsets, iso.reshape(-1)), frozenset(("",))))
    if len(rows) == len(text):
        return result
    bad = text.present(lengths == 0)
    if result.bad is not None:
        bad |= result.bad
    return Converted(result.column, result.comparable, bad if bad.any() else None)


_CONVERTERS: dict[FieldType, Callable[[TextColumn], Converted]] = {
    "string": _strings,
    "any": _strings,
    "integer": _integers,
    "number": _numbers,
    "date": _dates,
    "datetime": _datetimes,
    "time": _times,
    "year": _years,
    "yearmonth": lambda text: _texts(text, YEARMONTH_PATTERN),
    "duration": _durations,
    "geopoint": lambda text: _texts(text, GEOPOINT_PATTERN),
}
