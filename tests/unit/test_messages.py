"""What a message to a user must not have."""

from __future__ import annotations

import pytest

from tests.messages import flaw


@pytest.mark.parametrize(
    "message",
    [
        "The table has no unique index of just .",
        "The pipeline reads columns that the file does not have: .",
        "The table refuses the row (SQLSTATE 23505).",
        "The file cannot be read: ValueError",
        "The columns [] are missing.",
        "It failed at SELECT a FROM b.",
    ],
)
def test_flaws_are_found(message: str) -> None:
    assert flaw(message)


@pytest.mark.parametrize(
    "message",
    [
        'id: "x" is not an integer.',
        'name: "SELECT a FROM b (SQLSTATE)" is longer than 5 characters.',
        "The file has none of the columns that the fields of the pipeline p read; it has a, b.",
        "GRANT INSERT ON sales.stock TO ingestor_processor.",
    ],
)
def test_a_good_message_has_none(message: str) -> None:
    assert not flaw(message)
