"""Cells of workbooks become what a person sees in them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, to_excel

from ingestor.pipelines.document import Field
from ingestor.tabular.parsers.xlsx.moments import moment_text
from ingestor.tabular.parsers.xlsx.numbers import number_text
from ingestor.tabular.parsers.xlsx.styles import Style, style_of
from tests.examples import examples
from tests.unit.tabular.workbooks.building import Cell, number, read, workbook


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("1.1000000000000001", "1.1"),
        ("0.30000000000000004", "0.3"),
        ("119.11899999999999", "119.119"),
        ("7.0000000000000009", "7"),
        ("-2.2999999999999998", "-2.3"),
        ("5.0", "5"),
        ("-0.0", "0"),
        ("1.50", "1.5"),
        ("1E3", "1000"),
        ("2.0E0", "2"),
        ("4.1E+15", "4100000000000000"),
        ("1.59001810629457E+17", "159001810629457000"),
        ("1E-7", "0.0000001"),
        ("1.0000000000000001E-5", "0.00001"),
        ("1E+300", "1E+300"),
        ("0", "0"),
        ("-12", "-12"),
        ("4111111111111111", "4111111111111111"),  # digits that a program wrote stay
        ("12345678901234567890", "12345678901234567890"),
        ("0.123456789012345678", "0.123456789012346"),
    ],
)
def test_numbers_have_fifteen_digits_and_no_needless_ones(stored: str, shown: str) -> None:
    assert number_text(stored) == shown


@pytest.mark.parametrize("stored", ["", "x", "NaN", "Infinity", "1_000", "١", "1e999999", "0x10", "1,5"])
def test_what_is_no_number_is_refused(stored: str) -> None:
    with pytest.raises(ValueError):
        number_text(stored)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
@settings(max_examples=examples(300))
def test_a_number_is_the_one_of_fifteen_digits(value: float) -> None:
    assume("e" in repr(value) or not value.is_integer())  # digits stay as they are
    exact = Decimal(repr(value))
    found = Decimal(number_text(repr(value)))
    assert len(found.normalize().as_tuple().digits) <= 15
    assert abs(found - exact) * 2 <= Decimal(1).scaleb(exact.adjusted() - 14)


@pytest.mark.parametrize(
    ("stored", "zeros", "shown"),
    [
        ("1067", 5, "01067"),
        ("-7", 3, "-007"),
        ("123456", 5, "123456"),
        ("1067.5", 5, "1067.5"),
        ("5.0", 2, "05"),
    ],
)
def test_a_format_of_zeros_is_a_code(stored: str, zeros: int, shown: str) -> None:
    assert number_text(stored, zeros) == shown


@pytest.mark.parametrize(
    ("code", "style"),
    [
        ("General", Style()),
        ("0", Style()),
        ("0.00", Style()),
        ("0.00E+00", Style()),
        ("#,##0.00 [$€-407]", Style()),
        ('0.0 "days"', Style()),
        ("0%", Style(percent="%")),
        ("0.0 %", Style(percent=" %", decimals=1)),
        ('0.00" %"', Style()),  # text in quotes is no percent format
        ("0.00\\ %;[Red]-0.00\\ %", Style(percent=" %", decimals=2)),
        ("00000", Style("number", 5)),
        ("[$-407]00000", Style("number", 5)),
        ("000;-000", Style("number", 3)),
        ('"ID-"00000', Style()),
        ("00000-0000", Style()),
        ("yyyy-mm-dd", Style("date")),
        ("mmm", Style("date")),
        ("d. mmmm", Style("date")),
        ('[$-411]ggge"年"m"月"d"日"', Style("date")),
        ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", Style("date")),
        ("dd/mm/yyyy hh:mm", Style("datetime")),
        ("m/d/yy h:mm AM/PM", Style("datetime")),
        ("[Red]yyyy-mm-dd hh:mm;@", Style("datetime")),
        ("hh:mm", Style("time")),
        ("h:mm AM/PM", Style("time")),
        ("mm:ss.0", Style("time")),
        ("[h]:mm", Style("elapsed")),
        ("[mm]:ss", Style("elapsed")),
        ("@", Style()),
    ],
)
def test_a_format_says_what_a_number_is(code: str, style: Style) -> None:
    assert style_of(code) == style


DAYS = "yyyy-mm-dd"
MOMENTS = "dd/mm/yyyy hh:mm"
TIMES = "hh:mm"
SPANS = "[h]:mm"


@pytest.mark.parametrize(
    ("code", "stored", "shown"),
    [
        (DAYS, "45010", "2023-03-25"),
        (DAYS, "45010.375", "2023-03-25T09:00:00"),
        (DAYS, "1", "1900-01-01"),
        (DAYS, "59", "1900-02-28"),
        (DAYS, "61", "1900-03-01"),
        (DAYS, "2958465", "9999-12-31"),
        (MOMENTS, "45010", "2023-03-25T00:00:00"),
        (MOMENTS, "45010.375", "2023-03-25T09:00:00"),
        (MOMENTS, "45010.333333333336", "2023-03-25T08:00:00"),
        (MOMENTS, "45010.0000115740741", "2023-03-25T00:00:01"),
        (MOMENTS, "0.375", "09:00:00"),
        (TIMES, "0", "00:00:00"),
        (TIMES, "0.0104166666666667", "00:15:00"),
        (TIMES, "0.999999999", "23:59:59.999"),
        (TIMES, "1", "24:00:00"),
        (TIMES, "1.0625", "25:30:00"),
        (TIMES, "45010.375", "2023-03-25T09:00:00"),
        ("mm:ss.0", "0.00071", "00:01:01.344"),
        (SPANS, "1.5", "PT36H"),
        (SPANS, "0", "PT0S"),
        (SPANS, "-0.5", "-PT12H"),
        (SPANS, "1.0625", "PT25H30M"),
        ("[mm]:ss", "0.0071180555", "PT10M15S"),
    ],
)
def test_moments_follow_the_format_not_the_value(code: str, stored: str, shown: str) -> None:
    found = read(workbook([["id", "at"], ["a", number(stored, 1)], ["b", number(stored, 1)]], formats=[code]))
    assert [row[1] for row in found.rows] == [shown, shown]
    assert not found.faults


@pytest.mark.parametrize("stored", ["60", "60.5", "-1", "2958466", "0", "1e300"])
def test_what_is_no_day_is_a_fault_of_its_cell(stored: str) -> None:
    found = read(workbook([["id", "at"], ["a", number(stored, 1)]], formats=[DAYS]))
    assert [fault.fault for fault in found.faults] == [
        f"The cell B2 holds '{stored}', which is not a valid value for its type."
    ]


def test_the_epoch_of_1904() -> None:
    data = workbook(
        [["id", "at"], ["a", number("0", 1)], ["b", number("60", 1)]], formats=[DAYS], epoch_1904=True
    )
    assert [row[1] for row in read(data).rows] == ["1904-01-01", "1904-03-01"]


@given(
    st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 30)).map(lambda at: at.replace(microsecond=0)),
    st.booleans(),
)
@settings(max_examples=examples(200))
def test_every_second_of_both_epochs_is_read_as_it_was_written(at: datetime, epoch_1904: bool) -> None:
    if epoch_1904 and at < datetime(1904, 1, 1):
        at += timedelta(4 * 366)
    serial = to_excel(at, CALENDAR_MAC_1904 if epoch_1904 else CALENDAR_WINDOWS_1900)  # type: ignore[no-untyped-call]
    assert moment_text(Decimal(repr(serial)), "datetime", epoch_1904=epoch_1904) == at.isoformat()


@given(st.integers(-(10**6), 10**6))
@settings(max_examples=examples(100))
def test_durations_are_those_of_the_field_type(seconds: int) -> None:
    text = moment_text(Decimal(seconds) / 86400, "elapsed", epoch_1904=False)
    Field.model_validate({"name": "span", "type": "duration"}).kind.parse(text)
    hours, minutes, rest = abs(seconds) // 3600, abs(seconds) // 60 % 60, abs(seconds) % 60
    assert text == ("-" if seconds < 0 else "") + "PT" + (
        "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if n) or "0S"
    )


def test_dates_that_are_stored_as_iso_8601() -> None:
    rows = [
        ["at", "day"],
        [Cell("2024-02-01T00:00:00", "d", 1), Cell("2024-02-01T00:00:00", "d", 2)],
        [Cell("2024-02-01", "d", 1), Cell("2024-02-01", "d", 2)],
        [Cell("2024-02-01T08:30:00", "d", 1), Cell("2024-02-01T08:30:00", "d", 2)],
    ]
    assert read(workbook(rows, formats=[MOMENTS, DAYS])).rows == [
        ("2024-02-01T00:00:00", "2024-02-01"),
        ("2024-02-01T00:00:00", "2024-02-01"),
        ("2024-02-01T08:30:00", "2024-02-01T08:30:00"),
    ]


def test_a_code_keeps_its_zeros_and_a_percentage_is_its_number() -> None:
    data = workbook([["zip", "share"], [number("1067", 1), number("0.12", 2)]], formats=["00000", "0%"])
    found = read(data)
    assert found.rows == [("01067", "0.12")]
    assert [notice.message for notice in found.notices.values()] == [
        "share: 12 % is read as 0.12, the number that is stored; a string gets what is shown."
    ]


def test_booleans_strings_and_formulas() -> None:
    rows = [
        ["a", "b", "c", "d"],
        [
            Cell("1", "b"),
            Cell("x_x000A_y", "str", more="<f>A1</f>"),
            Cell("3", more="<f>1+2</f>"),
            Cell("FALSE", "b"),
        ],
    ]
    assert read(workbook(rows)).rows == [("true", "x\ny", "3", "false")]
