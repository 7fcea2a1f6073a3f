"""Dates and times as other systems write them: what a format reads, as a column and value by value."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.pipelines.document import Field
from ingestor.pipelines.field import field_problems
from ingestor.types.type import ValueFormatError
from tests.examples import examples
from tests.unit.checking.check_tables import check_column

BERLIN = {"type": "datetime", "timezone": "Europe/Berlin"}
CLOCKS = "the clocks of Europe/Berlin; write it with its offset"
TOO_EXACT = "is more exact than a microsecond, the most that a {} keeps"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            {"type": "date", "format": "%m/%d/%Y"},
            {"1/5/2025": date(2025, 1, 5), "01/05/2025": date(2025, 1, 5), "12/31/2024": date(2024, 12, 31)},
            ["13/1/2025", "1/5/25", "001/5/2025", "1/5/2025 ", "2/30/2025", "/5/2025", "１/5/2025"],
        ),
        (
            {"type": "date", "format": "%Y%m%d"},  # digits that touch have their full width
            {"20250105": date(2025, 1, 5)},
            ["2025105", "202515"],
        ),
        (
            {"type": "date", "format": "%d.%m.%y"},
            {"1.2.68": date(2068, 2, 1), "1.2.69": date(1969, 2, 1), "31.12.00": date(2000, 12, 31)},
            ["1.2.2024", "29.2.23"],
        ),
        (
            {"type": "date", "format": "%d-%b-%Y"},
            {"5-Jan-2025": date(2025, 1, 5), "05-SEPT-2025": date(2025, 9, 5),
             "5-may-2025": date(2025, 5, 5)},
            ["5-Mai-2025", "5-J-2025", "31-Feb-2025"],
        ),
        (
            {"type": "date", "format": "%A, %B %d, %Y"},
            {"Monday, January 6, 2025": date(2025, 1, 6), "mon, Jan. 06, 2025": date(2025, 1, 6)},
            ["January 6, 2025", "Day, January 6, 2025"],
        ),
        (
            {"type": "date", "format": "%d. %B %Y", "locale": "de"},
            {"1. März 2025": date(2025, 3, 1), "24. DEZEMBER 2025": date(2025, 12, 24)},
            ["1. March 2025"],
        ),
        (
            {"type": "date", "format": "%d %b %Y", "locale": "fr"},
            {"14 juil. 2025": date(2025, 7, 14), "1 FÉVR. 2025": date(2025, 2, 1)},
            ["14 july 2025"],
        ),
        (
            {"type": "date", "format": "%Y-%m-%d %H:%M:%S"},  # the format says that there is a time to drop
            {"2024-02-29 23:59:59": date(2024, 2, 29)},
            ["2024-02-29", "2024-02-29 24:00:00"],
        ),
        (
            {"type": "date", "rounding": "allow"},
            {"2024-02-29": date(2024, 2, 29), "2024-02-29T23:59:59.5": date(2024, 2, 29),
             "2024-02-29 10:00": date(2024, 2, 29), "2024-02-29 23:59:59+00": date(2024, 2, 29)},
            ["2024-02-30T10:00:00", "2024-02-29T24:00:00", "2024-02-29T", "2024-02-29x"],
        ),
        (
            {"type": "time", "format": "%I:%M %p"},
            {"12:00 AM": time(0), "12:30 pm": time(12, 30),
             "1:05 p.m.": time(13, 5), "11:59\u202fPM": time(23, 59)},
            ["13:00 PM", "0:30 AM", "1:05", "1:60 AM"],
        ),
        (
            {"type": "datetime", "format": "%m/%d/%Y %I:%M:%S %p"},
            {"1/5/2025 1:02:03 PM": at(2025, 1, 5, 13, 2, 3)},
            ["1/5/2025 13:02:03", "1/5/2025 00:02:03 AM"],
        ),
        (
            {"type": "datetime", "format": "%b %d %Y %I:%M%p"},  # SQL Server's own
            {"Jan  5 2025 12:00AM": at(2025, 1, 5), "Jan 15 2025  1:05PM": at(2025, 1, 15, 13, 5)},
            ["Jan   5 2025 12:00AM"],
        ),
        (
            {"type": "datetime", "format": "%d/%b/%Y:%H:%M:%S %z"},  # the log of a web server
            {"10/Oct/2000:13:55:36 -0700": at(2000, 10, 10, 20, 55, 36),
             "10/Oct/2000:13:55:36 GMT": at(2000, 10, 10, 13, 55, 36)},
            ["10/Oct/2000:13:55:36", "10/Oct/2000:13:55:36 -2500"],
        ),
        (
            {"type": "datetime", "format": "%Y%m%d%H%M%S.%f"},
            {"20240229235959.5": at(2024, 2, 29, 23, 59, 59, 500_000),
             "20240229235959.123456000": at(2024, 2, 29, 23, 59, 59, 123_456)},
            ["20240229235959.1234567", "20240229235959."],
        ),
        (
            {"type": "datetime", "format": "unix"},
            {"0": at(1970, 1, 1), "1709251199.25": at(2024, 2, 29, 23, 59, 59, 250_000),
             "-1": at(1969, 12, 31, 23, 59, 59), "-0.5": at(1969, 12, 31, 23, 59, 59, 500_000),
             "1.123456000": at(1970, 1, 1, 0, 0, 1, 123_456)},
            ["1e9", "1.", "1.1234567", "99999999999999", "", "2024-01-01T00:00:00Z"],
        ),
        (
            {"type": "datetime", "format": "unix-ms"},
            {"1709251199250": at(2024, 2, 29, 23, 59, 59, 250_000), "1.5": at(1970, 1, 1, 0, 0, 0, 1500)},
            ["1.0001"],
        ),
        (
            BERLIN,
            {"2024-01-01T12:00:00": at(2024, 1, 1, 11),
             "2024-07-01 12:00:00.5": at(2024, 7, 1, 10, 0, 0, 500_000),
             "2024-07-01T12:00:00Z": at(2024, 7, 1, 12), "2024-10-27 02:30:00+01": at(2024, 10, 27, 1, 30)},
            ["2024-03-31T02:30:00", "2024-10-27T02:30:00", "0001-01-01T00:00:00"],
        ),
        (
            {**BERLIN, "format": "%d.%m.%Y %H:%M"},
            {"1.1.2024 12:00": at(2024, 1, 1, 11)},
            ["31.3.2024 2:30"],
        ),
    ],
)  # fmt: skip
def test_formats(field: dict[str, Any], good: dict[str, Any], bad: list[str]) -> None:
    kind = Field.model_validate({"name": "f", **field}).kind
    assert {text: kind.parse(text) for text in good} == good
    for text in bad:
        with pytest.raises(ValueFormatError):
            kind.parse(text)
    checked = check_column([*good, *bad], field, missingValues=["-"])
    read: Any = checked.good.column("f").to_pylist()
    texts = kind.name == "time"  # a column of times stays text
    assert (
        [time.fromisoformat(value) for value in read] == [*good.values()]
        if texts
        else read == [*good.values()]
    )
    assert [row.cells for row in checked.rejected] == [(text,) for text in bad]


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        (
            BERLIN,
            "2024-03-31T02:30:00",
            f"is skipped by {CLOCKS}",
        ),
        (
            BERLIN,
            "2024-10-27T02:30:00",
            f"occurs twice by {CLOCKS}",
        ),
        (
            {"type": "datetime"},
            "2024-01-01T00:00:00.1234567Z",
            TOO_EXACT.format("datetime"),
        ),
        (
            {"type": "time"},
            "00:00:00.1234567",
            "is more exact than a microsecond, the most that a time keeps",
        ),
        (
            {"type": "date"},
            "2024-02-29T00:00:00",
            'is a date with a time of day; declare "rounding": "allow" to drop it',
        ),
        ({"type": "date", "format": "%d.%m.%Y"}, "31.2.2024", "is not a day of the calendar"),
        ({"type": "datetime", "format": "unix"}, "x", "is not a count of seconds since 1970"),
    ],
)
def test_messages(field: dict[str, Any], text: str, why: str) -> None:
    (row,) = check_column([text], field).rejected
    assert row.errors[0].message == f'f: "{text}" {why}'


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"timezone": "Europe/Atlantis"}, 'timezone is not the name of a time zone such as "Europe/Berlin"'),
        ({"locale": "xx", "format": "%d %b %Y %H"}, "locale must be one of en, de, fr, es, it, nl, pt"),
        ({"format": "%d.%m.%Y %H:%p"}, "format %p needs %I"),
        ({"format": "%d.%m.%Y %M"}, "format %H is missing in the datetime format"),
    ],
)
def test_settings_that_cannot_be(keys: dict[str, Any], problem: str) -> None:
    field = Field.model_validate({"name": "f", "type": "datetime", "constraints": {"enum": ["x"]}, **keys})
    assert [f"{path[0]} {message}" for path, message in field_problems(field)] == [problem]


@settings(max_examples=examples(60))
@given(
    st.lists(st.datetimes(datetime(1969, 1, 1), datetime(2068, 12, 31))),
    st.sampled_from(
        ["%d.%m.%y %H:%M:%S.%f", "%A %d %B %Y, %I:%M:%S.%f %p", "%b %d %Y %H:%M:%S.%f", "%y%m%d%H%M%S%f"]
    ),
)
def test_what_strftime_writes_is_read(moments: list[datetime], pattern: str) -> None:
    texts = [moment.strftime(pattern) for moment in moments]
    checked = check_column(texts, {"type": "datetime", "format": pattern})
    assert checked.good.column("f").to_pylist() == [moment.replace(tzinfo=UTC) for moment in moments]
