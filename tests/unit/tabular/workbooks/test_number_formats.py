"""Number formats: what counts in them, and that none takes long."""

from __future__ import annotations

import time

import pytest

from ingestor.tabular.parsers.xlsx.styles import PLAIN, Style, style_of


@pytest.mark.parametrize(
    ("code", "style"),
    [
        ("yyyy-mm-dd", Style("date")),
        ('"a;b"yyyy', Style("date")),  # the semicolon is text
        ("[Red]0.00", PLAIN),
        ("[$-409]h:mm", Style("time")),
        ("[h]:mm", Style("elapsed")),
        ("[HH]:mm;@", Style("elapsed")),
        ('"yyyy"0', PLAIN),
        (r"\y\m0", PLAIN),
        ("_y*d0", PLAIN),
        ("00000", Style(zeros=5)),
        ("00000;-00000", Style(zeros=5)),
        ("[yyyy", PLAIN),  # text that does not end
        ('0"yyyy', PLAIN),
        ("0\\", PLAIN),
    ],
)
def test_what_a_format_shows(code: str, style: Style) -> None:
    assert style_of(code) == style


def test_no_format_takes_long() -> None:
    began = time.process_time()
    for code in ("[" * 400_000, "[" * 255, '"' * 255, "[h" * 127, ";" * 255, "\\" * 255, "[]" * 127):
        for _ in range(100):
            style_of(code)
    assert time.process_time() - began < 5
    assert style_of("y" * 255) == Style("date")
    assert style_of("y" * 256) == PLAIN
