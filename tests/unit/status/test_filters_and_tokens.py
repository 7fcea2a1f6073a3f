"""Filters (a subset of AIP-160) and page tokens (AIP-158)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.grpc.requests import make_token, read_token
from ingestor.services.status.filters import Comparison, FilterError, parse_filter
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
