"""What is wrong with a row, in the words of the contract."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

Phase = Literal["parse", "validate", "load"]
RejectedState = Literal["failed", "skipped"]

# Longest `RowError.value`, in characters; part of the contract.
MAX_VALUE_CHARACTERS = 1024
# Longest quotation inside a message.
MAX_QUOTED_CHARACTERS = 100

_as_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class RowError:
    """One reason why a row failed or was skipped. `field` is empty if the whole record is at fault; `value`
    has at most 1024 characters; `message` is one sentence for a person.

    Codes are Frictionless's where it has one.
    """

    code: str
    field: str
    value: str
    message: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that the reader or a check rejected, with at least one error."""

    index: int
    """Position of its record in the slice, from 0."""
    line_index: int
    """Line on which the record starts, from 0 at the slice's first line."""
    state: RejectedState
    errors: tuple[RowError, ...]
    cells: tuple[str, ...] | None
    """The file's columns in their order, None if the record could not be split."""
    byte_index: int | None = None
    """Offset in the slice of the record's first byte, if the reader rejected it and the slice is the file's
    own text."""

    @classmethod
    def by_reader(
        cls,
        index: int,
        line_index: int,
        state: RejectedState,
        code: str,
        message: str,
        cells: tuple[str, ...] | None,
        text: str,
        byte_index: int | None = None,
    ) -> RejectedRow:
        """A record that could not be read or is left out on purpose. `text` is the record as it stands in
        the file, without its line end; bytes that are not UTF-8, and NUL, as \\xNN."""
        error = RowError(code, "", capped(text), message, "parse")
        return cls(index, line_index, state, (error,), cells, byte_index)


def shortened(text: str) -> str:
    """The text, cut to what a message quotes."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def quoted(value: str) -> str:
    """The value in double quotes, on one line, shortened."""
    return _as_json(shortened(value))


def capped(value: str) -> str:
    """The value, cut at the contract's length."""
    return value[:MAX_VALUE_CHARACTERS]
