"""Rows that did not succeed, and why, and notices of files and rows, in the words of the contract.

Reader, checker, processor, status and upload use these types; `ingestor.wire` translates them to and from the
contract's messages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, NamedTuple

Phase = Literal["parse", "validate", "load"]
RejectedState = Literal["failed", "skipped"]

# Longest `RowError.value`, in characters; part of the contract.
MAX_VALUE_CHARACTERS = 1024
# Longest quotation inside a message.
MAX_QUOTED_CHARACTERS = 100
# Most `Notice.row_numbers`; part of the contract.
MAX_NOTICE_ROWS = 100

# Ends a cell with bytes that are no text (they stand in it as \\xNN), so that a repair does not take it for
# the file's own text.
UNREADABLE = "…[unreadable]"

_as_json = json.JSONEncoder(ensure_ascii=False).encode


# Named tuples, since there may be very many: they are made, compared and written as JSON far faster than
# dataclasses.
class RowError(NamedTuple):
    """One reason why a row failed or was skipped. `field` is empty if the whole record is at fault; `value`
    has at most 1024 characters; `message` is one sentence for a person.

    Codes are Frictionless's where it has one.
    """

    code: str
    field: str
    value: str
    message: str
    phase: Phase


class RejectedRow(NamedTuple):
    """A row that failed or was skipped, with at least one error."""

    row_number: int
    """In its file, from 1."""
    line_number: int
    """Line of the file on which its record starts, from 1; 0 if it is not known."""
    state: RejectedState
    errors: tuple[RowError, ...]
    cells: tuple[str, ...]
    """In the order of the file's columns; empty if the record could not be split."""

    @classmethod
    def by_reader(
        cls,
        row_number: int,
        line_number: int,
        state: RejectedState,
        code: str,
        message: str,
        cells: tuple[str, ...],
        text: str,
    ) -> RejectedRow:
        """A record that cannot be read or is left out on purpose. `text` is the record as it stands in the
        file, without its line end; bytes that are not UTF-8, and NUL, as \\xNN."""
        return cls(
            row_number, line_number, state, (RowError(code, "", capped(text), message, "parse"),), cells
        )


@dataclass(frozen=True, slots=True)
class DisplacedRow:
    """A row that was loaded with another batch and has failed since: an earlier row of its process has its
    key."""

    row_number: int
    error: RowError


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should know of a file or of its rows although it rejects none: how a file was understood,
    or what the sink did with rows. `message` is one sentence; `rows` is how many rows it concerns (0: the
    file as a whole); `row_numbers` are the first of them, at most 100, as far as they are known.

    Notices with the same code and message are one: their rows are added up.
    """

    code: str
    message: str
    rows: int = 0
    row_numbers: tuple[int, ...] = ()


def shortened(text: str) -> str:
    """The text, cut to what a message quotes."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def quoted(value: str) -> str:
    """The value in double quotes, on one line, shortened."""
    return _as_json(shortened(value))


def capped(value: str) -> str:
    """The value, cut at the contract's length."""
    return value[:MAX_VALUE_CHARACTERS]
