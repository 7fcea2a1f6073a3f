"""Reads the JSON of pipeline documents: numbers stay exact, and a repeated key is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from ingestor.pipelines.errors import MAX_VIOLATIONS, PipelineError, Violation, pointer

# Far more than a real document has (1500 fields with long enums); bounds the work on a hostile one.
MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 50
# Of keys and values of all kinds; the largest real documents have some 50,000.
MAX_VALUES = 200_000
MAX_EXPONENT = 1000
_UNFIT = re.compile("[\0\ud800-\udfff]")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise PipelineError([Violation("", f"the key {json.dumps(key)} occurs twice in one object")])
        result[key] = value
    return result


def _constant(name: str) -> Any:
    raise PipelineError([Violation("", f"{name} is not JSON")])


def _number(text: str) -> Decimal | int:
    # Python refuses to read whole numbers of more than a few thousand digits. No field has room for them.
    if len(text) > 1000:
        raise PipelineError([Violation("", "a number has more than 1000 characters")])
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        number = Decimal(text)
    except InvalidOperation:  # not even a Decimal has such an exponent
        number = Decimal("Infinity")
    # Written out, it would have as many zeros.
    sizes = (
        (number.adjusted(), int(number.as_tuple().exponent)) if number.is_finite() else (MAX_EXPONENT + 1,)
    )
    if any(abs(size) > MAX_EXPONENT for size in sizes):
        raise PipelineError([Violation("", f"a number has an exponent beyond {MAX_EXPONENT}")])
    return number


def _unfit(value: Any, path: tuple[str | int, ...]) -> Iterator[Violation]:
    if len(path) > MAX_DEPTH:
        yield Violation(pointer(path), f"is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, str):
        found = set(_UNFIT.findall(value))
        if "\0" in found:
            yield Violation(pointer(path), "holds the character U+0000, which PostgreSQL cannot store")
        if found - {"\0"}:
            yield Violation(pointer(path), "holds half of a surrogate pair, which is not valid Unicode")
    elif isinstance(value, dict):
        for key, item in value.items():
            if any(_unfit(key, ())):
                yield Violation(pointer(path), f"the key {json.dumps(key)} cannot be stored as text")
            else:
                yield from _unfit(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unfit(item, (*path, index))


def _size(document: Any) -> int:
    """Its keys and values, at most MAX_VALUES + 1."""
    size, left = 1, [document]
    while left and size <= MAX_VALUES:
        value = left.pop()
        if isinstance(value, dict):
            size += 2 * len(value)
            left += value.values()
        elif isinstance(value, list):
            size += len(value)
            left += value
    return size


def read_json(text: str) -> Any:
    """Parse `text`; numbers with a fraction or exponent become Decimal.

    Raises PipelineError: not JSON (with line and column), a repeated key, text that PostgreSQL cannot hold.
    """
    if len(text) > MAX_CHARACTERS:
        raise PipelineError([Violation("", f"the document is longer than {MAX_CHARACTERS} characters")])
    try:
        document = json.loads(
            text, parse_float=_number, parse_int=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise PipelineError([Violation("", message)]) from None
    except RecursionError:
        raise PipelineError([Violation("", f"is nested deeper than {MAX_DEPTH} levels")]) from None
    if _size(document) > MAX_VALUES:
        raise PipelineError([Violation("", f"has more than {MAX_VALUES} keys and values")])
    if unfit := list(islice(_unfit(document, ()), MAX_VIOLATIONS)):
        raise PipelineError(unfit)
    return document
