"""Notices are added up, bounded, and survive JSON."""

from __future__ import annotations

from ingestor.notices import MAX_NOTICES, merged, notices_from_json, notices_to_json
from ingestor.outcomes import MAX_NOTICE_ROWS, Notice


def test_notices_with_the_same_code_and_message_are_one() -> None:
    first = [Notice("left-out", "A trigger did it.", 2, (7, 9)), Notice("sheets", "There are others.")]
    second = [Notice("left-out", "A trigger did it.", 3, (1, 9, 12))]
    assert merged(first, second) == (
        Notice("left-out", "A trigger did it.", 5, (1, 7, 9, 12)),
        Notice("sheets", "There are others."),
    )


def test_notices_and_their_row_numbers_are_bounded() -> None:
    many = [Notice("a", str(number)) for number in range(MAX_NOTICES + 5)]
    assert merged(many) == tuple(many[:MAX_NOTICES])
    rows = [Notice("a", "b", 1, (number,)) for number in range(1, MAX_NOTICE_ROWS + 5)]
    assert merged(rows) == (Notice("a", "b", MAX_NOTICE_ROWS + 4, tuple(range(1, MAX_NOTICE_ROWS + 1))),)


def test_a_message_may_quote_any_file() -> None:
    found = merged([Notice("a", "a\0b \ud800 \N{SNOWMAN}", 1, (2,))])
    assert found == (Notice("a", "a\\x00b \\ud800 \N{SNOWMAN}", 1, (2,)),)
    assert notices_from_json(notices_to_json(found)) == found
