"""What was detected, with how sure it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """A detected option: its name in a dialect, its value as JSON, how sure it is (0 to 1), and why, in one
    sentence. Declare the option to overrule it."""

    option: str
    value_json: str
    confidence: float
    why: str
