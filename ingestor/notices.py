"""Adds notices up, and writes them as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ingestor.outcomes import MAX_NOTICE_ROWS, Notice

# Most notices of a file or of its process; part of the contract.
MAX_NOTICES = 100


def merged(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    """The notices in order, those with the same code and message as one. At most 100 are kept."""
    found: dict[tuple[str, str], Notice] = {}
    for notice in (_clean(notice) for group in groups for notice in group):
        key = notice.code, notice.message
        known = found.get(key)
        if known is not None:
            numbers = sorted({*known.row_numbers, *notice.row_numbers})[:MAX_NOTICE_ROWS]
            found[key] = replace(known, rows=known.rows + notice.rows, row_numbers=tuple(numbers))
        elif len(found) < MAX_NOTICES:
            found[key] = replace(notice, row_numbers=notice.row_numbers[:MAX_NOTICE_ROWS])
    return tuple(found.values())


def shifted(notices: Iterable[Notice], rows: int) -> Iterator[Notice]:
    """The notices of records that follow this many others, with the numbers of their rows in the file."""
    for notice in notices:
        yield replace(notice, row_numbers=tuple(number + rows for number in notice.row_numbers))


def as_objects(notices: Iterable[Notice]) -> list[dict[str, object]]:
    """The notices as JSON objects: {code, message, rows, row_numbers}."""
    return [
        {
            "code": notice.code,
            "message": notice.message,
            "rows": notice.rows,
            "row_numbers": list(notice.row_numbers),
        }
        for notice in notices
    ]


def notices_to_json(notices: Iterable[Notice]) -> str:
    """The notices as JSON text."""
    return json.dumps(as_objects(notices))


def notices_from_json(text: str) -> tuple[Notice, ...]:
    """The notices in the result of `notices_to_json`."""
    return from_objects(json.loads(text))


def from_objects(objects: Iterable[dict[str, object]]) -> tuple[Notice, ...]:
    """The notices in the result of `as_objects`."""
    return tuple(
        Notice(
            str(found["code"]),
            str(found["message"]),
            int(str(found.get("rows", 0))),
            tuple(found.get("row_numbers", ())),  # type: ignore[arg-type]
        )
        for found in objects
    )


def _clean(notice: Notice) -> Notice:
    """The notice with a message that every database and protocol can carry: it may quote a file."""
    message = notice.message.replace("\0", "\\x00")
    message = message.encode("utf-8", "backslashreplace").decode()
    return notice if message == notice.message else replace(notice, message=message)
