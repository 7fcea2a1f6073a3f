"""Filters (a subset of AIP-160) and page tokens (AIP-158)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.grpc.requests import make_token, read_time, read_token
from ingestor.services.status.filters import (
    MAX_COMPARISONS,
    MAX_FILTER,
    Comparison,
    FilterError,
    parse_filter,
)
from ingestor.services.status.service import PROCESS_FIELDS, ROW_FIELDS


def test_comparisons_are_joined_by_and() -> None:
    assert parse_filter('status=FAILED AND code = "type-error"  AND row>=10', ROW_FIELDS) == [
        Comparison("status", "=", "FAILED"),
        Comparison("code", "=", "type-error"),
        Comparison("row", ">=", 10),
    ]
    assert parse_filter("   ", ROW_FIELDS) == []
    assert parse_filter("state!=FAILED", PROCESS_FIELDS) == [Comparison("state", "!=", "FAILED")]


def test_parts_and_times() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_filter(
        'file_name:"a b" AND pipeline:cust AND create_time<"2026-01-31T13:00:00+01:00"', PROCESS_FIELDS
    ) == [
        Comparison("file_name", ":", "a b"),
        Comparison("pipeline", ":", "cust"),
        Comparison("create_time", "<", noon),
    ]
    assert parse_filter("create_time>=2026-01-31T12:00:00Z", PROCESS_FIELDS)[0].value == noon
    assert parse_filter("create_time=2026-01-31", PROCESS_FIELDS)[0].value == noon.replace(hour=0)


@pytest.mark.parametrize(
    "text", ["state:FAIL", "create_time:2026", "create_time>noon", "file_name>a", 'file_name="\0"']
)
def test_what_a_process_cannot_be_asked(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text, PROCESS_FIELDS)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_can_be_quoted(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_filter(f'field="{quoted}"', ROW_FIELDS) == [Comparison("field", "=", text)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("status=NEVER", 1),
        ("row>=1 OR row<3", 8),
        ("row=1 AND", 10),
        ("row=1 AND nothing=2", 11),
        ("row=-1", 1),
        ("row=1.5", 1),
        ('code>"a"', 1),
        ('code:"a"', 1),
        ("row:1", 1),
        ("status", 1),
        ('field="open', 1),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: int) -> None:
    with pytest.raises(FilterError, match=f"^character {place}:"):
        parse_filter(text, ROW_FIELDS)


def test_a_filter_has_a_bound() -> None:
    most = " AND ".join(["row>0"] * MAX_COMPARISONS)
    assert len(parse_filter(most, ROW_FIELDS)) == MAX_COMPARISONS
    with pytest.raises(FilterError, match=r"^character 201: a filter has at most 20 comparisons"):
        parse_filter(f"{most} AND row>0", ROW_FIELDS)
    with pytest.raises(FilterError, match="at most 4096 characters"):
        parse_filter(f'code="{"x" * MAX_FILTER}"', ROW_FIELDS)
    with pytest.raises(FilterError) as told:
        parse_filter(f"row={'x' * 4000}", ROW_FIELDS)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(
    "time", ["0001-01-01", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "9000-01-01"]
)
def test_times_beyond_what_is_usual_are_refused(time: str) -> None:
    with pytest.raises(FilterError, match="the years 1970 to 8999"):
        parse_filter(f'create_time<"{time}"', PROCESS_FIELDS)


@pytest.mark.parametrize(
    "seconds", [-62_135_596_800, -1, 253_402_300_799, 253_402_300_800, -(2**63), 2**63 - 1]
)
def test_times_of_requests_are_usual_ones(seconds: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^start_time "):
        read_time("start_time", Timestamp(seconds=seconds))


@pytest.mark.parametrize("position", [-1, 2**62 + 1, 10**30])
def test_a_position_that_no_list_has_is_refused(position: int) -> None:
    with pytest.raises(InvalidArgumentError, match="page token"):
        read_token("scope", make_token("scope", position), int)


@pytest.mark.parametrize("position", ["a\0", "x" * 1000])
def test_a_text_that_no_list_has_is_refused(position: str) -> None:
    with pytest.raises(InvalidArgumentError, match="page token"):
        read_token("scope", make_token("scope", position), str)


@given(st.text(), st.integers(0, 2**62))
def test_a_token_belongs_to_its_call(scope: str, place: int) -> None:
    token = make_token(scope, place)
    assert read_token(scope, token, int) == place
    with pytest.raises(InvalidArgumentError):
        read_token(scope + "x", token, int)


@pytest.mark.parametrize("token", ["x", "%%%", "e30", "W10", "bnVsbA"])
def test_a_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgumentError):
        read_token("scope", token, int)


def test_no_token_is_the_first_page() -> None:
    assert read_token("scope", "", int) is None
