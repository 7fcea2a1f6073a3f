"""Looks at every message to a user that the suite makes while tests run.

A message may name what a person knows: rows, lines, fields, values, tables. It never has a bare SQLSTATE, the
name of a class of Python, the text of SQL, or a place where a list was empty.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ingestor.outcomes import Notice, RowError
from ingestor.runtime.errors import ServiceError
from ingestor.tabular.errors import UnreadableFileError

# Values of a file are in double quotes; they may be anything.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_FLAWS = {
    "a bare SQLSTATE": re.compile(r"SQLSTATE"),
    "the name of a class": re.compile(
        r"\b[A-Z]\w*(?:Error|Exception|Warning)\b|<class |object at 0x|Traceback"
    ),
    "an empty list": re.compile(
        r"(?::|\b(?:of|by|in|just|are|columns?|fields?|named?|with|has|have|than)) +[.,;](?:\s|$)"
        r"|(?<![\w)])\[\]|\(\)"  # but integer[] is a type
    ),
    "SQL": re.compile(r"\b(?:SELECT|UPDATE|DELETE|INSERT INTO) .*\b(?:FROM|SET|VALUES)\b"),
}

# Modules that make messages anew from what tests, too, have made.
_COPIES = {
    "ingestor.wire",
    "ingestor.notices",
    "ingestor.services.processor.batches",
    "ingestor.services.status.reports.row_table",
}


def flaw(message: str) -> str:
    """What is wrong with a message; empty if nothing is."""
    text = _QUOTED.sub('"…"', message)
    for name, pattern in _FLAWS.items():
        if pattern.search(text):
            return f"{name}: {message!r}"
    return ""


class Watch:
    """Collects the flaws of the messages that are made from now on."""

    def __init__(self) -> None:
        self.flaws: list[str] = []

    def begin(self) -> None:
        """Watch every class whose messages reach users."""
        for made in (RowError, Notice, ServiceError, UnreadableFileError):
            self._watch(made)

    def _watch(self, made: Any) -> None:
        if issubclass(made, tuple):  # it is whole before __init__
            create: Callable[..., Any] = made.__new__

            def new(cls: Any, *values: Any, **named: Any) -> Any:
                self_ = create(cls, *values, **named)
                self._look(self_, sys._getframe(1))
                return self_

            made.__new__ = new
            return
        before: Callable[..., None] = made.__init__

        def init(self_: Any, *values: Any, **named: Any) -> None:
            before(self_, *values, **named)
            self._look(self_, sys._getframe(1))

        made.__init__ = init

    def _look(self, message: Any, frame: FrameType) -> None:
        maker = frame.f_globals["__name__"]
        if maker.startswith("ingestor.") and maker not in _COPIES and (found := flaw(message.message)):
            self.flaws.append(f"{maker}: {found}")
