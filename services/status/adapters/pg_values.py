"""Converts errors, states and texts to values of the ledger's tables, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ingestor.outcomes import RejectedRow, RowError
from ingestor.states import PHASE_WORDS, PHASES, ROW_STATES

_as_json = json.JSONEncoder(ensure_ascii=False).encode


def error_json(error: RowError) -> str:
    """An error as the tables have it: a JSON array of code, field, value, message and the phase's number."""
    return _as_json(_values(error))


def errors_json(errors: Sequence[RowError]) -> str:
    """Errors as the tables have them: a JSON array."""
    found = _as_json(
        [(code, field, value, message, PHASES[phase]) for code, field, value, message, phase in errors]
    )
    # Looking once takes a third of the time of looking at each text. What is no U+0000 comes out the same.
    return found if "\\u0000" not in found else _as_json([_values(error) for error in errors])


def _values(error: RowError) -> list[object]:
    return [text(error.code), text(error.field), text(error.value), text(error.message), PHASES[error.phase]]


def error_from(values: Sequence[Any]) -> RowError:
    """The error of a decoded array, see `error_json`."""
    code, field, value, message, phase = values
    return RowError(code, field, value, message, PHASE_WORDS[phase])  # type: ignore[arg-type]


def errors_from(found: str) -> tuple[RowError, ...]:
    """The errors of a text, see `errors_json`."""
    return tuple([error_from(values) for values in json.loads(found)])


def state_number(row: RejectedRow) -> int:
    """The state of a row as the tables have it."""
    return ROW_STATES[row.state]


def text(value: str) -> str:
    """Replace U+0000, which PostgreSQL's text cannot hold, by the replacement character."""
    return value.replace("\0", "\ufffd")


def array_literal(values: Sequence[str]) -> str:
    """Texts as a literal of PostgreSQL's text[]; rows of different lengths are no array of arrays."""
    plain = '","'.join(values)
    if values and "\\" not in plain and plain.count('"') == 2 * (len(values) - 1):  # none within the texts
        return text(f'{{"{plain}"}}')
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return text('{"' + '","'.join(quoted) + '"}') if quoted else "{}"
