"""Spares MiniStack looking at each character of a message's body, which takes it longer than all else.

Its search for characters that SQS refuses and its writer of JSON go through texts one character at a time.
Bodies of the suite are base64, plain ASCII that both take as it is, and C functions see that in a fraction
of the time.
"""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

Answer = tuple[int, dict[str, str], bytes]

_PLAIN = bytes(range(0x20, 0x7F))
_MARKS = '"\\\t\n\r'  # what SQS takes of ASCII and JSON writes in another way
# SQS takes no U+0000, so that this stands in no message.
_PLACE = "\0body\0"
_JSON_PLACE = json.dumps(_PLACE).encode()


def is_plain(text: str) -> bool:
    """Whether a text is printable ASCII."""
    return text.isascii() and not text.encode("ascii").translate(None, _PLAIN)


class Refused:
    """Searches for characters that SQS refuses: in plain text there are none."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def search(self, text: str) -> re.Match[str] | None:
        """As of a pattern."""
        return None if is_plain(text) else self._pattern.search(text)


def json_answer(data: dict[str, Any], status: int = 200) -> Answer:
    """An answer of SQS in JSON; bodies that JSON writes as they are are put in afterwards."""
    return status, {"Content-Type": "application/x-amz-json-1.0"}, _json(data)


def _json(data: dict[str, Any]) -> bytes:
    bodies: list[bytes] = []
    messages = []
    for message in data.get("Messages", ()):
        body = message.get("Body", '"')
        if body.isascii() and not any(mark in body for mark in _MARKS):
            bodies.append(body.encode("ascii"))
            messages.append({**message, "Body": _PLACE})
        else:
            messages.append(message)
    if not bodies:
        return json.dumps(data).encode()
    first, *others = json.dumps({**data, "Messages": messages}).encode().split(_JSON_PLACE)
    parts = [first]
    for body, after in zip(bodies, others, strict=True):
        parts += b'"', body, b'"', after
    return b"".join(parts)


def spare(sqs: ModuleType) -> None:
    """Have MiniStack's module of SQS do so."""
    sqs._INVALID_SQS_CHARS_RE = Refused(sqs._INVALID_SQS_CHARS_RE)  # type: ignore[attr-defined]
    sqs._json_ok = json_answer  # type: ignore[attr-defined]
