"""Every type against a slow oracle of its own, on whole columns and on single values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.pipelines.document import Field
from ingestor.types.type import ValueFormatError
from tests.examples import examples
from tests.unit.checking.check_tables import check_column

Oracle = Callable[[str], Any]
DIGITS = set("0123456789")


def integer(text: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or not set(digits) <= DIGITS:
        raise ValueError(text)
    value = Decimal(text)  # int() refuses thousands of digits
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return int(value)


def number(text: str) -> Decimal:
    if not set(text) <= DIGITS | set("+-.eE"):
        raise ValueError(text)
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    exponent = int(text.lower().partition("e")[2] or "0")
    scale = value.as_tuple().exponent
    assert isinstance(scale, int)
    if abs(exponent) >= 2**30 or -scale > 16383 or (value and value.adjusted() + 1 > 131072):
        raise ValueError(text)
    return value


def boolean(text: str) -> bool:
    return {"true": True, "True": True, "TRUE": True, "1": True, "t": True,
            "false": False, "False": False, "FALSE": False, "0": False, "f": False}[text]  # fmt: skip


def day(text: str) -> date:
    value = date.fromisoformat(text)
    if value.isoformat() != text:
        raise ValueError(text)
    return value


def instant(text: str) -> datetime:
    base, rest = text[:10] + "T" + text[11:19], text[19:]
    if text[10:11] not in ("T", " "):
        raise ValueError(text)
    value = datetime.fromisoformat(base)
    if value.isoformat() != base:
        raise ValueError(text)
    if rest[:1] == ".":
        digits = rest[1:].rstrip("Z").partition("+")[0].partition("-")[0]
        if not 1 <= len(digits) <= 9 or not set(digits) <= DIGITS or digits[6:].strip("0"):
            raise ValueError(text)
        value = value.replace(microsecond=int(digits[:6].ljust(6, "0")))
        rest = rest[1 + len(digits) :]
    if rest in ("", "Z"):
        return value.replace(tzinfo=UTC)
    hours, *smaller = re.split(":", rest[1:]) if ":" in rest else (rest[1:3], *filter(None, [rest[3:]]))
    parts = [hours, *smaller]
    if rest[0] not in "+-" or len(parts) > 3 or any(len(p) != 2 or not set(p) <= DIGITS for p in parts):
        raise ValueError(text)
    hour, minute, second = map(int, [*parts, "0", "0"][:3])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(text)
    shift = timedelta(hours=hour, minutes=minute, seconds=second) * (-1 if rest[0] == "-" else 1)
    return value.replace(tzinfo=timezone(shift)).astimezone(UTC)


def year(text: str) -> int:
    if len(text) != 4 or not set(text) <= DIGITS:
        raise ValueError(text)
    return int(text)


def month(text: str) -> str:
    date.fromisoformat(f"{text}-01")
    if len(text) != 7 or not text.isascii():
        raise ValueError(text)
    return text


def json_of(kind: type) -> Oracle:
    def read(text: str) -> str:
        def no_constant(_: str) -> None:
            raise ValueError(text)

        if not isinstance(json.loads(text, parse_constant=no_constant, parse_int=str), kind):
            raise ValueError(text)
        return text

    return read


ORACLES: dict[str, Oracle] = {
    "any": str,
    "year": year,
    "yearmonth": month,
    "array": json_of(list),
    "object": json_of(dict),
    "string": str,
    "integer": integer,
    "number": number,
    "boolean": boolean,
    "date": day,
    "datetime": instant,
}

ODD_TEXTS = [
    "", " ", "١٢", "１", "1_000", "1,000", "0x1F", "0X1f", "1e5", "1E5", "1e", "e5", "+5", "-5", "--1",
    "+-1", "-0", "+0", "007", " 1", "1 ", "\t1", "1\n", ".", ".5", "5.", "-.5", "+.5e-3", "1.5.5",
    "NaN", "nan", "inf", "-Infinity", "1e400", "1e-400", "0e99999", "1e131071", "1e131072", "1e-16383",
    "1e-16384", "0e1073741823", "0e1073741824", "1e99999999999999999999", "9" * 400, "0" * 7000 + "1",
    "1" * 131073, "0." + "1" * 16383, "0." + "1" * 16384, "0." + "1" * 16384 + "e1", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "+9223372036854775807", "0009223372036854775808", "99999999999999999999", "9" * 5000, "true",
    "True", "TRUE", "tRUE", "false", "yes", "NULL", "\\N", "\\.", 'a"b', "a\\b", "é", "\U0001f600",
    "2024-02-29", "2023-02-29", "2023-02-30", "1900-02-29", "2000-02-29", "0000-01-01", "0001-01-01",
    "9999-12-31", "10000-01-01", "2024-2-9", "20240209", "2024-W01-1", "2024-13-01", "2024-00-01",
    "2024-01-00", "2024/01/01", "２024-01-01", "202é-01-01", "2024-01-01x", "-001-01-01",
    "2024-01-01T10:00:00", "2024-01-01 10:00:00", "2024-01-01t10:00:00", "2024-01-01T10:00:00Z",
    "2024-01-01T10:00:00z", "2024-01-01T10:00:00+01:00", "2024-01-01T10:00:00+0100",
    "2024-01-01T10:00:00+01", "2024-01-01T10:00:00-23:59", "2024-01-01T10:00:00-24:00",
    "2024-01-01T10:00:00+01:60", "2024-01-01T10:00:00.1", "2024-01-01T10:00:00.123456Z",
    "2024-01-01T10:00:00.1234567", "2024-01-01T10:00:00.", "2024-01-01T10:00:00,5", "2024-01-01T10:00",
    "2024-01-01T10:00Z", "2024-01-01T10", "2024-01-01T10:00+01:00", "2024-01-01T10:00:0+01:00",
    "2024-01-01T24:00:00", "2024-01-01T23:59:60", "2024-02-30T10:00:00", "2024-02-30T10:00:00Z",
    "0000-12-31T23:30:00-01:00", "0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59+00:01",
    "2024-01-01T10:00:00 Z", "2024-01-01  10:00:00", "2024-01-01T10:00:00é",
    "2024-01-01T10:00:00.12345Ａ", "2024-01-01T10:00:00+01:00Z", "2024-01-01 10:00:00.5+00",
    "2024-01-01 10:00:00-0230", "2024-01-01T10:00:00.123456789Z", "2024-01-01T10:00:00.123456000+02",
    "2024-01-01T10:00:00.1200000Z", "2024-01-01T10:00:00.1234560000Z", "1880-01-01 00:53:28+00:53:28",
    "1880-01-01 00:53:28.25-00:53:28", "2024-01-01T10:00:00+00:53:60", "2024-01-01T10:00:00+010203",
    "2024-01-01T10:00:00+1", "2024-01-01T10:00:00+2400", "0001-01-01 00:00:00+00:00:01", "t", "f", "T",
]  # fmt: skip
ODD = st.sampled_from(ODD_TEXTS)
NEARLY = st.text("0123456789+-.eETZ: _x١", max_size=30)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).map(str)
INTEGERS = st.integers(-(2**64), 2**64).map(str)
DATES = st.dates().map(date.isoformat)
ZONES = st.sampled_from(["", "Z", "+00:00", "-00:30", "+14:00", "-23:59", "+00", "-0330", "+00:53:28"])
DATETIMES = st.builds(
    lambda moment, separator, digits, zone: (
        moment.isoformat(separator, "seconds") + (f".{moment:%f}"[: digits + 1] if digits else "") + zone
    ),
    st.datetimes(),
    st.sampled_from("T "),
    st.integers(0, 6),
    ZONES,
)
# PostgreSQL cannot hold U+0000 and the reader rejects it.
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
FITTING: dict[str, st.SearchStrategy[str]] = {
    "string": st.text(),
    "integer": INTEGERS,
    "number": DECIMALS,
    "boolean": st.sampled_from(["true", "false", "1", "0", "t", "f"]),
    "date": DATES,
    "datetime": DATETIMES,
    "any": ANY,
    "year": st.integers(0, 99999).map(str),
    "yearmonth": DATES.map(lambda text: text[:7]),
    "array": JSON.map(json.dumps),
    "object": JSON.map(json.dumps),
}


def columns(kind: str) -> st.SearchStrategy[list[str]]:
    """Columns that fit, those with few other values, and those with many."""
    fitting = FITTING[kind].map(lambda text: text.replace("\0", ""))
    mixed = st.one_of(fitting, fitting, ODD, NEARLY, DECIMALS, DATES, DATETIMES, ANY)
    return st.one_of(
        st.lists(fitting, max_size=8),
        st.tuples(st.lists(fitting, max_size=8), mixed).map(lambda pair: [*pair[0], pair[1]]),
        st.lists(mixed, max_size=12),
    )


def expected(oracle: Oracle, text: str) -> tuple[bool, Any]:
    try:
        return True, oracle(text)
    except (ValueError, KeyError, OverflowError):
        return False, None


@pytest.mark.parametrize("kind", ORACLES)
@settings(max_examples=examples(150))
@given(data=st.data(), missing=st.sampled_from([[], [""], ["", "NULL", "-", "1"]]))
def test_a_column_has_the_values_of_the_oracle(kind: str, data: st.DataObject, missing: list[str]) -> None:
    values = data.draw(columns(kind))
    _compare(kind, values, missing)


@pytest.mark.parametrize("kind", ORACLES)
def test_every_odd_value_alone_and_beside_good_ones(kind: str) -> None:
    good = {"string": "a", "integer": "5", "number": "1.5", "boolean": "1", "date": "2024-01-01",
            "datetime": "2024-01-01T00:00:00Z", "any": "a", "year": "2024", "yearmonth": "2024-01",
            "array": "[]", "object": "{}"}[kind]  # fmt: skip
    for odd in ODD_TEXTS:
        _compare(kind, [good, odd, good], [""])
        _compare(kind, [odd], [])


def _compare(kind: str, values: list[str], missing: list[str]) -> None:
    checked = check_column(values, {"type": kind}, missingValues=missing)
    expectations = [(True, None) if text in missing else expected(ORACLES[kind], text) for text in values]
    assert checked.good_index.tolist() == [index for index, (legal, _) in enumerate(expectations) if legal]
    good = checked.good.column("f").to_pylist()
    if kind == "number":  # stays text, to be exact
        good = [None if text is None else Decimal(str(text)) for text in good]
    assert good == [value for legal, value in expectations if legal]
    wrong = [index for index, (legal, _) in enumerate(expectations) if not legal]
    assert [row.row_number - 1 for row in checked.rejected] == wrong
    for row in checked.rejected:
        (problem,) = row.errors
        assert (problem.code, problem.field, problem.phase) == ("type-error", "f", "validate")
        assert problem.value == values[row.row_number - 1][:1024]
        assert row.cells == (values[row.row_number - 1],)
        assert re.fullmatch(r'f: ".*" is [^\n]+', problem.message)


@pytest.mark.parametrize("kind", ORACLES)
@settings(max_examples=examples(150))
@given(text=st.one_of(ODD, NEARLY, INTEGERS, DECIMALS, DATES, DATETIMES, ANY))
def test_the_rule_for_one_value_agrees(kind: str, text: str) -> None:
    field = Field.model_validate({"name": "f", "type": kind})
    legal, value = expected(ORACLES[kind], text)
    if legal:
        assert field.kind.parse(text) == value
    else:
        with pytest.raises(ValueFormatError):
            field.kind.parse(text)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            {"type": "time"},
            ["00:00:00", "23:59:59", "10:11:12.5", "10:11:12.123456"],
            ["24:00:00", "1:00:00", "10:11", "10:11:60", "10:11:12.", "10:11:12.1234567", "10:11:12Z", ""],
        ),
        (
            {"type": "duration"},
            ["P1Y2M10DT2H30M", "P3W", "PT0.5S", "P1D"],
            ["P", "PT", "P1DT", "1D", "P1H", "P1W1D", "", "P1D ", "p1d"],
        ),
        (
            {"type": "geopoint"},
            ["0,0", "-180, 90", "+179.999,-89.5", "180.0,90.00", "8.5,47.3"],
            ["181,0", "0,91", "0", "0;0", "180.1,0", "0,90.01", "a,b", "", "1,2,3", "0,  0"],
        ),
        (
            {"type": "string", "format": "email"},
            ["a@b.de", "first.last+tag@sub.example.com"],
            ["a@b", "@b.de", "a@", "a b@c.de", "a@-b.de", "a@b..de", ""],
        ),
        (
            {"type": "string", "format": "uri"},
            ["https://example.com/a?b=c#d", "mailto:x@y.z", "urn:isbn:1"],
            ["example.com", "http://a b", "://x", "http:", "https://a/%zz", ""],
        ),
        (
            {"type": "string", "format": "uuid"},
            ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
            ["123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "x", ""],
        ),
        ({"type": "string", "format": "binary"}, ["", "QQ==", "QUI=", "QUJD"], ["Q", "QQ=", "QQ==QQ==", "Ä"]),
    ],
)
def test_types_of_text(field: dict[str, Any], good: list[str], bad: list[str]) -> None:
    checked = check_column([*good, *bad], field, missingValues=["missing"])
    assert checked.good.column("f").to_pylist() == good
    assert [row.cells for row in checked.rejected] == [(value,) for value in bad]
    assert {problem.code for row in checked.rejected for problem in row.errors} == {"type-error"}
    one = Field.model_validate({"name": "f", **field})
    for value in good:
        one.kind.parse(value)
    for value in bad:
        with pytest.raises(ValueFormatError):
            one.kind.parse(value)


def test_durations_become_what_postgres_reads() -> None:
    texts = {
        "-P1DT2.5S": "P-1DT-2.5S", "-P3W": "P-3W", "P1M": "P1M",
        "1 year 2 mons 10 days 02:30:00": "P1Y2M10DT02H30M00S",
        "-1 years -00:00:01.5": "P-1YT-00H-00M-01.5S", "1 day": "P1D", "100:00:00": "PT100H00M00S",
    }  # fmt: skip
    checked = check_column([*texts, "1 day -01:00:00", "1:00:00", "day", "-"], {"type": "duration"})
    assert checked.good.column("f").to_pylist() == [*texts.values()]
    assert len(checked.rejected) == 4


@pytest.mark.parametrize(
    ("field", "values", "broken"),
    [
        ({"type": "time", "constraints": {"minimum": "10:00:00.50"}}, ["10:00:00.5", "10:00:00.49"], [1]),
        ({"type": "year", "constraints": {"maximum": 2024}}, ["2024", "2025"], [1]),
        ({"type": "yearmonth", "constraints": {"exclusiveMaximum": "2024-02"}}, ["2024-01", "2024-02"], [1]),
        (
            {"type": "number", "constraints": {"exclusiveMinimum": 0.1}},
            ["0.1", "0.10", "0.1000000000000000001"],
            [0, 1],
        ),
        ({"type": "integer", "constraints": {"exclusiveMinimum": 1, "exclusiveMaximum": 3}}, ["1", "2", "3"],
         [0, 2]),
        ({"type": "duration", "constraints": {"enum": ["P1D"]}}, ["P1D", "PT24H"], [1]),
    ],
)  # fmt: skip
def test_bounds_of_the_types(field: dict[str, Any], values: list[str], broken: list[int]) -> None:
    checked = check_column(values, field)
    assert [row.row_number - 1 for row in checked.rejected] == broken
    assert {problem.code for row in checked.rejected for problem in row.errors} <= {"constraint-error"}


FORMATS = {
    "date": ["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%%%Y %m %d"],
    "datetime": ["%d.%m.%Y %H:%M:%S", "%Y%m%dT%H%M", "%H %d/%m/%Y", "%Y-%m-%dT%H:%M:%SZ"],
}


@pytest.mark.parametrize(("kind", "pattern"), [(kind, text) for kind in FORMATS for text in FORMATS[kind]])
@settings(max_examples=examples(60))
@given(data=st.data())
def test_formats(kind: str, pattern: str, data: st.DataObject) -> None:
    def write(moment: datetime) -> str:
        # %Y of the C library does not pad years below 1000.
        return moment.strftime(pattern.replace("%Y", f"{moment.year:04d}"))

    def read(text: str) -> Any:
        value = datetime.strptime(text, pattern).replace(tzinfo=UTC)
        if write(value) != text:
            raise ValueError(text)
        return value.date() if kind == "date" else value

    texts = st.one_of(
        st.datetimes().map(write), st.datetimes().map(write), ODD, ANY, NEARLY,
        st.sampled_from(["29.02.2023", "3１.12.2024", "31.1２.202", "20240230", "é.02.2024", "02/30/2024"]),
    )  # fmt: skip
    values = data.draw(st.lists(texts, max_size=6))
    checked = check_column(values, {"type": kind, "format": pattern})
    expectations = [(True, None) if text == "" else expected(read, text) for text in values]
    assert checked.good_index.tolist() == [index for index, (legal, _) in enumerate(expectations) if legal]
    assert checked.good.column("f").to_pylist() == [value for legal, value in expectations if legal]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("number", "12,5", 'f: "12,5" is not a number'),
        ("number", " 1", 'f: " 1" is not a number (there are blanks around it)'),
        ("integer", "1.0", 'f: "1.0" is not an integer'),
        (
            "integer",
            "9223372036854775808",
            'f: "9223372036854775808" is outside the range of an integer, '
            "-9223372036854775808 to 9223372036854775807",
        ),
        (
            "number",
            "1e131072",
            'f: "1e131072" is outside the range of a number, 131072 digits before and 16383 after the point',
        ),
        ("boolean", "yes", 'f: "yes" is not a boolean'),
        ("date", "2024-02-30", 'f: "2024-02-30" is not a day of the calendar'),
        ("date", "1/2/24", 'f: "1/2/24" is not a date of the form YYYY-MM-DD'),
        ("datetime", "9999-12-31T23:59:59-01:00",
         'f: "9999-12-31T23:59:59-01:00" is outside the years 0001 to 9999 in UTC'),
    ],
)  # fmt: skip
def test_messages(kind: str, text: str, message: str) -> None:
    (row,) = check_column([text], {"type": kind}).rejected
    assert row.errors[0].message == message


def test_a_long_value_is_cut_in_the_error_and_whole_in_the_cells() -> None:
    (row,) = check_column(["x" * 5000], {"type": "integer"}).rejected
    assert row.errors[0].value == "x" * 1024
    assert len(row.errors[0].message) < 200
    assert row.cells == ("x" * 5000,)


def test_own_words_of_a_boolean() -> None:
    checked = check_column(
        ["ja", "nein", "true", ""], {"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]}
    )
    assert checked.good.column("f").to_pylist() == [True, False, None]
    assert [row.row_number - 1 for row in checked.rejected] == [2]


GERMAN = {"type": "number", "decimalChar": ",", "groupChar": "."}


def test_numbers_with_marks_of_their_own() -> None:
    good = ["1.234,50", "-0,5", ",5", "1.234.567", "1234567,0", "+7", "", "1,5e3", "1.000"]
    bad = ["1.23,4", "1,234.5", "12.34", "1..234", "1234.567", "NaN", "1,2,3", " 1", "0x1", "."]
    checked = check_column([*good, *bad], {**GERMAN, "constraints": {"required": False}})
    plain = ["1234.50", "-0.5", ".5", "1234567", "1234567.0", "+7", None, "1.5e3", "1000"]
    assert checked.good.column("f").to_pylist() == plain
    assert [(row.row_number - 1, row.errors[0].value) for row in checked.rejected] == [
        (len(good) + place, text) for place, text in enumerate(bad)
    ]
    assert checked.rejected[0].errors[0].message == (
        'f: "1.23,4" is not a number with the decimal mark "," and the group mark "."'
    )
    field = Field.model_validate({"name": "f", **GERMAN})
    assert [str(field.kind.parse(text)) for text in good if text] == [
        str(Decimal(text)) for text in plain if text
    ]
    for text in bad:
        with pytest.raises(ValueFormatError):
            field.kind.parse(text)


def test_whole_numbers_with_a_group_mark() -> None:
    field = {"type": "integer", "groupChar": " ", "constraints": {"minimum": "1 000"}}
    checked = check_column(["1 000", "9 223 372 036 854 775 807", "999", "1 00", "9 223 372 036 854 775 808",
                            "1000"], field)  # fmt: skip
    assert checked.good.column("f").to_pylist() == [1000, 2**63 - 1, 1000]
    assert [(row.row_number - 1, row.errors[0].code, row.errors[0].message) for row in checked.rejected] == [
        (2, "constraint-error", 'f: "999" is less than the minimum "1 000"'),
        (3, "type-error", 'f: "1 00" is not an integer with the decimal mark "." and the group mark " "'),
        (
            4,
            "type-error",
            'f: "9 223 372 036 854 775 808" is outside the range of an integer, '
            "-9223372036854775808 to 9223372036854775807",
        ),
    ]


def test_constraints_of_numbers_with_marks_compare_their_values() -> None:
    """An enum's spelling is the file's: "1.500" is one thousand and five hundred."""
    field = {**GERMAN, "constraints": {"required": True, "enum": ["1.500", "2,5", 7]}}
    checked = check_column(["1500", "1.500", "1,5", "2,50", "7,0", "2.500", "x", ""], field)
    assert checked.good.column("f").to_pylist() == ["1500", "1500", "2.50", "7.0"]
    assert [(row.row_number - 1, [e.code for e in row.errors]) for row in checked.rejected] == [
        (2, ["constraint-error"]), (5, ["constraint-error"]), (6, ["type-error"]), (7, ["constraint-error"])
    ]  # fmt: skip
    bounded = {**GERMAN, "constraints": {"minimum": "1,5", "exclusiveMaximum": "1.000"}}
    checked = check_column(["1,5", "1,4999999999999999999999", "999,99", "1.000,0"], bounded)
    assert [row.row_number - 1 for row in checked.rejected] == [1, 3]
