"""What was wrong with a row, in the words of the status service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Phase = Literal["parse", "validate", "load"]
RejectedState = Literal["failed", "skipped"]

# Longest `Problem.value`, in characters; part of the contract (RowError.value).
MAX_VALUE_CHARACTERS = 1024
# Longest quotation inside a message.
MAX_QUOTED_CHARACTERS = 100

_as_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a row was rejected or skipped. `field` is empty when the whole record is at fault;
    `value` has at most 1024 characters."""

    code: str
    field: str
    value: str
    message: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that is no plain success: `index` is the 0-based number of its record in the slice,
    `line_index` the 0-based line on which the record starts, `cells` the file's columns in their order,
    None when the record could not be split."""

    index: int
    line_index: int
    state: RejectedState
    errors: tuple[Problem, ...]
    cells: tuple[str, ...] | None


def shortened(text: str) -> str:
    """The text, cut to what a message quotes."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def quoted(value: str) -> str:
    """The value in double quotes, on one line, shortened."""
    return _as_json(shortened(value))


def capped(value: str) -> str:
    """The value, cut at the contract's length."""
    return value[:MAX_VALUE_CHARACTERS]
